"""What putting answers back costs: CPU seconds beside decoding, pasting and encoding alone, and memory.

python benchmarks/inpainting/speed.py [SIDE]
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.inpainting.drifts import drifted
from benchmarks.inpainting.scenes import photograph
from nodes.pixels import AUTO, composite, decode, encode, resize
from nodes.pixels.parts import Part, assemble


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(side: int) -> None:
    picture = (resize(photograph("astronaut")[None], side, side)[0] * 255.0).round() / 255.0
    mask = torch.zeros(side, side)
    mask[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1.0
    answer = drifted(picture, "real")
    file = encode(answer)
    part = Part(0, mask, None)

    def plain() -> None:
        back = decode(file)
        encode(composite(picture[None], back, mask[None])[0])

    def ours(takes: int) -> None:
        assemble(picture[None], [part], {0: [answer] * takes}, AUTO, True)

    taken = {"plain: decode, paste, encode": _cpu(plain), "ours: a take": _cpu(lambda: ours(1))}
    taken["ours: ten takes"] = _cpu(lambda: ours(10)) if side <= 2048 else float("nan")
    for name, seconds in taken.items():
        print(f"{name:<30}{seconds:8.2f} s")


def memory(side: int) -> None:
    """In a process of its own: the peak of memory beyond what was there before, per byte of tensors in and out."""
    picture, answer = torch.rand(side, side, 3), torch.rand(side, side, 3)
    mask = torch.zeros(side, side)
    mask[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1.0
    assemble(torch.rand(1, 64, 64, 3), [Part(0, torch.eye(64), None)], {0: [torch.rand(64, 64, 3)]}, AUTO, True)
    before = _peak()
    images, changed, _, _ = assemble(picture[None], [Part(0, mask, None)], {0: [answer]}, AUTO, True)
    handed = sum(tensor.numel() * 4 for tensor in (picture, answer, mask, images, changed))
    inputs = sum(tensor.numel() * 4 for tensor in (picture, answer, mask))
    print(f"peak memory at {side}x{side}: {(_peak() - before + inputs) / handed:.2f} of the tensors in and out")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        memory(int(sys.argv[1]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2048)
