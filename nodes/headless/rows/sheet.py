"""contact-sheet.png: the first picture of each row, in the order of the rows."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ...host.files import write_durably

NAME = "contact-sheet.png"

MOST_PIXELS = 12_000_000
LARGEST, SMALLEST = 192, 16
"""Pixels of a cell's side."""

LABELLED = 64
"""Pixels from which on a cell has room for its number."""

BACKGROUND, CELL, TEXT = "#16181d", "#1f2229", "#f2f3f5"


class Sheet:
    """For ``count`` rows; its size in memory does not grow with them."""

    def __init__(self, count: int) -> None:
        side = math.isqrt(MOST_PIXELS // max(count, 1))
        self._cell = max(SMALLEST, min(LARGEST, side))
        self._columns = max(1, math.ceil(math.sqrt(count)))
        rows = math.ceil(count / self._columns)
        self._picture = Image.new("RGB", (self._columns * self._cell, rows * self._cell), BACKGROUND)

    def draw(self, number: int, paths: Iterable[Path]) -> None:
        """Put the first of ``paths`` that is a picture into the cell of row ``number``, which counts from 1. Where none
        is, it is left empty.
        """
        inner = self._cell - 2
        tile = Image.new("RGB", (inner, inner), CELL)
        small = next(filter(None, (_small(path, inner) for path in paths)), None)
        if small is None:
            return
        tile.paste(small, ((inner - small.width) // 2, (inner - small.height) // 2), small)
        if inner >= LABELLED:
            label = str(number)
            draw = ImageDraw.Draw(tile)
            draw.rectangle((0, 0, 7 * len(label) + 3, 12), fill=BACKGROUND)
            draw.text((3, 1), label, fill=TEXT, font=_font())
        row, column = divmod(number - 1, self._columns)
        self._picture.paste(tile, (column * self._cell + 1, row * self._cell + 1))

    def write(self, folder: Path) -> None:
        """Write contact-sheet.png, whole or not at all. Raises OSError."""
        file = io.BytesIO()
        self._picture.save(file, "PNG", compress_level=1)
        write_durably(folder / NAME, file.getvalue())


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default()


def _small(path: Path, side: int) -> Image.Image | None:
    try:
        with Image.open(path) as file:
            file.draft("RGB", (side, side))
            file.thumbnail((side, side))
            return file.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
