"""How long a picture takes on its way out and back, against the way of ComfyUI's own API nodes and LoadImage, and, for
the way back, against bare decompression; all in turns and on one thread, so that only ratios count. Processor time.
Two photographs and a page of text (scikit-image's), two drawings, a mask as it is sent, and noise; or files.

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

from nodes.pixels import decode, encode

EXAMPLES = Path(__file__).parents[1] / "example_workflows" / "input"
ROUNDS = 3
SIDES = (1024, 2048, 4096)
LINES = (20, 100, 1000)
"""Mbit/s."""


def pictures() -> dict[str, Image.Image]:
    from skimage import data

    drawings = {path.stem: Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.png"))}
    rows, columns = np.mgrid[:1024, :1024]
    mask = np.zeros((1024, 1024, 4), np.uint8)
    mask[..., 3] = 255 * ((rows - 512) ** 2 + (columns - 512) ** 2 > 256**2)
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    return {
        "photograph: astronaut": Image.fromarray(data.astronaut()),
        "photograph: coffee": Image.fromarray(data.coffee()),
        "text": Image.fromarray(data.page()).convert("RGB"),
        **{f"drawing: {name}": drawing for name, drawing in drawings.items()},
        "mask": Image.fromarray(mask),
        "noise": Image.fromarray(noise),
    }


def resized(name: str, picture: Image.Image, side: int) -> Image.Image:
    if name in ("mask", "noise"):  # which would be neither any more
        repeats = side // picture.width
        return Image.fromarray(np.tile(np.asarray(picture), (repeats, repeats, 1)))
    return picture.resize((side, side), Image.Resampling.LANCZOS)


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
    named = {Path(name).name: Image.open(name).convert("RGB") for name in sys.argv[1:]} or pictures()
    transfer = " / ".join(map(str, LINES))
    head = "| picture | side | encode: usual, ms | ours | times as fast | times the bytes "
    print(f"{head}| sent at {transfer} Mbit/s: usual | ours | decode: usual, ms | ours | times bare |")
    print("|---" * 11 + "|")
    for name, picture in named.items():
        for side in SIDES:
            image = torch.from_numpy(np.asarray(resized(name, picture, side), np.float32) / 255.0)
            before, after = in_turns(image, usual_encode, encode)
            usual, ours = usual_encode(image), encode(image)
            opening, opened_by_us, least = in_turns(usual, usual_decode, decode, bare)
            cells = [name, side, f"{before:.0f}", f"{after:.0f}", f"{before / after:.1f}"]
            cells += [
                f"{len(ours) / len(usual):.3f}",
                with_transfer(before, len(usual)),
                with_transfer(after, len(ours)),
            ]
            cells += [f"{opening:.0f}", f"{opened_by_us:.0f}", f"{opened_by_us / least:.2f}"]
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
