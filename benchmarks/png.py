"""How long it takes to write a picture as PNG for the wire, and how large it becomes, against Pillow's defaults, as
ComfyUI uses them for what it sends; both in turns, so that only ratios count.

    python benchmarks/png.py [PICTURE ...]
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from nodes.pixels.codec import png

EXAMPLES = Path(__file__).parents[1] / "example_workflows" / "input"
ROUNDS = 5
SIDES = (1024, 2048)


def usual(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def milliseconds(write: Callable[[Image.Image], bytes], picture: Image.Image) -> float:
    start = time.perf_counter()
    write(picture)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(EXAMPLES.glob("*.png"))
    print("| picture | side | usual, ms | ours, ms | times as fast | times the bytes |\n|---|---|---|---|---|---|")
    for path in paths:
        for side in SIDES:
            with Image.open(path) as opened:
                picture = opened.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            rounds = [(milliseconds(usual, picture), milliseconds(png, picture)) for _ in range(ROUNDS)]
            before, after = (statistics.median(column) for column in zip(*rounds, strict=True))
            size = len(png(picture)) / len(usual(picture))
            print(f"| {path.name} | {side} | {before:.0f} | {after:.0f} | {before / after:.1f} | {size:.3f} |")


if __name__ == "__main__":
    main()
