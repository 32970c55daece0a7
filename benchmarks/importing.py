"""How long ComfyUI waits for this pack when it starts, as a ratio to importing what the pack stands on: torch, NumPy,
Pillow, httpx and pydantic, which most of its neighbours load too. Fresh processes, both in each, with compiled
files as from the second start on; processor time, so that a busy machine counts little. At most 100 ms are wanted.

    python benchmarks/importing.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

TIMED = """
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


def measure(cache: str) -> tuple[float, float]:
    """Seconds for the five, and for the pack after them."""
    code = TIMED.format(path=str(ROOT / "__init__.py"), folder=str(ROOT))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = cache
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environ, cwd=cache)
    five, pack = map(float, printed.split())
    return five, pack


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as cache:
        measure(cache)
        five, pack = (statistics.median(times) for times in zip(*(measure(cache) for _ in range(rounds)), strict=True))
    print(f"torch, NumPy, Pillow, httpx and pydantic: {five * 1000:.0f} ms; the pack after them: {pack * 1000:.0f} ms")
    print(f"ratio: {pack / five:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
