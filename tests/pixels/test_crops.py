"""Crops hold the mask and its surroundings in a shape that the model serves, and lead back to where they came from."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.pixels import MIN_CONTEXT, plan_crop

SIZES = [(1024, 1024), (1536, 1024), (1024, 1536)]
sides = st.integers(1, 400)


@st.composite
def marked(draw: st.DrawFn, sides: st.SearchStrategy[int] = sides) -> tuple[torch.Tensor, tuple[int, int, int, int]]:
    height, width = draw(sides), draw(sides)
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1.0
    return mask, (left, top, right, bottom)


@given(marked(), st.floats(0, 4))
def test_a_crop_holds_the_mask_and_its_context(
    case: tuple[torch.Tensor, tuple[int, int, int, int]], context: float
) -> None:
    mask, (left, top, right, bottom) = case
    crop = plan_crop(mask, context, SIZES)
    assert (crop.sent_width, crop.sent_height) in SIZES
    margin_x, margin_y = max(MIN_CONTEXT, (right - left) * context), max(MIN_CONTEXT, (bottom - top) * context)
    assert crop.left <= max(0, left - margin_x) and crop.left + crop.width >= min(mask.shape[1], right + margin_x)
    assert crop.top <= max(0, top - margin_y) and crop.top + crop.height >= min(mask.shape[0], bottom + margin_y)
    wanted = crop.sent_width / crop.sent_height
    assert abs(crop.width - crop.height * wanted) <= max(1.0, wanted), "the shape is the model's, to the pixel"
    assert crop.cut_mask(mask).sum() == mask.sum(), "no part of the mask is left behind"


@given(marked(), st.integers(0, 2**31))
def test_the_way_there_and_back_changes_nothing(
    case: tuple[torch.Tensor, tuple[int, int, int, int]], seed: int
) -> None:
    mask, _ = case
    image = torch.rand(*mask.shape, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 0.5
    crop = plan_crop(mask, 0.5, SIZES)
    part = crop.cut(image)
    assert part.shape == (crop.height, crop.width, 3)
    assert torch.equal(crop.paste(image, part), image)


@settings(max_examples=10)
@given(marked(st.integers(2000, 4096)))
def test_large_pictures_are_sent_at_the_size_that_loses_least(
    case: tuple[torch.Tensor, tuple[int, int, int, int]],
) -> None:
    mask, _ = case
    small = plan_crop(mask, 0.2, SIZES)
    large = plan_crop(mask, 0.2, [*SIZES, (4096, 4096), (6144, 4096), (4096, 6144)])
    assert large.sent_width >= min(small.sent_width, large.width)
    assert large.width <= large.sent_width and large.height <= large.sent_height


def test_the_noise_of_a_jpeg_does_not_make_the_crop_larger() -> None:
    mask = torch.zeros(600, 800)
    mask[200:250, 300:350] = 1
    noisy = torch.where(mask == 1, mask, torch.rand(600, 800) * 0.02)
    assert plan_crop(noisy, 0.5, SIZES) == plan_crop(mask, 0.5, SIZES)


def test_a_crop_that_loses_detail_says_so() -> None:
    mask = torch.zeros(3000, 3000)
    mask[500:2500, 500:2500] = 1
    assert "1024x1024" in plan_crop(mask, 0.1, SIZES).loss and not plan_crop(mask, 0.1, [(4096, 4096)]).loss
