"""What a graph of many paid nodes costs beside the server's own time.

Memory: many Generate nodes of 1024x1024, each saved, as the largest resident size above that before the graph. At most
300 MB are wanted, however many nodes there are.

Time, at 2 s latency: eight Generate nodes, a batch of eight through Inpaint, and one Generate of eight pictures, each
as a ratio to one call, of one picture, and what eight pictures' pixels take: the same graph again, out of the store.
At most 1.15 is wanted.

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
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import Result, execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.table import NODE_CLASS_MAPPINGS

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
    chosen = {"prompt": "a fox", "image": ["p", 0], "mask": ["m", 0], "model": "gpt-image-1.5"}
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
        print(f"{count} nodes: {megabytes() - before:.0f} MB above the {before:.0f} at the start, {seconds:.0f} s")


def times() -> None:
    graphs = {
        "eight Generate nodes": generate(8),
        "a batch of eight through Inpaint": inpaint(8),
        "one Generate, n = 8": generate(1, n=8, model="gpt-image-1.5"),
    }
    with stand_in(2.0) as server, tempfile.TemporaryDirectory() as folder:
        run(generate(1, seed=5), server.base_url, Path(folder))
        for name, prompt in graphs.items():
            _, seconds = run(prompt, server.base_url, Path(folder))
            _, pixels = run(prompt, server.base_url, Path(folder))
            calls = [entry["finished"] - entry["arrived"] for entry in server.log()]
            one = min(calls)
            print(
                f"{name}: {seconds:.2f} s; one call {one:.2f} s, pixels {pixels:.2f} s; {seconds / (one + pixels):.2f}x"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(int(sys.argv[2]))
    else:
        for count in (25, int(sys.argv[1]) if len(sys.argv) > 1 else 250):
            subprocess.run([sys.executable, __file__, "memory", str(count)], check=True)
        times()
