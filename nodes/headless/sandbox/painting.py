"""The sandbox's model: dunes under a soft sun, the same for the same words.

Everything follows from a key (prompt, seed, index, model ...). A canvas is a float32 array ``[3, H, W]`` in 0..255,
channel planes first because whole planes are the quickest thing to blend.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Plane = NDArray[np.float32]
Region = NDArray[np.bool_]

# Sky above, sky at the horizon, sun, farthest dune, nearest dune.
PALETTES = (
    ("#1b2a4a", "#f2a07b", "#ffe3b3", "#b8647a", "#2a1b3d"),
    ("#0d3b4f", "#9ad1c9", "#fff4d6", "#4f9d94", "#0b2530"),
    ("#3a1c5a", "#ff8fa3", "#ffe0a8", "#a6478a", "#1d0f33"),
    ("#5fa8d3", "#fdf0d5", "#ffd166", "#e29578", "#6d3b47"),
    ("#20352b", "#d9d7a3", "#fff1c1", "#8aa36b", "#1a2b20"),
    ("#2b2d42", "#c9d6df", "#ff9f5a", "#7f8fa6", "#1b1c2b"),
)
DUNES = 4
# Edit models repaint the whole frame: every edit leans towards one of these lights, also far from the mask.
LIGHTS = ("#ffb060", "#60a0ff")
LIGHT_STRENGTH = 0.12
VARIATION_STRENGTH = 0.2
INSET_SHARE = 4  # a further input picture is shown at a quarter of the frame


def generate(key: Sequence[object], size: tuple[int, int], transparent: bool) -> Image.Image:
    """A picture out of nothing. Transparent: the sky is left out, with soft edges in the alpha."""
    canvas, cover = _dunes(_random("generate", *key), *size)
    return _image(canvas, cover if transparent else None)


def repaint(
    key: Sequence[object],
    pictures: Sequence[Image.Image],
    region: Region | None,
    size: tuple[int, int],
    transparent: bool,
) -> Image.Image:
    """Picture 1 under a slightly different light, the region filled with a pattern that only the key decides.

    Without a region the whole picture drifts a little towards that pattern. Further pictures appear as insets.
    """
    random = _random("repaint", *key)
    source = ImageOps.fit(pictures[0], size)
    canvas = np.array(source.convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
    pattern = _weave(random, *size, waves=1 if region is None else 8)
    if region is None:
        canvas += (pattern - canvas) * VARIATION_STRENGTH
    canvas += (_colour(LIGHTS[random.integers(len(LIGHTS))]) - canvas) * np.float32(LIGHT_STRENGTH)
    if region is not None:
        fitted = np.asarray(ImageOps.fit(Image.fromarray(region), size, Image.Resampling.NEAREST))
        canvas = np.where(fitted, pattern, canvas)
    for place, picture in enumerate(pictures[1:]):
        _inset(canvas, picture, place)
    if not transparent or "A" not in source.getbands():
        return _image(canvas, None)
    alpha: Plane = np.asarray(source.getchannel("A"), dtype=np.float32) / np.float32(255)
    if region is not None:
        alpha = np.maximum(alpha, fitted.astype(np.float32))
    return _image(canvas, alpha)


def enlarge(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, Image.Resampling.LANCZOS)


def _random(*key: object) -> np.random.Generator:
    digest = hashlib.sha256(json.dumps(key, default=str).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _colour(code: str) -> Plane:
    return np.array(list(bytes.fromhex(code[1:])), dtype=np.float32)[:, None, None]


def _axes(width: int, height: int) -> tuple[Plane, Plane]:
    return np.linspace(0, 1, width, dtype=np.float32)[None, :], np.linspace(0, 1, height, dtype=np.float32)[:, None]


def _dunes(random: np.random.Generator, width: int, height: int) -> tuple[Plane, Plane]:
    """A landscape, and how much of each pixel is land or sun rather than sky."""
    x, y = _axes(width, height)
    sky, horizon, sun, far, near = (_colour(code) for code in PALETTES[random.integers(len(PALETTES))])
    canvas = np.repeat(sky + (horizon - sky) * np.minimum(y * 1.5, 1), width, axis=2)

    side = min(width, height)
    radius = random.uniform(0.07, 0.15)
    centre_x, centre_y = random.uniform(0.2, 0.8), random.uniform(0.18, 0.42)
    away = np.sqrt(((x - centre_x) * width / side) ** 2 + ((y - centre_y) * height / side) ** 2, dtype=np.float32)
    cover = np.clip((radius - away) * side + 0.5, 0, 1, dtype=np.float32)
    canvas += (sun - canvas) * np.maximum(cover, 0.55 / (1 + (away / radius) ** 2))

    for layer in range(DUNES):
        nearness = layer / (DUNES - 1)
        ridge = _ridge(random, x[0], 0.48 + 0.34 * nearness)
        top = max(0, int(ridge.min() * height) - 1)  # rows above the ridge stay as they are
        depth = y[top:] - ridge
        land = np.clip(depth * height + 0.5, 0, 1)
        shade = np.clip(1.12 - 0.9 * depth, 0.6, 1.12)
        canvas[:, top:] += ((far + (near - far) * nearness) * shade - canvas[:, top:]) * land
        np.maximum(cover[top:], land, out=cover[top:])
    return canvas, cover


def _ridge(random: np.random.Generator, x: Plane, level: float) -> Plane:
    heights = np.full_like(x, level)
    for waves, amplitude in ((1.3, 0.07), (3.1, 0.03), (7.7, 0.008)):
        heights += amplitude * np.sin(6.2832 * (waves * random.uniform(0.7, 1.3) * x + random.uniform()))
    return heights


def _weave(random: np.random.Generator, width: int, height: int, waves: float) -> Plane:
    """Two colours of one palette woven into each other; few ``waves`` make a soft wash, many a pattern."""
    x, y = _axes(width, height)
    palette = PALETTES[random.integers(len(PALETTES))]
    warm, dark = _colour(palette[2]), _colour(palette[4])
    across, down = (np.float32(6.2832 * waves * share) for share in random.uniform(0.7, 1.3, size=2))
    bands = 0.5 + 0.5 * np.sin(across * x + random.uniform(0, 6)) * np.sin(down * y + random.uniform(0, 6))
    return np.asarray(dark + (warm - dark) * bands.astype(np.float32))


def _inset(canvas: Plane, picture: Image.Image, place: int) -> None:
    """Blend a picture into the row of insets that starts at the lower left, as far as there is room."""
    height, width = canvas.shape[1] // INSET_SHARE, canvas.shape[2] // INSET_SHARE
    row, column = divmod(place, INSET_SHARE)
    if row >= INSET_SHARE or not (width and height):
        return
    small = np.asarray(ImageOps.fit(picture.convert("RGB"), (width, height)), dtype=np.float32).transpose(2, 0, 1)
    bottom, left = canvas.shape[1] - row * height, column * width
    corner = canvas[:, bottom - height : bottom, left : left + width]
    corner += (small - corner) * np.float32(0.85)


def _image(canvas: Plane, alpha: Plane | None) -> Image.Image:
    canvas = np.clip(canvas, 0, 255, out=canvas)
    planes = [*canvas] if alpha is None else [*canvas, alpha * 255]
    bands = [Image.fromarray((plane + 0.5).astype(np.uint8)) for plane in planes]
    return Image.merge("RGB" if alpha is None else "RGBA", bands)
