"""What models do to a frame that they were to change in one place only."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance, ImageFilter

from nodes.pixels import to_uint8

Spoil = Callable[[Image.Image], Image.Image]


def _moved(dx: float = 0.0, dy: float = 0.0, zoom: float = 1.0, turn: float = 0.0) -> Spoil:
    """The content lies ``dx`` pixels right and ``dy`` down, ``zoom`` times as large and turned by ``turn`` degrees."""

    def spoil(picture: Image.Image) -> Image.Image:
        margin = 64
        pixels = np.pad(np.asarray(picture), ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
        middle_x, middle_y = picture.width / 2, picture.height / 2
        cos, sin = np.cos(np.radians(turn)) / zoom, np.sin(np.radians(turn)) / zoom
        left = middle_x + margin - cos * (middle_x + dx) - sin * (middle_y + dy)
        top = middle_y + margin + sin * (middle_x + dx) - cos * (middle_y + dy)
        return Image.fromarray(pixels).transform(
            picture.size, Image.Transform.AFFINE, (cos, sin, left, -sin, cos, top), Image.Resampling.BICUBIC
        )

    return spoil


def _cut(share: float, right: float) -> Spoil:
    """Less than was sent, in other proportions: of the width only ``share``, of the rest ``right`` on the right."""

    def spoil(picture: Image.Image) -> Image.Image:
        width = round(picture.width * share)
        left = round((picture.width - width) * (1.0 - right))
        return picture.crop((left, 0, left + width, picture.height))

    return spoil


def _extended(picture: Image.Image) -> Image.Image:
    """More than was sent: the frame goes on above and below."""
    margin = picture.height // 8
    pixels = np.pad(np.asarray(picture), ((margin, margin), (0, 0), (0, 0)), mode="symmetric")
    return Image.fromarray(pixels)


def _sized(across: float, down: float) -> Spoil:
    def spoil(picture: Image.Image) -> Image.Image:
        size = round(picture.width * across), round(picture.height * down)
        return picture.resize(size, Image.Resampling.LANCZOS)

    return spoil


def _lit(change: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> Spoil:
    def spoil(picture: Image.Image) -> Image.Image:
        values = change(np.asarray(picture) / 255.0).clip(0.0, 1.0)
        return Image.fromarray((values * 255.0).round().astype(np.uint8))

    return spoil


def _gradient(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values + np.linspace(-0.06, 0.06, values.shape[1])[None, :, None]


def _vignetted(lost: float) -> Spoil:
    """Towards the corners darker, as a lens draws: of the light there ``lost`` is gone."""

    def spoil(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        y, x = (np.linspace(-1.0, 1.0, side) for side in values.shape[:2])
        return values * (1.0 - lost * (y[:, None] ** 2 + x[None, :] ** 2) / 2.0)[..., None]

    return _lit(spoil)


def _jpeg(quality: int) -> Spoil:
    def spoil(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return spoil


def _all(*steps: Spoil) -> Spoil:
    def spoil(picture: Image.Image) -> Image.Image:
        for step in steps:
            picture = step(picture)
        return picture

    return spoil


_WHITE_BALANCE = _lit(lambda values: values * np.array([1.08, 1.0, 0.9]))
_GAMMA = _lit(lambda values: values**0.88)

DRIFTS: dict[str, Spoil] = {
    "identity": lambda picture: picture,
    "shift": _moved(3.3, -2.1),
    "zoom": _moved(zoom=1.02),
    "rotation": _moved(turn=0.6),
    "white balance": _WHITE_BALANCE,
    "gamma": _GAMMA,
    "blur": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.0)),
    "sharpen": lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 80, 0)),
    "jpeg": _jpeg(90),
    "saturation": lambda picture: ImageEnhance.Color(picture).enhance(1.4),
    "brightness gradient": _lit(_gradient),
    "vignette": _vignetted(0.3),
    "strong vignette": _vignetted(0.6),
    "crop": _cut(0.84, 0.5),
    "off-centre crop": _cut(0.84, 0.8),
    "extended": _extended,
    "stretch 1.6 %": _sized(0.7, 0.7 / 1.016),
    "stretch": _sized(1.0, 0.85),
    "zoomed crop": _moved(6.0, 4.0, zoom=1.06),
    "smaller": _sized(0.5, 0.5),
    "real": _all(_moved(3.3, -2.1, 1.006), _WHITE_BALANCE, _GAMMA, _jpeg(90)),
}


def drifted(picture: torch.Tensor, name: str) -> torch.Tensor:
    """What a model that drifts so gives for ``[H, W, 3]``: as that or of another size, in 8 bits."""
    answer = DRIFTS[name](Image.fromarray(to_uint8(picture)))
    return torch.from_numpy(np.asarray(answer).astype(np.float32) / np.float32(255.0))
