"""From a mask to the parts of a picture that are sent, by which crop and at what size, and from their answers to the
picture with them in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch.nn.functional import pad

from ..errors import InputError
from .codec import encode
from .masks import THRESHOLD, box, encode_mask, feather_mask, islands
from .sizes import match_channels, resize
from .stitching import Stitched, stitch

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


Region = Literal["whole picture", "zoom to mask", "zoom per island"]

MAX_ISLANDS = 16
"""Each is paid for. More are the crumbs of a bad mask, not sixteen wishes."""


@dataclass(frozen=True)
class Part:
    """What one request changes: the picture's number, where (MASK ``[H, W]`` of the picture's size), and by which
    crop; None sends the whole picture.
    """

    index: int
    mask: torch.Tensor
    crop: Crop | None

    @property
    def size(self) -> str | None:
        """The size to ask for, where the crop decides."""
        return None if self.crop is None else f"{self.crop.sent_width}x{self.crop.sent_height}"

    def zoomed(self, context: float, sizes: Sequence[tuple[int, int]]) -> Part:
        """The same by a crop, for one of ``sizes`` (see :func:`plan_crop`)."""
        return replace(self, crop=plan_crop(self.mask, context, sizes))

    def write(self, image: torch.Tensor) -> tuple[bytes, bytes]:
        """Picture and mask as PNG bytes."""
        if self.crop is None:
            return encode(image), encode_mask(self.mask)
        sent = self.crop.to_sent_size(self.crop.cut(image))
        # A thin line must not vanish where the crop is scaled down.
        mask = self.crop.to_sent_size(self.crop.cut_mask(self.solid)[..., None])[..., 0]
        return encode(sent), encode_mask((mask > 0.01).float())

    @property
    def solid(self) -> torch.Tensor:
        """The mask ``[H, W]`` with 1 wherever something is to change."""
        return (self.mask >= THRESHOLD).float()

    def put_back(self, image: torch.Tensor, answer: torch.Tensor, feather: int, match: bool) -> Stitched:
        """``image`` ``[H, W, C]`` with ``answer`` in it; the weight is of the picture's size."""
        weight = feather_mask(self.mask, feather)
        if self.crop is None:
            return stitch(image, answer, weight, match)
        part = stitch(self.crop.cut(image), answer, self.crop.cut_mask(weight), match)
        used = self.crop.paste(torch.zeros_like(weight)[..., None], part.weight[..., None])[..., 0]
        return replace(part, image=self.crop.paste(image, part.image), weight=used)


def split(masks: torch.Tensor, region: Region) -> list[Part]:
    """The parts of all pictures, whose masks are ``[B, H, W]``, without crops yet. Raises InputError for a mask in too
    many islands.
    """
    parts = []
    for index, mask in enumerate(masks):
        pieces = islands(mask) if region == "zoom per island" else [mask]
        if len(pieces) > MAX_ISLANDS:
            raise InputError(
                f"The mask has {len(pieces)} islands, and each would be paid for; at most {MAX_ISLANDS} are sent.",
                code="TOO_MANY_ISLANDS",
                hint="Turn up grow or fill_holes so that they join, or choose zoom to mask.",
            )
        parts += [Part(index, piece, None) for piece in pieces]
    return parts


def assemble(
    images: torch.Tensor,
    parts: Sequence[Part],
    answers: Mapping[int, Sequence[torch.Tensor]],
    feather: int,
    match: bool,
) -> tuple[torch.Tensor, torch.Tensor, list[dict[str, Any]], list[str]]:
    """Every take of every picture: the batch, what was changed, the facts of each for the report, and notes.

    ``images`` are ``[B, H, W, C]``, and ``answers`` the pictures ``[H, W, C]`` that came for each part, by its number;
    for one that failed, none. Take k of a picture holds the k-th answer of each of its parts.
    """
    results, changed, facts, notes = [], [], [], []
    for index, image in enumerate(images):
        numbers = [number for number, part in enumerate(parts) if part.index == index]
        takes = max(len(answers.get(number, ())) for number in numbers)
        for take in range(takes):
            result, weight, fitted = image, torch.zeros(image.shape[:2]), []
            for number in numbers:
                if take >= len(answers.get(number, ())):
                    notes.append(f"Picture {index + 1}, take {take + 1}: an island got no answer and stays as it was.")
                    continue
                part = parts[number]
                stitched = part.put_back(result, answers[number][take], feather, match)
                result, weight = stitched.image, torch.maximum(weight, stitched.weight)
                fitted.append(_describe(part, stitched))
                notes += [note] if (note := stitched.describe()) else []
                notes += [part.crop.loss] if part.crop and part.crop.loss else []
            results.append(result)
            changed.append(weight)
            facts.append(_measure(index, image, result, weight, fitted))
    return torch.stack(results), torch.stack(changed), facts, notes


def _measure(
    index: int, image: torch.Tensor, result: torch.Tensor, weight: torch.Tensor, parts: list[dict[str, Any]]
) -> dict[str, Any]:
    kept = weight == 0.0
    moved = ~((result == image) | (result.isnan() & image.isnan()))[kept]
    difference = float((result - image)[kept][moved].abs().max()) if moved.any() else 0.0
    coverage = round(float((~kept).float().mean()), 4)
    return {"picture": index, "coverage": coverage, "difference_outside": difference, "parts": parts}


def _describe(part: Part, stitched: Stitched) -> dict[str, Any]:
    crop = part.crop
    where = {} if crop is None else {"crop": [crop.left, crop.top, crop.width, crop.height], "sent": part.size}
    return {
        **where,
        "came": "x".join(map(str, stitched.came)),
        "shift": [round(value, 3) for value in stitched.shift],
        "scale": round(stitched.scale, 5),
        "colour_matched": stitched.colour_matched,
    }


def with_channels(images: torch.Tensor, transparent: bool) -> torch.Tensor:
    """``[B, H, W, C]`` with 4 channels where it has them or a transparent background was asked for, else with 3."""
    return match_channels(images, 4 if transparent or images.shape[-1] == 4 else 3)
