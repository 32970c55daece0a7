"""Small files of pictures and masks, to be looked at."""

from __future__ import annotations

import io

import torch
from PIL import Image

from .encoding import png, to_uint8

SIDE = 1024
"""Pixels of the longer side at most: what a node shows sharply on any screen."""


def thumbnail(image: torch.Tensor) -> bytes:
    """One picture ``[H, W, C]`` (C = 1, 3 or 4) as a WebP."""
    pixels = to_uint8(image)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=85)
    return written.getvalue()


def stencil(mask: torch.Tensor) -> bytes:
    """One MASK ``[H, W]`` as a PNG that is as opaque as the mask says: what is laid under it shows there."""
    picture = Image.fromarray(to_uint8(mask))
    picture.thumbnail((SIDE, SIDE))
    return png(Image.merge("LA", (Image.new("L", picture.size), picture)))
