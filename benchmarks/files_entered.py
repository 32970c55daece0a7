"""How far a newcomer has to walk: the files of the pack that one zoomed inpaint enters, from the node's call to its
pictures, and the moves between them. On the sandbox, whose own files do not count.

    python benchmarks/files_entered.py [--list]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from nodes.headless.host import Headless
from nodes.headless.sandbox import running
from nodes.host import use
from nodes.purchase import background
from nodes.table import NODE_CLASS_MAPPINGS

PACK = Path(__file__).parents[1] / "nodes"
HEADLESS = str(PACK / "headless")
SANDBOX = str(PACK / "headless" / "sandbox")


class Trace:
    """Which files of the pack are entered while it is on, in any thread."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.moves: Counter[tuple[str, str]] = Counter()
        self.on = False
        self._thread = threading.local()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if not self.on or event != "call" or not file.startswith(str(PACK)):
            return
        if file.startswith(SANDBOX):
            self._thread.is_of_the_sandbox = True
        if file.startswith(HEADLESS) or getattr(self._thread, "is_of_the_sandbox", False):
            return
        self.calls[file] += 1
        last = getattr(self._thread, "file", file)
        if last != file:
            self.moves[last, file] += 1
        self._thread.file = file


def inpaint(host: Headless, seed: int) -> None:
    """As ComfyUI calls the node: its defaults, and what is wired."""
    node = NODE_CLASS_MAPPINGS["LumenfallInpaint"]
    inputs = {name: spec[1]["default"] for name, spec in node.INPUT_TYPES()["required"].items() if "default" in spec[1]}
    mask = torch.zeros(1, 512, 512)
    mask[:, 100:200, 120:260] = 1.0
    wired: dict[str, Any] = {"image": torch.rand(1, 512, 512, 3), "mask": mask, "prompt": "a red fox"}
    with use(host):
        asyncio.run(
            getattr(node(), node.FUNCTION)(**{**inputs, **wired, "seed": seed, "region": "zoom to mask", "grow": 8})
        )


def main(*arguments: str) -> None:
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    with running() as sandbox, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        host = Headless({"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_DATA_DIR": folder})
        inpaint(host, seed=1)  # makes the database, and fetches the list of models
        background.wait_for_all(print)
        trace.on = True
        inpaint(host, seed=2)
        background.wait_for_all(print)
        trace.on = False
    sys.setprofile(None)
    if "--list" in arguments:
        for file, calls in sorted(trace.calls.items()):
            print(f"{calls:6}  {Path(file).relative_to(PACK.parent).as_posix()}")
    # How often it is looked for Stop depends on how fast the machine is, and with it the sum; the ways do not.
    print(f"{len(trace.calls)} files, {len(trace.moves)} ways between them, {sum(trace.moves.values())} moves in all")
    rooms = Counter(Path(file).relative_to(PACK).parts[0] for file in trace.calls)
    print(", ".join(f"{count} in {room}" for room, count in rooms.most_common()))


if __name__ == "__main__":
    main(*sys.argv[1:])
