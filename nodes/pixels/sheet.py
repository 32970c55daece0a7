"""A contact sheet: several pictures side by side, each with its name and a line of facts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from .encoding import to_uint8

if TYPE_CHECKING:
    from PIL import ImageFont

CELL = 512
"""Pixels of a cell's side; pictures are fitted in whole."""

_GAP = 24
_LABEL = 76
_BACKGROUND, _CELL, _TITLE, _FACTS, _FAILED = "#16181d", "#1f2229", "#f2f3f5", "#9aa1ad", "#e0787a"
_DISPLAYED_CHARACTERS = 38


@dataclass(frozen=True)
class Tile:
    """One cell: a picture ``[H, W, C]``, or None where there is none; then ``text`` says why, in the cell itself."""

    title: str
    text: str
    picture: torch.Tensor | None = None


def contact_sheet(tiles: Sequence[Tile]) -> torch.Tensor:
    """All tiles on one dark sheet ``[1, H, W, 3]``, as nearly square as they allow."""
    columns = len(tiles) if len(tiles) < 4 else math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    size = _GAP + columns * (CELL + _GAP), _GAP + rows * (CELL + _LABEL + _GAP)
    sheet = Image.new("RGB", size, _BACKGROUND)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        _draw(sheet, tile, _GAP + column * (CELL + _GAP), _GAP + row * (CELL + _LABEL + _GAP))
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32) / np.float32(255.0))[None]


def _draw(sheet: Image.Image, tile: Tile, left: int, top: int) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    cell = (left, top, left + CELL - 1, top + CELL - 1)
    draw.rounded_rectangle(cell, radius=10, fill=_CELL)
    title = textwrap.shorten(tile.title, _DISPLAYED_CHARACTERS, placeholder="...")
    draw.text((left + 2, top + CELL + 14), title, fill=_TITLE, font=_font(24))
    if tile.picture is None:
        draw.rounded_rectangle(cell, radius=10, outline=_FAILED, width=2)
        lines = textwrap.wrap(tile.text, 40)[:12]
        draw.multiline_text((left + 32, top + 32), "\n".join(lines), fill=_FAILED, font=_font(22), spacing=10)
        draw.text((left + 2, top + CELL + 46), "failed", fill=_FAILED, font=_font(20))
        return
    picture = _thumbnail(tile.picture)
    sheet.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
    draw.text((left + 2, top + CELL + 46), tile.text, fill=_FACTS, font=_font(20))


def _thumbnail(picture: torch.Tensor) -> Image.Image:
    found = Image.fromarray(to_uint8(picture[..., :3]))
    scale = CELL / max(found.size)
    width, height = (max(1, round(side * scale)) for side in found.size)
    return found.resize((width, height), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
