"""How long a picture takes on its way out and back, against the way of ComfyUI's own API nodes (which would make more
than 2048x2048 smaller first) and LoadImage, and, for the way back, against bare decompression; all in turns and on one
thread, so that only ratios count. Processor time. Two photographs and a page of text (scikit-image's), two drawings, a
mask as it is sent, and noise; or files. At least 4 times as fast with at most 1.1 times the bytes, and 1.15 times bare
decompression, are wanted. Then eight photographs of 1024x1024 as a batch, against one after the other.

The photographs have 512 rows, and enlarged they are smoother than any camera's: that flatters us, since what makes PNG
slow is looking for repetitions in what is smooth. So they are measured with grain as well, and in their own size.

    python benchmarks/pixels.py [PICTURE ...]

Prints, for each picture and side: encode as ComfyUI does it, ours, how much faster, how many times its bytes, and what
both take with the transfer at 20, 100 and 1000 Mbit/s; then decode as ComfyUI does it, ours, and ours to bare Pillow.
"""

from __future__ import annotations

import io
import os
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

from benchmarks.summary import span, sum_up
from nodes.pixels import decode, encode, on_every_core

EXAMPLES = Path(__file__).parents[1] / "example_workflows" / "input"
ROUNDS = {512: 9, 1024: 5, 2048: 3, 4096: 1}
"""Of each side, in this order, so that the last, which take seconds, find everything warm."""

GRAIN = 2.0
"""Of 255, as of a camera in daylight: 13 bits a pixel as PNG, as photographs have in their own size."""

BATCH = 8
LINES = (20, 100, 1000)
"""Mbit/s."""


GRAINY = "photograph, grainy: astronaut"


def pictures() -> dict[str, Image.Image]:
    from skimage import data

    drawings = {path.stem: Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.png"))}
    rows, columns = np.mgrid[:1024, :1024]
    mask = np.zeros((1024, 1024, 4), np.uint8)
    mask[..., 3] = 255 * ((rows - 512) ** 2 + (columns - 512) ** 2 > 256**2)
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    return {
        GRAINY: Image.fromarray(data.astronaut()),
        "photograph, smooth: astronaut": Image.fromarray(data.astronaut()),
        "photograph, smooth: coffee": Image.fromarray(data.coffee()),
        "text": Image.fromarray(data.page()).convert("RGB"),
        **{f"drawing: {name}": drawing for name, drawing in drawings.items()},
        "mask": Image.fromarray(mask),
        "noise": Image.fromarray(noise),
    }


def resized(name: str, picture: Image.Image, side: int) -> Image.Image:
    if name in ("mask", "noise"):  # which would be neither any more
        repeats = side // picture.width
        return Image.fromarray(np.tile(np.asarray(picture), (repeats, repeats, 1)))
    large = picture.resize((side, side), Image.Resampling.LANCZOS)
    if name != GRAINY or side == picture.width:
        return large
    grain = np.random.default_rng(1).normal(0.0, GRAIN, (side, side, 3))
    return Image.fromarray(np.clip(np.rint(np.asarray(large) + grain), 0, 255).astype(np.uint8))


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


def milliseconds(act: Callable[[Any], Any], what: Any) -> tuple[float, Any]:
    """And what it makes."""
    start = time.process_time()
    made = act(what)
    return (time.process_time() - start) * 1000, made


def in_turns(rounds: int, what: Any, *acts: Callable[[Any], Any]) -> tuple[list[float], list[Any]]:
    """The milliseconds of each of ``acts``, and what it made at last."""
    taken: list[list[float]] = []
    made: list[Any] = []
    for _ in range(rounds):
        times, made = zip(*(milliseconds(act, what) for act in acts), strict=True)
        taken.append(times)
    return [statistics.median(column) for column in zip(*taken, strict=True)], made


def with_transfer(seconds: float, size: int) -> str:
    return " / ".join(f"{seconds + size * 8 / (line * 1000):.0f}" for line in LINES)


def main() -> None:
    torch.set_num_threads(1)
    named = {Path(name).name: Image.open(name).convert("RGB") for name in sys.argv[1:]} or pictures()
    transfer = " / ".join(map(str, LINES))
    head = "| picture | side | encode: usual, ms | ours | times as fast | times the bytes "
    print(f"{head}| sent at {transfer} Mbit/s: usual | ours | decode: usual, ms | ours | times bare |")
    print("|---" * 11 + "|")
    seen: dict[str, list[tuple[float, float, float]]] = {}
    for name, picture in named.items():
        for side, rounds in ROUNDS.items():
            if side < 1024 and name != GRAINY:
                continue
            image = torch.from_numpy(np.asarray(resized(name, picture, side), np.float32) / 255.0)
            (before, after), (usual, ours) = in_turns(rounds, image, usual_encode, encode)
            (opening, opened_by_us, least), _ = in_turns(rounds, usual, usual_decode, decode, bare)
            cells = [name, side, f"{before:.0f}", f"{after:.0f}", f"{before / after:.1f}"]
            cells += [
                f"{len(ours) / len(usual):.3f}",
                with_transfer(before, len(usual)),
                with_transfer(after, len(ours)),
            ]
            cells += [f"{opening:.0f}", f"{opened_by_us:.0f}", f"{opened_by_us / least:.2f}"]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            kind = "photograph" if name.startswith("photograph") else "other"
            seen.setdefault(kind, []).append((before / after, len(ours) / len(usual), opened_by_us / least))
    for kind, title in (("photograph", "A photograph as PNG"), ("other", "Drawings, text, masks and noise as PNG")):
        if kind not in seen:
            continue
        faster, larger, _ = zip(*seen[kind], strict=True)
        measured = f"{span(faster, 1)} times as fast, {span(larger, 2)} times the bytes"
        sum_up(f"{title}, against ComfyUI's own API nodes", measured, "4 times, 1.1 times")
    opened = [read for rows in seen.values() for _, _, read in rows]
    sum_up("A PNG read, against bare decompression", f"{span(opened, 2)} times as long", "1.15 times")
    batch(resized(GRAINY, next(iter(named.values())), 1024))


def batch(picture: Image.Image) -> None:
    images = [torch.from_numpy(np.asarray(picture, np.float32) / 255.0)] * BATCH
    ratios = []
    for _ in range(ROUNDS[1024] + 1):
        started = time.perf_counter()
        for image in images:
            encode(image)
        middle = time.perf_counter()
        list(on_every_core(encode, images))
        ratios.append((middle - started) / (time.perf_counter() - middle))
    ratio = statistics.median(ratios[1:])
    print(f"a batch of {BATCH}: {ratio:.2f} times as fast as one after the other")
    sum_up(
        f"A batch of {BATCH} as PNG, against one after the other",
        f"{ratio:.1f} times as fast",
        f"{os.cpu_count()} times",
    )


if __name__ == "__main__":
    main()
