"""Masks are shaped as their painter expects, at any size and at every border."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes.pixels import AUTO, asked, diagnose, feather_mask, islands, shape_mask
from nodes.pixels.masks import is_soft

sides = st.integers(1, 70)


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    """Soft masks of blobs, of any size from 1x1 on, with at least one pixel to change."""
    height, width = draw(sides), draw(sides)
    mask = torch.zeros(height, width)
    for _ in range(draw(st.integers(1, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
        mask[top:bottom, left:right] = draw(st.sampled_from([0.2, 0.6, 1.0]))
    mask[height // 2, width // 2] = 1.0
    return mask


@given(masks(), st.integers(0, 12))
def test_growing_adds_what_is_near_and_nothing_else(mask: torch.Tensor, grow: int) -> None:
    grown = shape_mask(mask, grow=grow)
    rows, columns = torch.meshgrid(torch.arange(mask.shape[0]), torch.arange(mask.shape[1]), indexing="ij")
    solid = (mask >= 0.5).nonzero()
    away = torch.stack([((rows - y) ** 2 + (columns - x) ** 2) for y, x in solid.tolist()]).amin(0)
    expected = torch.where((away <= grow**2) & (torch.tensor(grow > 0)), 1.0, mask)
    assert torch.equal(grown, torch.maximum(expected, mask))


def test_a_ring_is_filled_and_an_open_one_is_not() -> None:
    ring = torch.zeros(9, 9)
    ring[1:8, 1:8] = 1
    ring[3:6, 3:6] = 0
    assert shape_mask(ring, fill_holes=True)[4, 4] == 1
    ring[4, :4] = 0
    assert shape_mask(ring, fill_holes=True)[4, 4] == 0


@given(masks(), st.integers(0, 40))
def test_a_feather_stays_inside_the_mask_and_rises_towards_its_middle(mask: torch.Tensor, feather: int) -> None:
    weight = feather_mask(mask, feather)
    assert torch.equal(weight == 0, mask == 0)
    # A soft mask is steepened, so that what was there before does not show through it.
    assert is_soft(mask) or (weight <= mask).all()
    if (feather == 0 or (mask > 0).all()) and not is_soft(mask):
        assert torch.equal(weight, mask)


@given(st.integers(20, 120), st.floats(0.0, 0.9), st.sampled_from([AUTO, 0]))
def test_a_soft_brush_is_asked_for_as_far_as_it_is_blended_and_hides_what_was_there(
    radius: int, hardness: float, feather: int
) -> None:
    rows, columns = torch.meshgrid(torch.arange(260), torch.arange(260), indexing="ij")
    away = torch.hypot(rows - 130.0, columns - 130.0) / radius
    mask = ((1.0 - away) / (1.0 - hardness)).clamp(0.0, 1.0)
    if not is_soft(mask):
        return
    weight, wanted = feather_mask(mask, feather), asked(mask)
    assert (wanted[weight > 0] == 1).all(), "what is blended in was painted for it"
    assert float((weight[wanted == 1] < 0.75).float().mean()) <= 0.051


@pytest.mark.parametrize("radius", [3, 10, 40, 150])
def test_an_automatic_feather_suits_the_size(radius: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(320), torch.arange(320), indexing="ij")
    mask = (torch.hypot(rows - 160.0, columns - 160.0) <= radius).float()
    weight = feather_mask(mask, AUTO)
    assert ((weight > 0) & (weight < 1)).any() and float(weight[mask == 1].mean()) > 0.65


def test_a_mask_without_a_zero_is_named() -> None:
    assert any("nowhere 0" in note for note in diagnose(disc().clamp(min=0.1)))


def test_a_feather_has_the_width_that_was_asked_for() -> None:
    mask = torch.zeros(40, 100)
    mask[:, 20:] = 1
    row = feather_mask(mask, 8)[20]
    assert (row[:20] == 0).all() and (row[28:] == 1).all()
    assert (row[20:29].diff() > 0).all() and row.diff().abs().max() < 0.2, "the border of the picture is no border"


@given(masks())
def test_islands_are_apart_and_together_the_mask(mask: torch.Tensor) -> None:
    found = islands(mask)
    assert torch.equal(torch.stack(found).sum(dim=0), mask)
    assert all((one >= 0.5).any() for one in found)


def test_two_blobs_are_two_islands_and_a_crumb_joins_the_nearest() -> None:
    mask = torch.zeros(64, 64)
    mask[4:20, 4:20], mask[40:60, 40:60], mask[62, 62] = 1, 1, 1
    first, second = islands(mask)
    assert first[10, 10] == 1 and second[50, 50] == 1 and second[62, 62] == 1 and first[62, 62] == 0


def ring() -> torch.Tensor:
    mask = torch.ones(64, 64)
    mask[20:40, 20:40] = 0
    return mask


def dot() -> torch.Tensor:
    mask = torch.zeros(64, 64)
    mask[9:11, 9:11] = 1
    return mask


def disc() -> torch.Tensor:
    mask = torch.zeros(64, 64)
    mask[20:40, 20:40] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "words"),
    [(torch.ones(8, 8), "whole picture"), (ring(), "inverted"), (dot(), "speck"), (disc(), None)],
    ids=["full", "inverted", "speck", "fine"],
)
def test_a_doubtful_mask_is_complained_of(mask: torch.Tensor, words: str | None) -> None:
    assert [words in note for note in diagnose(mask) if words] == ([True] if words else [])
    assert bool(diagnose(mask)) is bool(words)
