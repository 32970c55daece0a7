"""Bringing an answer's colours back: models lean the whole frame towards their own light."""

from __future__ import annotations

import torch

MIN_RING = 256
"""Pixels that must have been kept for their statistics to mean anything."""

_FLAT = 2.0 / 255.0
_CLIPPED = 1.0 / 255.0
_MAX_GAIN = 2.0


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
