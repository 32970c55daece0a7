"""An answer that was moved and scaled is measured to a fraction of a pixel, or left alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.pixels import resize
from nodes.pixels.registration import IDENTITY, Registration, register, undo


def texture(height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(1, height, width, 3)
    for size in (8, 24, 60):
        noise = torch.rand(1, max(2, height // size), max(2, width // size), 3, generator=generator)
        picture += resize(noise, height, width) / 3
    return picture[0]


def ring(height: int, width: int) -> torch.Tensor:
    trusted = torch.ones(height, width, dtype=torch.bool)
    trusted[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = False
    return trusted


@settings(max_examples=20)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.99, 1.01), st.floats(0.8, 1.25), st.integers(0, 1000))
def test_shift_and_scale_are_found_whatever_the_light(
    dx: float, dy: float, scale: float, gamma: float, seed: int
) -> None:
    reference, trusted = texture(200, 260, seed), ring(200, 260)
    answer = undo(reference, Registration(-dx / scale, -dy / scale, 1 / scale)) ** gamma
    answer = torch.where(trusted[..., None], answer, torch.rand(200, 260, 3))
    found = register(reference, answer, trusted)
    if found == IDENTITY:
        assert max(abs(dx), abs(dy)) < 0.1 and abs(scale - 1) < 0.002
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.15) and found.scale == pytest.approx(scale, abs=0.002)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 7), (30, 30), (200, 260)])
def test_nothing_to_hold_on_to_leaves_the_answer_alone(size: tuple[int, int]) -> None:
    reference = texture(*size, 1)
    for answer in (torch.full((*size, 3), 0.5), texture(*size, 2), torch.rand(*size, 3), reference):
        assert register(reference, answer, ring(*size)) == IDENTITY
        assert register(reference, answer, torch.zeros(size, dtype=torch.bool)) == IDENTITY
    assert undo(reference, IDENTITY) is reference
