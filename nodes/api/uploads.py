"""Making pictures small enough for a server: without loss first, and smaller only where the user said so."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

MAX_WEBP_SIDE = 16383

_MARGIN = 0.95
"""Aimed at, as a share of the limit: files shrink a little slower than pixels."""


@dataclass(frozen=True)
class Upload:
    """A picture as it goes out: its bytes, the ending of its name, its media type, what was done to it in a few words,
    and its new size (width, height) where it has one.
    """

    content: bytes
    extension: str = "png"
    media_type: str = "image/png"
    note: str = ""
    size: tuple[int, int] | None = None


def recompress(png: bytes, limit: int, *, webp: bool) -> Upload | None:
    """The same pixels in at most ``limit`` bytes, as PNG or, with ``webp``, as lossless WebP; None where neither is
    small enough.
    """
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        content = _written(picture, "PNG", optimize=True)
        if len(content) <= limit:
            return Upload(content, note="was compressed again, without loss,")
        if not webp or max(picture.size) > MAX_WEBP_SIDE:
            return None
        content = _written(picture, "WEBP", lossless=True, exact=True, quality=50, method=2)
    if len(content) <= limit:
        return Upload(content, "webp", "image/webp", "was sent as lossless WebP")
    return None


def scale_down(png: bytes, limit: int) -> Upload:
    """The picture in at most ``limit`` bytes, smaller in the same proportions."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        content, size = png, picture.size
        while len(content) > limit:
            share = min(0.98, math.sqrt(limit * _MARGIN / len(content)))
            size = max(1, round(size[0] * share)), max(1, round(size[1] * share))
            content = _written(picture.resize(size, Image.Resampling.LANCZOS), "PNG")
        note = f"was scaled from {picture.width}x{picture.height} to {size[0]}x{size[1]}"
    return Upload(content, note=note, size=size)


def scale_mask(png: bytes, size: tuple[int, int]) -> bytes:
    """A mask file at ``size`` (width, height); every pixel stays fully to be changed, or fully to be kept."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as mask:
        return _written(mask.resize(size, Image.Resampling.NEAREST), "PNG")


def scale_strokes(png: bytes, size: tuple[int, int]) -> bytes:
    """A file of strokes at ``size`` (width, height)."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as strokes:
        return _written(strokes.resize(size, Image.Resampling.LANCZOS), "PNG")


def draw_over(png: bytes, strokes: bytes) -> bytes:
    """The picture with ``strokes``, an RGBA file of its size, drawn over it. It keeps its transparency elsewhere."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture, Image.open(io.BytesIO(strokes)) as lines:
        drawn = Image.alpha_composite(picture.convert("RGBA"), lines.convert("RGBA"))
        return _written(drawn if picture.has_transparency_data else drawn.convert("RGB"), "PNG")


def _written(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    save: Callable[..., None] = picture.save
    save(buffer, format=kind, **options)
    return buffer.getvalue()
