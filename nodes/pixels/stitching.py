"""Laying an answer into the picture that it belongs to, without moving a pixel that was to be kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from .colours import Light
from .crops import Crop
from .encoding import to_uint8
from .framing import place, plain
from .masks import box
from .registration import Fit, Witness
from .sampling import Sampler
from .sizes import match_channels
from .transforms import Drift

_ROWS = 256
"""Rows that are worked on at a time: memory for a strip, not for a picture."""

_LOST = 16
"""Pixels over which a cropped answer is blended in at the border that it was cut off at."""

UNLIKE = 0.45
"""Unlikeness on what was kept from which on an answer resembles its picture in nothing."""

COARSE = 0.6
"""Answer's pixels to one of its place below which it is told to be less sharp."""

_TURNED = 0.05
"""Degrees from which on a rotation is told."""


@dataclass(frozen=True)
class Stitched:
    """``image`` ``[H, W, C]`` with the answer in it, ``weight`` ``[H, W]`` by which it was blended in, and how the
    answer lay; that was undone.
    """

    image: torch.Tensor
    weight: torch.Tensor
    drift: Drift
    colour_matched: bool
    came: tuple[int, int]
    """Width and height of the answer."""
    framing: str
    """Empty for an answer in the picture's proportions, else how it was read: stretched, cropped or extended."""
    density: float
    """Pixels of the answer to one of the picture."""
    unlikeness: float
    beyond: Drift | None
    """A drift that seems to be there, but is larger than is undone."""
    is_cut: bool
    """Whether a part of the mask stayed as it was, because the answer does not show it."""
    is_clear: bool = False
    """Whether parts of the answer are transparent, and were laid in all the same, as the picture has no alpha."""

    @property
    def shift(self) -> tuple[float, float]:
        return self.drift.dx, self.drift.dy

    @property
    def scale(self) -> float:
        return self.drift.scale

    def describe(self) -> list[str]:
        """Notes for the report; none where nothing was out of place."""
        parts, notes = [], []
        width, height = self.came
        if self.framing:
            parts.append(f"it came as {width}x{height}, whose proportions differ, and was taken for {self.framing}")
        if self.drift != Drift():
            lay = f"it lay {self.drift.dx:+.2f} px right and {self.drift.dy:+.2f} px down at scale {self.scale:.4f}"
            turned = f", turned by {self.drift.turn:+.2f} degrees" if abs(self.drift.turn) >= _TURNED else ""
            parts.append(f"{lay}{turned}, now undone")
        if parts:
            notes.append(f"The answer was fitted: {'; '.join(parts)}.")
        if self.beyond:
            notes.append(
                f"The answer seems to lie {self.beyond.dx:+.0f} px right and {self.beyond.dy:+.0f} px down at scale "
                f"{self.beyond.scale:.2f}, turned by {self.beyond.turn:+.1f} degrees: more than is undone, so it "
                "was pasted as it came."
            )
        if self.is_cut:
            notes.append("The answer shows less than was sent: what it does not show of the mask stayed as it was.")
        if self.is_clear:
            notes.append(
                "Parts of the answer are transparent, which this picture cannot be: the colours beneath were taken. "
                "Ask for an opaque background in Request Options, or wire a picture with an alpha channel."
            )
        if self.density < COARSE:
            notes.append(
                f"The answer came as {width}x{height}, {1.0 / self.density:.1f} times too small for its place, and is "
                "less sharp than its surroundings. Set size, or choose a model that serves more."
            )
        if self.unlikeness > UNLIKE:
            notes.append(
                "Around the mask the answer does not resemble the picture at all, so it was pasted as it came: the "
                "model may have made another picture. Describe the whole picture, or choose a model that edits."
            )
        return notes


