"""An answer that was moved, scaled and turned is measured to a fraction of a pixel, or left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from nodes.pixels import resize
from nodes.pixels.registration import Witness
from nodes.pixels.sampling import Sampler
from nodes.pixels.stitching import UNLIKE
from nodes.pixels.transforms import Drift, Transform

PLAIN = Transform.placing(1.0, 1.0, 0.0, 0.0)


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


def drift(dx: float, dy: float, across: float, down: float, turn: float, height: int, width: int) -> Transform:
    """Where a pixel of the picture lies in an answer that drifted so."""
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([across, down])
    middle, shift = np.array([width / 2, height / 2]), np.array([dx, dy])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, middle + shift - linear @ middle
    return Transform(matrix)


@settings(max_examples=20)
@given(
    st.floats(-5, 5),
    st.floats(-5, 5),
    st.floats(0.97, 1.03),
    st.floats(0.97, 1.03),
    st.floats(-1, 1),
    st.floats(0.8, 1.25),
    st.integers(0, 1000),
)
def test_shift_scales_and_turn_are_found_whatever_the_light(
    dx: float, dy: float, across: float, down: float, turn: float, gamma: float, seed: int
) -> None:
    # What drifts into the frame was beyond it.
    scene, trusted = texture(280, 340, seed), ring(200, 260)
    reference = scene[40:240, 40:300]
    there = drift(dx, dy, across, down, turn, 200, 260)
    back = np.linalg.inv(there.matrix)
    back[:2, 2] += 40.0
    answer = Sampler(scene, Transform(back), 260, 200).box(0, 0, 260, 200) ** gamma
    answer = torch.where(trusted[..., None], answer, torch.rand(200, 260, 3))
    found = Witness(reference, trusted).place(answer, [PLAIN]).transform
    if found is PLAIN:
        assert there.difference(PLAIN, 260, 200) < 0.3
    assert there.difference(found, 260, 200) < 0.4
    lay = Drift.between(PLAIN, found, 260, 200)
    assert (lay.dx, lay.dy) == pytest.approx((dx, dy), abs=0.15) and lay.turn == pytest.approx(turn, abs=0.1)
    assert (lay.across, lay.down) == pytest.approx((across, down), abs=0.002)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 7), (30, 30), (200, 260)])
def test_nothing_to_hold_on_to_leaves_the_answer_alone(size: tuple[int, int]) -> None:
    reference = texture(*size, 1)
    for answer in (torch.full((*size, 3), 0.5), texture(*size, 2), torch.rand(*size, 3), reference):
        for trusted in (ring(*size), torch.zeros(size, dtype=torch.bool)):
            assert Witness(reference, trusted).place(answer, [PLAIN]).transform is PLAIN


def test_stripes_do_not_tell_how_far_an_answer_lies_along_them() -> None:
    across = (torch.arange(512) // 8 % 2).float() * 0.8 + 0.1
    stripes = across[None, :, None].expand(384, 512, 3).contiguous()
    far = (torch.linspace(-1, 1, 384)[:, None] ** 2 + torch.linspace(-1, 1, 512) ** 2)[..., None]
    fit = Witness(stripes, ring(384, 512)).place(((stripes * (1 - 0.09 * far)) * 255).round() / 255, [PLAIN])
    assert fit.beyond is None and fit.transform.difference(PLAIN, 512, 384) < 0.3


def test_an_even_gradient_has_nothing_to_hold_on_to() -> None:
    """Its steps of 8 bits are no detail, and an answer without them resembles it all the same."""
    slope = torch.linspace(0, 1, 384)[:, None, None] * torch.tensor([0.0, 0.5, 1.0])
    sky = ((slope + torch.linspace(0, 0.5, 512)[:, None] * torch.tensor([2.0, 1.0, 0.0])) / 1.5 * 255).round() / 255
    noise = torch.randn(384, 512, 3, generator=torch.Generator().manual_seed(0)) / 255
    fit = Witness(sky, ring(384, 512)).place(((sky * 0.95 + noise) * 255).round() / 255, [PLAIN])
    assert fit.unlikeness == 0.0 and fit.transform is PLAIN


def moon(side: int) -> torch.Tensor:
    """A photograph with hardly a contrast."""
    whole = torch.from_numpy(data.moon()).float()[None, ..., None].expand(-1, -1, -1, 3) / 255
    return (resize(whole, side, side)[0] * 255).round() / 255


def test_corners_that_darken_are_no_zoom() -> None:
    picture, away = moon(256), torch.linspace(-1, 1, 256) ** 2
    answer = picture * (1 - 0.15 * (away[:, None] + away[None, :]))[..., None]
    fit = Witness(picture, ring(256, 256)).place((answer * 255).round() / 255, [PLAIN])
    assert fit.transform.difference(PLAIN, 256, 256) < 0.6 and fit.unlikeness < 0.2


def sparse(side: int) -> torch.Tensor:
    """White, with a few dark things on it."""
    picture = torch.ones(side, side, 3)
    for top, left in ((20, 30), (200, 60), (60, 210)):
        picture[top : top + 16, left : left + 12] = 0.2
    return picture


@pytest.mark.parametrize("name", ["white", "slope", "sparse", "moon"])
@pytest.mark.parametrize("answer", ["black", "texture", "negative"])
def test_a_picture_of_something_else_is_unlike_even_an_even_one(name: str, answer: str) -> None:
    slope = torch.linspace(0.5, 0.9, 256)[:, None, None].expand(256, 256, 3)
    picture = {"white": torch.ones(256, 256, 3), "slope": slope, "sparse": sparse(256), "moon": moon(256)}[name]
    other = {"black": torch.zeros(256, 256, 3), "texture": texture(256, 256, 3), "negative": 1 - picture}[answer]
    witness = Witness(picture, ring(256, 256))
    assert witness.place(other, [PLAIN]).transform is PLAIN
    assert witness.place(other, [PLAIN]).unlikeness > UNLIKE
    light = (picture * 0.85 + 0.1 + 0.01 * torch.randn(256, 256, 3, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    assert witness.place(light, [PLAIN]).unlikeness < UNLIKE
