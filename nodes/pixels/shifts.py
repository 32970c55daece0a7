"""By how much an answer may have been shifted, from all shifts there are."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d, max_pool2d

_DETAIL = 9
"""Side of the square whose mean is no detail."""

_MOST = 4


def likely_shifts(
    picture: torch.Tensor, share: torch.Tensor, answer: torch.Tensor, reach: int
) -> list[tuple[int, int]]:
    """Pixels right and down, up to ``reach``, by which the detail of ``answer`` is most like that of ``picture`` where
    ``share``, how much of a pixel was kept, is 1: the best few, best first. All are ``[H, W]``, brightness.
    """
    height, width = picture.shape
    size = height + reach, width + reach
    here, there = _detail(picture) * (share > 0.999), _detail(answer)
    spectrum = torch.fft.rfft2(here, s=size).conj() * torch.fft.rfft2(there, s=size)
    side = 2 * reach + 1
    alike = torch.fft.irfft2(spectrum, s=size).roll((reach, reach), (0, 1))[:side, :side]
    peaks = torch.where(alike == max_pool2d(alike[None, None], 3, 1, 1)[0, 0], alike, -torch.inf)
    order = peaks.flatten().argsort(descending=True)[:_MOST].tolist()
    return [(place % side - reach, place // side - reach) for place in order]


def _detail(plane: torch.Tensor) -> torch.Tensor:
    return plane - avg_pool2d(plane[None, None], _DETAIL, 1, _DETAIL // 2, count_include_pad=False)[0, 0]
