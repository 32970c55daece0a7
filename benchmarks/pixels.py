"""How long a picture takes on its way out and back, against the way of ComfyUI's own API nodes and LoadImage, and, for
the way back, against bare decompression; all in turns and on one thread, so that only ratios count. Processor time.

    python benchmarks/pixels.py [PICTURE ...]

Prints, for each picture and side: encode as ComfyUI does it, ours, how much faster, how many times its bytes, and what
both take with the transfer at 20, 100 and 1000 Mbit/s; then decode as ComfyUI does it, ours, and ours to bare Pillow.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from nodes.pixels.codec import decode, encode

EXAMPLES = Path(__file__).parents[1] / "example_workflows" / "input"
ROUNDS = 5
SIDES = (1024, 2048, 4096)
LINES = (20, 100, 1000)
"""Mbit/s."""


def usual_encode(image: torch.Tensor) -> bytes:
    pixels = np.clip(255.0 * image.numpy(), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def usual_decode(data: bytes) -> torch.Tensor:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)[None]


def bare(data: bytes) -> None:
    Image.open(io.BytesIO(data)).load()


def milliseconds(act: Callable[[Any], Any], what: Any) -> float:
    start = time.process_time()
    act(what)
    return (time.process_time() - start) * 1000


def in_turns(what: Any, *acts: Callable[[Any], Any]) -> list[float]:
    rounds = [[milliseconds(act, what) for act in acts] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def with_transfer(seconds: float, size: int) -> str:
    return " / ".join(f"{seconds + size * 8 / (line * 1000):.0f}" for line in LINES)


def main() -> None:
    torch.set_num_threads(1)
    paths = [Path(name) for name in sys.argv[1:]] or sorted(EXAMPLES.glob("*.png"))
    transfer = " / ".join(map(str, LINES))
    head = "| picture | side | encode: usual, ms | ours | times as fast | times the bytes "
    print(f"{head}| sent at {transfer} Mbit/s: usual | ours | decode: usual, ms | ours | times bare |")
    print("|---" * 11 + "|")
    for path in paths:
        for side in SIDES:
            with Image.open(path) as opened:
                picture = opened.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            image = torch.from_numpy(np.asarray(picture, np.float32) / 255.0)
            before, after = in_turns(image, usual_encode, encode)
            usual, ours = usual_encode(image), encode(image)
            opening, opened_by_us, least = in_turns(usual, usual_decode, decode, bare)
            cells = [path.name, side, f"{before:.0f}", f"{after:.0f}", f"{before / after:.1f}"]
            cells += [
                f"{len(ours) / len(usual):.3f}",
                with_transfer(before, len(usual)),
                with_transfer(after, len(ours)),
            ]
            cells += [f"{opening:.0f}", f"{opened_by_us:.0f}", f"{opened_by_us / least:.2f}"]
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
