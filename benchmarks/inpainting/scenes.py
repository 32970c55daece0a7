"""Photographs (of scikit-image), masks of every kind, and the picture that a perfect model would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from skimage import data

from nodes.pixels import Borders, extend, new_area

PHOTOGRAPHS: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "rocket": data.rocket,
}


@dataclass(frozen=True)
class Scene:
    """``picture`` and ``truth``, what a perfect model makes of it, are ``[H, W, 3]``; ``mask`` is ``[H, W]``."""

    name: str
    picture: torch.Tensor
    mask: torch.Tensor
    truth: torch.Tensor
    touches_right: bool = False


def photograph(name: str) -> torch.Tensor:
    """``[H, W, 3]`` in 0..1, cut to sides that are multiples of 16."""
    pixels = PHOTOGRAPHS[name]()
    height, width = (side // 16 * 16 for side in pixels.shape[:2])
    return torch.from_numpy(pixels[:height, :width].astype(np.float32) / np.float32(255.0))


def _away(height: int, width: int, row: float, column: float) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.hypot(rows - row * height, columns - column * width)


def _disc(height: int, width: int) -> np.ndarray:
    return (_away(height, width, 0.45, 0.45) <= 0.14 * height).astype(np.float32)


def _soft_brush(height: int, width: int) -> np.ndarray:
    radius, hardness = 0.24 * height, 0.2
    away = _away(height, width, 0.45, 0.45) / radius
    return ((1.0 - away) / (1.0 - hardness)).clip(0.0, 1.0).astype(np.float32)


def _border(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.float32)
    mask[height // 4 : 3 * height // 4, int(width * 0.7) :] = 1.0
    return mask


def _floor(height: int, width: int) -> np.ndarray:
    return np.maximum(_disc(height, width), np.float32(1 / 255))


def _sigmoid(height: int, width: int) -> np.ndarray:
    """What a segmenting model gives: nowhere quite 0 nor 1."""
    signed = 0.14 * height - _away(height, width, 0.45, 0.45)
    return (1.0 / (1.0 + np.exp(-(signed / 2.0).clip(-6.0, 6.0)))).astype(np.float32)


def _islands(height: int, width: int) -> np.ndarray:
    places = ((0.25, 0.25), (0.3, 0.75), (0.75, 0.5))
    near = [_away(height, width, *place) <= 0.08 * height for place in places]
    return np.logical_or.reduce(near).astype(np.float32)


def _thin(height: int, width: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    wire = (np.abs(rows - height * 0.3 - columns * 0.3) <= 3) | (np.abs(rows - height * 0.85) <= 3)
    inside = (columns > 0.1 * width) & (columns < 0.9 * width)
    return (wire & inside).astype(np.float32)


MASKS: dict[str, Callable[[int, int], np.ndarray]] = {
    "disc": _disc,
    "soft brush": _soft_brush,
    "border": _border,
    "floor": _floor,
    "sigmoid": _sigmoid,
    "islands": _islands,
    "thin lines": _thin,
}


def scene(name: str, mask_name: str) -> Scene:
    """A photograph with a mask, or with a part cut off that is to be painted anew (``outpaint``)."""
    photo = photograph(name)
    height, width = photo.shape[:2]
    if mask_name == "outpaint":
        kept = width * 3 // 4 // 16 * 16
        borders = Borders(0, 0, width - kept, 0)
        canvas = extend(photo[None, :, :kept], borders)[0]
        return Scene(f"{name} outpaint", canvas, new_area(height, kept, borders, 32), photo, touches_right=True)
    mask = torch.from_numpy(MASKS[mask_name](height, width))
    truth = photo if mask_name == "thin lines" else _with_object(photo, mask)
    return Scene(f"{name} {mask_name}", photo, mask, truth, touches_right=mask_name == "border")


def _with_object(photo: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The photograph with something new in the middle of each part of the mask, well away from its border."""
    depth = ndimage.distance_transform_edt(mask.numpy() >= 0.5)
    core = (depth > 0.45 * depth.max()).astype(np.float32)
    share = torch.from_numpy(ndimage.gaussian_filter(core, 1.0))[..., None]
    stripes = torch.from_numpy(0.5 + 0.3 * np.sin(np.indices(core.shape).sum(axis=0) / 3.0)).float()
    thing = 0.4 * photo.flip(0, 1) + 0.6 * stripes[..., None] * torch.tensor([0.9, 0.7, 0.4])
    # Eight bits, as every picture has that comes from a file.
    return ((photo * (1.0 - share) + thing * share) * 255.0).round() / 255.0
