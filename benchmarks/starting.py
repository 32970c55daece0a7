"""How long one waits until something happens.

For the pack, when ComfyUI starts: processor time, as a ratio to importing what the pack stands on (torch, NumPy,
Pillow, httpx and pydantic, which most of its neighbours load too). Fresh processes, both in each, with compiled files
as from the second start on. At most 100 ms are wanted.

For what the browser then asks of all nodes: the answer of /object_info, once made before. At most 5 ms are wanted.

For the command: `--help`, at most 0.2 s; and a graph of one node, on a server that answers at once, against a process
that only imports torch, in turns. At most 0.5 s more are wanted.

    python benchmarks/starting.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.rows import GRAPH
from benchmarks.stand_in import ROOT, stand_in
from benchmarks.summary import sum_up

IMPORTED = """
import importlib.util, sys, time
start = time.process_time()
import torch, numpy, PIL.Image, httpx
from pydantic import BaseModel, Field
middle = time.process_time()
spec = importlib.util.spec_from_file_location("pack", {path!r}, submodule_search_locations=[{folder!r}])
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
print(middle - start, time.process_time() - middle)
"""


def imported(cache: str) -> tuple[float, float]:
    """Seconds for the five, and for the pack after them."""
    code = IMPORTED.format(path=str(ROOT / "__init__.py"), folder=str(ROOT))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = cache
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environ, cwd=cache)
    five, pack = map(float, printed.split())
    return five, pack


def importing(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as cache:
        imported(cache)
        five, pack = (statistics.median(times) for times in zip(*(imported(cache) for _ in range(rounds)), strict=True))
    print(f"torch, NumPy, Pillow, httpx and pydantic: {five * 1000:.0f} ms; the pack after them: {pack * 1000:.0f} ms")
    print(f"ratio: {pack / five:.3f}")
    measured = f"{pack * 1000:.0f} ms, {pack / five:.2f} times as long as they take"
    sum_up("Loading the pack, after torch, NumPy, Pillow, httpx and pydantic", measured, "100 ms")


def describing(rounds: int) -> None:
    from nodes.headless.playground.describing import describe
    from nodes.table import NODE_CLASS_MAPPINGS

    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        json.dumps({name: describe(name, node) for name, node in NODE_CLASS_MAPPINGS.items()})
        taken.append((time.perf_counter() - started) * 1000)
    print(f"/object_info: {statistics.median(taken[1:]):.1f} ms, the first time {taken[0]:.0f} ms")
    sum_up("/object_info of all nodes", f"{statistics.median(taken[1:]):.1f} ms", "5 ms")


def seconds(command: list[str], folder: str, base_url: str) -> float:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LUMENFALL_BASE_URL": base_url, "LUMENFALL_DATA_DIR": folder}
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def commanding(rounds: int) -> None:
    lumenfall = ["-m", "nodes.headless"]
    with stand_in() as server, tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "graph.json")
        times: dict[str, list[float]] = {"help": [], "torch": [], "one node": []}
        for seed in range(rounds + 1):
            GRAPH["1"]["inputs"] |= {"prompt": "a fox", "seed": seed}
            graph.write_text(json.dumps(GRAPH))
            times["help"].append(seconds([*lumenfall, "--help"], folder, server.base_url))
            times["torch"].append(seconds(["-c", "import torch"], folder, server.base_url))
            times["one node"].append(seconds([*lumenfall, "run", graph.name], folder, server.base_url))
    # The first of each compiles, and makes the journal's tables.
    middle = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    more = middle["one node"] - middle["torch"]
    print(", ".join(f"{name} {taken:.2f} s" for name, taken in middle.items()))
    sum_up("`lumenfall --help`", f"{middle['help']:.2f} s", "0.2 s")
    sum_up("`lumenfall run` of one node, beyond the import of torch", f"{more:.2f} s", "0.5 s")


def main(rounds: int) -> None:
    importing(rounds)
    describing(rounds)
    commanding(max(1, rounds // 2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
