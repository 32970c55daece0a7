"""From a mask to the parts of a picture that are sent, and from their answers to the picture with them in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from ..errors import InputError
from .crops import Crop, plan_crop
from .encoding import encode
from .masks import asked, encode_mask, feather_mask, islands
from .sizes import match_channels
from .stitching import Seat, Stitched

Region = Literal["whole picture", "zoom to mask", "zoom per island"]

MAX_ISLANDS = 16
"""Each is paid for. More are the crumbs of a bad mask, not sixteen wishes."""


_ROWS = 256
"""Rows that are compared at a time: memory for a strip, not for a picture."""


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
        """The same by a crop, for one of ``sizes`` (see :func:`.crops.plan_crop`)."""
        return replace(self, crop=plan_crop(self.mask, context, sizes))

    def cut(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is sent of a picture ``[H, W, C]``, and of the mask, 1 wherever it is to be painted."""
        if self.crop is None:
            return image, asked(self.mask)
        sent = self.crop.to_sent_size(self.crop.cut(image))
        # A thin line must not vanish where the crop is scaled down.
        mask = self.crop.to_sent_size(self.crop.cut_mask(asked(self.mask))[..., None])[..., 0]
        return sent, (mask > 0.01).float()

    def seat(self, image: torch.Tensor, feather: int | None) -> Seat:
        """Where the answers belong in ``image`` ``[H, W, C]``. Without a ``feather`` the mask itself blends them in."""
        weight = self.mask if feather is None else feather_mask(self.mask, feather)
        return Seat(image, weight, self.crop)


def write(cut: tuple[torch.Tensor, torch.Tensor]) -> tuple[bytes, bytes]:
    """Picture and mask (see :meth:`Part.cut`) as PNG bytes."""
    picture, mask = cut
    return encode(picture), encode_mask(mask)


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
    feather: int | None,
    match: bool,
) -> tuple[torch.Tensor, torch.Tensor, list[dict[str, Any]], list[str]]:
    """Every take of every picture: the batch, what was changed, the facts of each for the report, and notes.

    ``images`` are ``[B, H, W, C]``, and ``answers`` the pictures ``[H, W, C]`` that came for each part, by its number;
    for one that failed, none. Take k of a picture holds the k-th answer of each of its parts.
    """
    notes: list[str] = []
    rows: list[tuple[int, int, list[int]]] = []
    for index in range(images.shape[0]):
        numbers = [number for number, part in enumerate(parts) if part.index == index]
        takes = max(len(answers.get(number, ())) for number in numbers)
        rows += [(index, take, numbers) for take in range(takes)]
    batch = images[[index for index, _, _ in rows]]
    changed = torch.zeros(batch.shape[:3])
    fitted: list[list[dict[str, Any]]] = [[] for _ in rows]
    for number, part in enumerate(parts):
        seat = part.seat(images[part.index], feather)
        for row, (index, take, numbers) in enumerate(rows):
            if number not in numbers:
                continue
            if take >= len(answers.get(number, ())):
                notes.append(f"Picture {index + 1}, take {take + 1}: an island got no answer and stays as it was.")
                continue
            stitched = seat.lay(answers[number][take], batch[row], match)
            torch.maximum(changed[row], stitched.weight, out=changed[row])
            fitted[row].append(_describe(part, stitched))
            notes += stitched.describe()
            notes += [part.crop.loss] if part.crop and part.crop.loss else []
    facts = [
        _measure(index, images[index], batch[row], changed[row], fitted[row]) for row, (index, _, _) in enumerate(rows)
    ]
    return batch, changed, facts, notes


def _measure(
    index: int, image: torch.Tensor, result: torch.Tensor, weight: torch.Tensor, parts: list[dict[str, Any]]
) -> dict[str, Any]:
    kept, difference = weight == 0.0, 0.0
    for top in range(0, image.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        before, after = image[rows], result[rows]
        moved = (before != after) & kept[rows, :, None]
        if moved.any() and not (before[moved].isnan() & after[moved].isnan()).all():
            difference = max(difference, float((after - before)[moved].nan_to_num().abs().max()))
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
        "turn": round(stitched.drift.turn, 3),
        "colour_matched": stitched.colour_matched,
    }


def with_channels(images: torch.Tensor, transparent: bool) -> torch.Tensor:
    """``[B, H, W, C]`` with 4 channels where it has them or a transparent background was asked for, else with 3."""
    return match_channels(images, 4 if transparent or images.shape[-1] == 4 else 3)
