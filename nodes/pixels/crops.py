"""Which part of a picture to send, at what size, and the way there and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from .masks import box
from .sizes import resize

MIN_CONTEXT = 32
"""Pixels around a mask that are sent at the least: a model continues what it sees."""

_SHAPES = ((16, 9), (3, 2), (1, 1), (2, 3), (9, 16))
"""What any model serves, more or less."""

_SAME_SHAPE = 1.02
"""Sizes whose crops differ by less in area count as of one shape; the scale decides between them."""


@dataclass(frozen=True)
class Crop:
    """A part of a picture, in its pixels, and the size at which it is sent. It may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int
    sent_width: int
    sent_height: int

    @property
    def loss(self) -> str:
        """A note where less was sent than the picture holds; empty where nothing was lost."""
        if self.width <= self.sent_width and self.height <= self.sent_height:
            return ""
        return (
            f"The crop of {self.width}x{self.height} was sent as {self.sent_width}x{self.sent_height}, the largest "
            "size that is known to be served, so inside the mask the picture is less sharp; set size to send more."
        )

    def cut(self, image: torch.Tensor) -> torch.Tensor:
        """The part of ``[H, W, C]`` as ``[height, width, C]``; beyond the picture its border goes on."""
        rows = (torch.arange(self.height) + self.top).clamp(0, image.shape[0] - 1)
        columns = (torch.arange(self.width) + self.left).clamp(0, image.shape[1] - 1)
        return image[rows][:, columns]

    def cut_mask(self, mask: torch.Tensor) -> torch.Tensor:
        """The part of a MASK ``[H, W]``; beyond the picture nothing is to change."""
        bottom, right = self.top + self.height, self.left + self.width
        # A negative pad crops.
        return pad(mask, (-self.left, right - mask.shape[1], -self.top, bottom - mask.shape[0]))

    def to_sent_size(self, part: torch.Tensor) -> torch.Tensor:
        """A part ``[height, width, C]`` at the size that is sent."""
        return resize(part[None], self.sent_height, self.sent_width)[0]

    def paste(self, image: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """``image`` with ``part`` ``[height, width, C]`` back in its place; the rest is copied as it is."""
        result = image.clone()
        top, left = max(self.top, 0), max(self.left, 0)
        bottom = min(self.top + self.height, image.shape[0])
        right = min(self.left + self.width, image.shape[1])
        result[top:bottom, left:right] = part[top - self.top : bottom - self.top, left - self.left : right - self.left]
        return result


def plan_crop(mask: torch.Tensor, context: float, sizes: Sequence[tuple[int, int]]) -> Crop:
    """The part around what is not FAINT in ``mask`` ``[H, W]``, in the shape of one of ``sizes`` (width, height).

    ``context`` is what is added on each side, as a share of the mask's box, and MIN_CONTEXT at the least. Of the
    sizes, the one that needs the smallest crop is taken; of several in that shape, the smallest that loses nothing.
    """
    height, width = mask.shape
    left, top, right, bottom = box(mask)
    margin_x = max(MIN_CONTEXT, math.ceil((right - left) * context))
    margin_y = max(MIN_CONTEXT, math.ceil((bottom - top) * context))
    left, right = max(0, left - margin_x), min(width, right + margin_x)
    top, bottom = max(0, top - margin_y), min(height, bottom + margin_y)
    shapes = [(_grown(right - left, bottom - top, size), size) for size in sizes]
    least = min(w * h for (w, h), _ in shapes)
    fitting = [(shape, size) for shape, size in shapes if shape[0] * shape[1] <= least * _SAME_SHAPE]
    lossless = [entry for entry in fitting if entry[1][0] >= entry[0][0] and entry[1][1] >= entry[0][1]]
    if lossless:
        (crop_width, crop_height), sent = min(lossless, key=lambda entry: entry[1][0] * entry[1][1])
    else:
        (crop_width, crop_height), sent = max(fitting, key=lambda entry: entry[1][0] * entry[1][1])
    return Crop(
        _place(left, right, crop_width, width), _place(top, bottom, crop_height, height), crop_width, crop_height, *sent
    )


def surroundings(mask: torch.Tensor, context: float, sizes: Sequence[tuple[int, int]]) -> Crop:
    """The part that holds the crops for every one of ``sizes`` or, without any, for whatever a model may serve."""
    crops = [plan_crop(mask, context, [size]) for size in sizes or _SHAPES]
    left, top = min(crop.left for crop in crops), min(crop.top for crop in crops)
    width = max(crop.left + crop.width for crop in crops) - left
    height = max(crop.top + crop.height for crop in crops) - top
    return Crop(left, top, width, height, width, height)


def _grown(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """The smallest width and height in the shape of ``size`` that hold ``width`` x ``height``."""
    ratio = size[0] / size[1]
    return max(width, round(height * ratio)), max(height, round(width / ratio))


def _place(start: int, stop: int, length: int, limit: int) -> int:
    """Where a crop of ``length`` begins: centred on what it holds, within ``limit`` as far as it fits."""
    begin = start - (length - (stop - start)) // 2
    if length >= limit:
        return -((length - limit) // 2)
    return min(max(begin, 0), limit - length)