class Seat:
    """The place in ``original`` ``[H, W, C]`` for any number of answers, that are blended in by ``weight`` ``[H, W]``,
    which is not 0 everywhere. ``crop`` is what was sent; None for all of it.
    """

    def __init__(self, original: torch.Tensor, weight: torch.Tensor, crop: Crop | None = None) -> None:
        height, width = weight.shape
        self.original, self.weight = original, weight
        self.crop = crop or Crop(0, 0, width, height, width, height)
        left, top = max(0, self.crop.left), max(0, self.crop.top)
        right = min(width, self.crop.left + self.crop.width)
        bottom = min(height, self.crop.top + self.crop.height)
        self._window = left, top, right, bottom
        self._inner = replace(self.crop, left=self.crop.left - left, top=self.crop.top - top)

    @cached_property
    def _reference(self) -> torch.Tensor:
        left, top, right, bottom = self._window
        part = self.original[top:bottom, left:right, :3]
        # A copy only of what is no picture: with values beyond 0..1, or none.
        least, most = (float(value) for value in part.aminmax())
        return part if 0.0 <= least <= most <= 1.0 else part.nan_to_num(nan=0.0).clamp(0.0, 1.0)

    @cached_property
    def _ring(self) -> torch.Tensor:
        left, top, right, bottom = self._window
        return self.weight[top:bottom, left:right] == 0.0

    @cached_property
    def _witness(self) -> Witness:
        return Witness(self._reference, self._ring)

    @cached_property
    def _light(self) -> Light:
        return Light(self._reference, self._ring)

    def lay(self, answer: torch.Tensor, onto: torch.Tensor, match: bool = True) -> Stitched:
        """``answer`` ``[h, w, C]`` laid into ``onto``, which is the original or a copy with other parts changed, in
        place: registered, and with ``match`` its colour matched, on the pixels whose weight is 0; those stay as they
        are, bit for bit. Alpha is blended like a colour.
        """
        came = answer.shape[1], answer.shape[0]
        is_clear = answer.shape[-1] == 4 != onto.shape[-1] and bool((answer[..., 3] < 0.5).any())
        answer = match_channels(answer[None], onto.shape[-1])[0]
        left, top, right, bottom = self._window
        width, height = right - left, bottom - top
        if self._came_back(answer):
            return Stitched(onto, self.weight, Drift(), False, came, "", 1.0, 0.0, None, False)
        fit, start, framing = place(self._witness, answer, self._inner)
        first_column, first_row, last_column, last_row = self._box
        wanted = first_column - left, first_row - top, last_column - left, last_row - top
        sampler = Sampler(answer, fit.transform, width, height, wanted)
        if not sampler.covers_all and not (sampler.depth(*wanted) > 0.0)[self._is_wanted].any():
            # A crop that shows nothing of what was asked for: that is no reading, or no use.
            start, framing = plain(answer, self._inner), "stretched"
            fit = Fit(start, fit.unlikeness, fit.plain)
            sampler = Sampler(answer, start, width, height, wanted)
        is_alike = fit.unlikeness <= UNLIKE
        correction = self._light.correction(answer, fit.transform) if match and is_alike else None
        used = self.weight if sampler.covers_all else self.weight.clone()
        for begin in range(first_row, last_row, _ROWS):
            end = min(begin + _ROWS, last_row)
            place_in = first_column - left, begin - top, last_column - left, end - top
            piece = sampler.box(*place_in)
            if correction:
                edges = place_in[0] / width, place_in[1] / height, place_in[2] / width, place_in[3] / height
                piece = correction(piece, *edges)
            at = slice(begin, end), slice(first_column, last_column)
            share = self.weight[at]
            if not sampler.covers_all:
                # What the answer does not show cannot be replaced by it.
                share = share * (sampler.depth(*place_in) / _LOST).clamp(0.0, 1.0).float()
                used[at] = share
            if sampler.is_exact and not correction:
                piece = _kept_where_same(self.original[at], piece)
            onto[at] = composite(onto[at][None], piece[None], share[None])[0]
        hidden = used is not self.weight and not torch.equal(used, self.weight)
        drift = Drift.between(start, fit.transform, width, height) if fit.transform is not start else Drift()
        density = min(came[0] / self.crop.width, came[1] / self.crop.height)
        return Stitched(
            *(onto, used, drift, correction is not None, came, framing),
            *(density, fit.unlikeness, fit.beyond, hidden, is_clear),
        )

    @cached_property
    def _box(self) -> tuple[int, int, int, int]:
        return box(self.weight, 0.0)

    @cached_property
    def _is_wanted(self) -> torch.Tensor:
        left, top, right, bottom = self._box
        return self.weight[top:bottom, left:right] > 0.0

    def _came_back(self, answer: torch.Tensor) -> bool:
        """Whether the answer is what was sent, scaled: scaled back it would not be the picture to the bit."""
        sent = self.crop.sent_height, self.crop.sent_width
        if sent == (self.crop.height, self.crop.width) or answer.shape[:2] != sent:
            return False
        channels = min(answer.shape[-1], self.original.shape[-1])
        return np.array_equal(to_uint8(answer)[..., :channels], self._sent[..., :channels])

    @cached_property
    def _sent(self) -> npt.NDArray[np.uint8]:
        return to_uint8(self.crop.to_sent_size(self.crop.cut(self.original)))


def stitch(original: torch.Tensor, answer: torch.Tensor, weight: torch.Tensor, match: bool = True) -> Stitched:
    """``answer`` ``[h, w, C]`` laid into a copy of ``original`` ``[H, W, C]`` by ``weight`` ``[H, W]`` in 0..1."""
    return Seat(original, weight).lay(answer, original.clone(), match)


def composite(original: torch.Tensor, result: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``result`` inside the mask, ``original`` outside; both ``[B, H, W, C]``, mask ``[B, H, W]``.

    Where the mask is 0 the values of ``original`` are taken as they are, bit for bit; where it is 1, those of
    ``result``; between, they are mixed.
    """
    weight = mask[..., None]
    mixed = torch.lerp(original, result, weight)
    return torch.where(weight == 0.0, original, torch.where(weight == 1.0, result, mixed))


def _kept_where_same(original: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """The answer, with the original's own values where it came back as it was sent, in 8 bits."""
    same = ((original - answer).abs() < 0.51 / 255.0).all(dim=-1, keepdim=True)
    return torch.where(same, original, answer)
