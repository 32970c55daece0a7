"""Shifts of what looks alike at every line: text, bricks, stars."""

from __future__ import annotations

import pytest
import torch

from nodes.pixels.registration import Witness
from nodes.pixels.shifts import likely_shifts
from tests.pixels.test_registration import PLAIN, ring


def page(height: int, width: int) -> torch.Tensor:
    """Lines of letters, dark on white, ``[H, W, 3]``."""
    generator = torch.Generator().manual_seed(1)
    picture = torch.ones(height, width)
    for top in range(6, height - 10, 14):
        strokes = torch.rand(9, width // 2, generator=generator) < 0.4
        picture[top : top + 9, : width // 2 * 2] = 1.0 - 0.9 * strokes.float().repeat_interleave(2, dim=1)
    return picture[..., None].expand(-1, -1, 3)


@pytest.mark.parametrize("shift", [(9, -7), (-13, 11), (0, 14)])
def test_a_shift_of_text_is_found_beyond_its_lines(shift: tuple[int, int]) -> None:
    right, down = shift
    scene, trusted = page(448, 448), ring(384, 384)
    picture = scene[32:416, 32:416]
    answer = scene[32 - down : 416 - down, 32 - right : 416 - right]
    fit = Witness(picture, trusted).place(answer, [PLAIN])
    assert (fit.transform.matrix[0, 2], fit.transform.matrix[1, 2]) == pytest.approx(shift, abs=0.1)


def test_the_likeliest_shift_is_the_first_and_none_is_beyond_the_reach() -> None:
    scene = torch.rand(120, 150, generator=torch.Generator().manual_seed(2))
    picture, answer = scene[10:110, 10:140], scene[14:114, 3:133]
    first, *others = likely_shifts(picture, torch.ones(100, 130), answer, 8)
    assert first == (7, -4) and all(max(map(abs, other)) <= 8 for other in others)
