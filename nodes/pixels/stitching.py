"""Laying an answer into the picture that it belongs to, without moving a pixel that was to be kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .registration import IDENTITY, register, undo
from .sizes import match_channels, resize

MIN_RING = 256
"""Pixels that must have been kept for their statistics to mean anything."""

_FLAT = 2.0 / 255.0
_CLIPPED = 1.0 / 255.0
_MAX_GAIN = 2.0

_STRETCH = 0.02
"""Difference of proportions up to which an answer is taken for rounded, not for reframed."""

_CLEARLY_BETTER = 0.8
"""How far below the stretched answer's error another reading must be to be believed."""


@dataclass(frozen=True)
class Stitched:
    """``image`` ``[H, W, C]`` with the answer in it, ``weight`` ``[H, W]`` by which it was blended in, and how the
    answer lay: ``shift`` in pixels to the right and down, ``scale`` its enlargement; both were undone.
    """

    image: torch.Tensor
    weight: torch.Tensor
    shift: tuple[float, float]
    scale: float
    colour_matched: bool
    came: tuple[int, int]
    """Width and height of the answer."""
    framing: str
    """Empty for an answer in the picture's proportions, else how it was read: stretched, cropped or extended."""

    def describe(self) -> str | None:
        """A note for the report; None where nothing was out of place."""
        parts = []
        if self.framing:
            width, height = self.came
            parts.append(f"it came as {width}x{height}, whose proportions differ, and was taken for {self.framing}")
        if self.shift != (0.0, 0.0) or self.scale != 1.0:
            right, down = self.shift
            parts.append(f"it lay {right:+.2f} px right and {down:+.2f} px down at scale {self.scale:.4f}, now undone")
        return f"The answer was fitted: {'; '.join(parts)}." if parts else None


def stitch(original: torch.Tensor, answer: torch.Tensor, weight: torch.Tensor, match: bool = True) -> Stitched:
    """``answer`` ``[h, w, C]`` laid into ``original`` ``[H, W, C]`` by ``weight`` ``[H, W]`` in 0..1.

    The answer is brought to H x W, registered, and with ``match`` its colour matched, on the pixels whose weight is 0;
    those come out of ``original`` bit for bit. Alpha is blended like a colour.
    """
    came = answer.shape[1], answer.shape[0]
    answer = match_channels(answer[None], original.shape[-1])[0]
    reference = original[..., :3].nan_to_num(nan=0.0).clamp(0.0, 1.0)
    answer, covered, framing = _frame(reference, answer, weight == 0.0)
    # What the answer does not show cannot be replaced by it.
    weight = torch.where(covered, weight, 0.0)
    ring = (weight == 0.0) & covered
    # A picture without a ring offers nothing to hold on to.
    found = register(reference, answer[..., :3], ring) if ring.any() else IDENTITY
    answer = undo(answer, found)
    matched = False
    if match:
        answer, matched = match_colour(answer, reference, ring)
    image = composite(original[None], answer[None], weight[None])[0]
    return Stitched(image, weight, (found.dx, found.dy), found.scale, matched, came, framing)


def match_colour(answer: torch.Tensor, reference: torch.Tensor, trusted: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """``answer`` ``[H, W, C]`` with mean and spread of each colour as in ``reference`` ``[H, W, 3]``, both measured
    where ``trusted`` ``[H, W]`` is true; and whether there was enough to measure.

    Alpha stays as it is. Values are clamped to 0..1; a gain lies within 1/2..2.
    """
    if int(trusted.sum()) < MIN_RING:
        return answer, False
    matched = answer.clone()
    for channel in range(3):
        found, wanted = answer[..., channel][trusted], reference[..., channel][trusted]
        # What is black or white in one of them says nothing of the other's light.
        open_ended = (torch.minimum(found, wanted) > _CLIPPED) & (torch.maximum(found, wanted) < 1.0 - _CLIPPED)
        if int(open_ended.sum()) >= MIN_RING:
            found, wanted = found[open_ended], wanted[open_ended]
        gain = float(wanted.std() / found.std()) if min(found.std(), wanted.std()) > _FLAT else 1.0
        gain = min(max(gain, 1.0 / _MAX_GAIN), _MAX_GAIN)
        matched[..., channel] = ((answer[..., channel] - found.mean()) * gain + wanted.mean()).clamp(0.0, 1.0)
    return matched, True


def composite(original: torch.Tensor, result: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``result`` inside the mask, ``original`` outside; both ``[B, H, W, C]``, mask ``[B, H, W]``.

    Where the mask is 0 the values of ``original`` are taken as they are, bit for bit; where it is 1, those of
    ``result``; between, they are mixed.
    """
    weight = mask[..., None]
    mixed = original * (1.0 - weight) + result * weight
    return torch.where(weight == 0.0, original, torch.where(weight == 1.0, result, mixed))


def _frame(reference: torch.Tensor, answer: torch.Tensor, ring: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, str]:
    """The answer at the size of ``reference`` ``[H, W, 3]``, where it covers that, and how it was read.

    Models that return other proportions stretch the picture, crop it, or extend it; the ring tells which.
    """
    height, width = reference.shape[:2]
    everywhere = torch.ones(height, width, dtype=torch.bool)
    stretched = resize(answer[None], height, width)[0]
    if abs(answer.shape[1] * height / (answer.shape[0] * width) - 1.0) <= _STRETCH:
        return stretched, everywhere, ""
    readings = [
        (stretched, everywhere, "stretched"),
        (*_inside(answer, height, width), "cropped"),
        (_outside(answer, height, width), everywhere, "extended"),
    ]
    errors = [_error(reference, picture, ring & covered) for picture, covered, _ in readings]
    best = min(range(len(readings)), key=errors.__getitem__)
    covers_some = bool((~ring & readings[best][1]).any())
    return readings[best] if errors[best] < errors[0] * _CLEARLY_BETTER and covers_some else readings[0]


def _inside(answer: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer as the central part of the picture, unstretched, and where that is."""
    scale = min(height / answer.shape[0], width / answer.shape[1])
    inner_height, inner_width = max(1, round(answer.shape[0] * scale)), max(1, round(answer.shape[1] * scale))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    picture = torch.zeros(height, width, answer.shape[-1])
    covered = torch.zeros(height, width, dtype=torch.bool)
    place = (slice(top, top + inner_height), slice(left, left + inner_width))
    picture[place] = resize(answer[None], inner_height, inner_width)[0]
    covered[place] = True
    return picture, covered


def _outside(answer: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The central part of the answer as the picture, unstretched."""
    scale = max(height / answer.shape[0], width / answer.shape[1])
    outer_height = max(height, round(answer.shape[0] * scale))
    outer_width = max(width, round(answer.shape[1] * scale))
    top, left = (outer_height - height) // 2, (outer_width - width) // 2
    return resize(answer[None], outer_height, outer_width)[0][top : top + height, left : left + width]


def _error(reference: torch.Tensor, picture: torch.Tensor, ring: torch.Tensor) -> float:
    """How unlike the two are on the ring, whatever their brightness and contrast: 1 - correlation."""
    if int(ring.sum()) < 64:
        return 2.0
    wanted, found = reference[ring].mean(dim=-1), picture[ring][..., :3].mean(dim=-1)
    wanted, found = wanted - wanted.mean(), found - found.mean()
    norm = float(wanted.norm() * found.norm())
    return 1.0 - float((wanted * found).sum()) / norm if norm > 1e-6 else 2.0
