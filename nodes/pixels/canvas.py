"""Making room around a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Borders:
    """Pixels that are added on each side."""

    left: int
    top: int
    right: int
    bottom: int


def extend(images: torch.Tensor, borders: Borders) -> torch.Tensor:
    """``[B, H, W, C]`` on a larger canvas; the new area repeats the outermost pixels, which a model can go on from."""
    height, width = images.shape[1:3]
    rows = torch.arange(-borders.top, height + borders.bottom).clamp(0, height - 1)
    columns = torch.arange(-borders.left, width + borders.right).clamp(0, width - 1)
    return images[:, rows][:, :, columns]


def new_area(height: int, width: int, borders: Borders, feather: int) -> torch.Tensor:
    """The weights ``[H, W]`` of the canvas around a picture of ``height`` x ``width``: 1 where it is new, smoothly
    falling to 0 over ``feather`` pixels inside the old picture, on the sides that grow; exactly 0 beyond.
    """
    across = _depth(width, borders.left, borders.right)
    down = _depth(height, borders.top, borders.bottom)
    depth = torch.minimum(down[:, None], across[None, :])
    ramp = (1.0 - depth / (feather + 1.0)).clamp(0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def _depth(length: int, before: int, after: int) -> torch.Tensor:
    """How many pixels each place of a line lies inside the old picture, counted from the sides that grow, from 1 on;
    0 where it is new.
    """
    places = torch.arange(before + length + after, dtype=torch.float32)
    inside = torch.full_like(places, float("inf"))
    if before:
        inside = torch.minimum(inside, places - before + 1.0)
    if after:
        inside = torch.minimum(inside, before + length - places)
    return inside.clamp(min=0.0)
