"""Pictures brought to one size."""

import weakref

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes.pixels import central_square, decode, encode, fit_to_first, match_channels, resize

sides = st.integers(1, 40)


@given(sides, sides, sides, sides)
def test_any_sizes_become_one_batch_of_the_first(h1: int, w1: int, h2: int, w2: int) -> None:
    first, second = torch.rand(1, h1, w1, 3), torch.rand(2, h2, w2, 3)
    batch, notes = fit_to_first([first, second])
    assert batch.shape == (3, h1, w1, 3)
    assert torch.equal(batch[:1], first)
    assert bool(notes) == ((h1, w1) != (h2, w2))
    assert batch.min() >= 0 and batch.max() <= 1


def test_large_pictures_are_in_memory_once() -> None:
    """As they come from a file; what they took is free once they are in the batch, while others still know them."""
    files = [encode(torch.rand(9, 7, 3)) for _ in range(3)]
    pictures = [decode(file) for file in files]
    arrays = [np.zeros((1, 9, 7, 3), np.float32) for _ in range(3)]
    others = [torch.from_numpy(array) for array in arrays]
    owned = [weakref.ref(array) for array in arrays]
    arrays.clear()
    batch, _ = fit_to_first([*pictures, *others])
    assert [alive for alive in owned if alive() is not None] == []
    assert {picture.untyped_storage().data_ptr() for picture in [*pictures, *others]} == {batch.data_ptr()}
    assert all(torch.equal(picture, decode(file)) for picture, file in zip(pictures, files, strict=True))
    assert all(picture._base is None for picture in map(decode, files))


def test_what_is_made_in_inference_mode_becomes_a_batch_too() -> None:
    with torch.inference_mode():
        pictures = [torch.full((1, 3, 2, 3), value) for value in (0.25, 0.75)]
    batch, _ = fit_to_first(pictures)
    assert batch[:, 0, 0, 0].tolist() == [0.25, 0.75]


def test_fitting_crops_around_the_centre_and_does_not_stretch() -> None:
    wide = torch.zeros(1, 10, 30, 3)
    wide[:, :, 10:20] = 1.0
    batch, _ = fit_to_first([torch.zeros(1, 10, 10, 3), wide])
    assert batch[1].min() == 1.0


def test_the_right_size_is_left_alone() -> None:
    picture = torch.rand(1, 7, 5, 4) * 3 - 1
    assert resize(picture, 7, 5) is picture


def test_scaling_keeps_flat_colours_flat() -> None:
    assert torch.allclose(resize(torch.full((1, 9, 9, 3), 0.3), 31, 17), torch.tensor(0.3), atol=1e-6)


def test_channels_are_repeated_added_and_dropped() -> None:
    grey = torch.rand(1, 2, 2, 1)
    assert torch.equal(match_channels(grey, 3), grey.expand(1, 2, 2, 3))
    assert torch.equal(match_channels(grey, 4)[..., 3], torch.ones(1, 2, 2))
    assert match_channels(torch.rand(1, 2, 2, 4), 3).shape[-1] == 3


def test_central_square() -> None:
    picture = torch.arange(4 * 6).reshape(4, 6, 1)
    assert torch.equal(central_square(picture), picture[:, 1:5])
