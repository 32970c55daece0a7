"""What a graph of many paid nodes costs beside the server's own time.

Memory: many Generate nodes of 1024x1024, each saved, as the largest resident size above that before the graph. At most
300 MB are wanted, however many nodes there are.

Batch: the largest resident size while one Generate brings eight pictures of 4096x4096, above that before, as a ratio to
the tensor that it gives. At most 1.25 is wanted.

Time, at 2 s latency: eight Generate nodes, a batch of eight through Inpaint, and one Generate of eight pictures, each
as a ratio to one call, of one picture, and the same graph once more out of the store, which is what the pixels take,
with all that a replay does. At most 1.15 is wanted. The median of three, after one to begin with.

    python benchmarks/executing.py [NODES]
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.stand_in import stand_in
from benchmarks.summary import sum_up
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import Result, execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.table import NODE_CLASS_MAPPINGS

MODEL = "gpt-image-2"
"""Which takes masks, and up to ten pictures a request."""

ROUNDS = 3

Prompt = dict[str, dict[str, Any]]


def generate(count: int, **inputs: Any) -> Prompt:
    """So many Generate nodes, each saved."""
    prompt: Prompt = {}
    for number in range(count):
        settings = {"prompt": f"fox {number}", "model": "flux.2-pro", "size": "1024x1024", "n": 1, "seed": 0, **inputs}
        prompt[f"g{number}"] = {"class_type": "LumenfallGenerate", "inputs": settings}
        prompt[f"s{number}"] = {
            "class_type": "SaveImage",
            "inputs": {"images": [f"g{number}", 0], "filename_prefix": f"fox{number}"},
        }
    return prompt


def inpaint(count: int) -> Prompt:
    """A batch of so many pictures through one Inpaint."""
    mask = {"value": 1.0, "width": 1024, "height": 1024}
    declared = NODE_CLASS_MAPPINGS["LumenfallInpaint"].INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[-1]}
    chosen = {"prompt": "a fox", "image": ["p", 0], "mask": ["m", 0], "model": MODEL}
    return {
        "p": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": count, "color": 255}},
        "m": {"class_type": "SolidMask", "inputs": mask},
        "i": {"class_type": "LumenfallInpaint", "inputs": {**defaults, **chosen}},
        "s": {"class_type": "SaveImage", "inputs": {"images": ["i", 0], "filename_prefix": "inpainted"}},
    }


def run(prompt: Prompt, base_url: str, folder: Path) -> tuple[Result, float]:
    """The result, and the seconds it took."""
    nodes = {**table(Folders(folder, folder, folder)), **NODE_CLASS_MAPPINGS}
    host = Headless({"LUMENFALL_BASE_URL": base_url, "LUMENFALL_DATA_DIR": str(folder / "data")}, nodes=nodes)

    async def go() -> Result:
        return await execute(await build(prompt, nodes), host)

    started = time.perf_counter()
    result = asyncio.run(go())
    if result.status != "success":
        raise SystemExit(str(result.errors))
    return result, time.perf_counter() - started


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(count: int) -> None:
    with stand_in(0.1) as server, tempfile.TemporaryDirectory() as folder:
        before = megabytes()
        _, seconds = run(generate(count), server.base_url, Path(folder))
        more = megabytes() - before
        print(f"{count} nodes: {more:.0f} MB above the {before:.0f} at the start, {seconds:.0f} s")
    if count > 25:
        sum_up(f"Memory of {count} nodes of 1024² in one graph, beyond the start", f"{more:.0f} MB", "300 MB")


def batch() -> None:
    side, count = 4096, 8
    prompt = generate(1, n=count, model=MODEL, size=f"{side}x{side}")
    # What it brings is kept for a node that makes no picture of it.
    prompt["s0"] = {"class_type": "GetImageSize", "inputs": {"image": ["g0", 0]}}
    prompt["t"] = {"class_type": "PreviewAny", "inputs": {"source": ["s0", 0]}}
    with stand_in() as server, tempfile.TemporaryDirectory() as folder:
        run(generate(1), server.base_url, Path(folder))
        before = megabytes()
        run(prompt, server.base_url, Path(folder))
        more, result = megabytes() - before, count * side * side * 3 * 4 / 2**20
    print(f"{count} pictures of {side}x{side}: {more:.0f} MB above the {before:.0f} before; they are {result:.0f}")
    sum_up(f"Memory while {count} pictures of {side}² come, against theirs", f"{more / result:.2f} times", "1.25 times")


def times() -> None:
    graphs = {
        "eight Generate nodes": generate(8),
        "a batch of eight through Inpaint": inpaint(8),
        "one Generate, n = 8": generate(1, n=8, model=MODEL),
    }
    ratios, whole = [], []
    with stand_in(2.0) as server, tempfile.TemporaryDirectory() as folder:
        run(generate(1), server.base_url, Path(folder))  # of one picture
        for name, prompt in graphs.items():
            taken = []
            for seed in range(ROUNDS + 1):
                for node in prompt.values():
                    if "seed" in node["inputs"]:
                        node["inputs"]["seed"] = seed
                _, seconds = run(prompt, server.base_url, Path(folder))
                _, pixels = run(prompt, server.base_url, Path(folder))
                one = min(entry["finished"] - entry["arrived"] for entry in server.log())
                taken.append((seconds / (one + pixels), seconds, one, pixels))
            ratio, seconds, one, pixels = sorted(taken[1:])[ROUNDS // 2]
            ratios.append(ratio)
            whole.append(seconds)
            print(f"{name}: {seconds:.2f} s; one call {one:.2f} s, a replay {pixels:.2f} s; {ratio:.2f}x", flush=True)
    told = [" / ".join(f"{value:.{digits}f}" for value in values) for values, digits in ((whole, 1), (ratios, 2))]
    what = "8 nodes / a batch of 8 / n = 8, of 2 s and 1024² each, against one call and a replay"
    sum_up(what, f"{told[0]} s, {told[1]} times", "1.15 times")


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(int(sys.argv[2]))
    elif sys.argv[1:2] == ["batch"]:
        batch()
    else:
        for count in (25, int(sys.argv[1]) if len(sys.argv) > 1 else 250):
            subprocess.run([sys.executable, __file__, "memory", str(count)], check=True)
        subprocess.run([sys.executable, __file__, "batch"], check=True)
        times()
