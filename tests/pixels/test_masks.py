"""Masks before and after the call."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from nodes.errors import InputError
from nodes.pixels import composite, encode_mask, fit_mask

sides = st.integers(1, 20)
unit = st.floats(0, 1, width=32)


@st.composite
def pictures_and_mask(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    height, width, channels = draw(sides), draw(sides), draw(st.sampled_from([3, 4]))
    loud = st.floats(-2, 3, width=32)
    original = draw(hnp.arrays(np.float32, (1, height, width, channels), elements=loud))
    result = draw(hnp.arrays(np.float32, (1, height, width, channels), elements=unit))
    mask = draw(hnp.arrays(np.float32, (1, height, width), elements=st.one_of(st.sampled_from([0.0, 1.0]), unit)))
    return torch.from_numpy(original), torch.from_numpy(result), torch.from_numpy(mask)


@given(pictures_and_mask())
def test_outside_the_mask_every_bit_stays(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    original, result, mask = case
    laid = composite(original, result, mask)
    assert torch.equal(laid[mask == 0].view(torch.int32), original[mask == 0].view(torch.int32))
    assert torch.equal(laid[mask == 1], result[mask == 1])


@given(hnp.arrays(np.float32, st.tuples(sides, sides), elements=unit))
def test_both_documented_readings_of_the_mask_file_agree(values: np.ndarray) -> None:
    change = values >= 0.5
    picture = Image.open(io.BytesIO(encode_mask(torch.from_numpy(values))))
    assert picture.mode == "RGBA" and picture.size == values.shape[::-1]
    by_alpha = np.asarray(picture.getchannel("A")) == 0
    by_white = np.asarray(picture.convert("RGB").convert("L")) == 255
    by_black = np.asarray(picture.convert("RGB").convert("L")) == 0
    assert (by_alpha == change).all()
    assert (by_white == change).all()
    assert (by_black == ~change).all()


def images(count: int = 1, height: int = 96, width: int = 128) -> torch.Tensor:
    return torch.zeros(count, height, width, 3)


def test_load_images_empty_mask_is_explained() -> None:
    with pytest.raises(InputError, match=r"64x64.*MaskEditor") as caught:
        fit_mask(torch.zeros(1, 64, 64), images())
    assert caught.value.code == "EMPTY_MASK"


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_mask_that_changes_nothing_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="nothing would change"):
        fit_mask(torch.full((1, 96, 128), value), images())


def test_one_empty_mask_among_several_is_named() -> None:
    masks = torch.stack([torch.ones(96, 128), torch.zeros(96, 128)])
    with pytest.raises(InputError, match="Mask 2 is all zero"):
        fit_mask(masks, images(2))


def test_a_mask_of_another_shape_is_scaled_and_noted() -> None:
    mask = torch.zeros(1, 48, 64)
    mask[:, 12:24, 16:32] = 1
    fitted, notes = fit_mask(mask, images())
    assert fitted.shape == (1, 96, 128)
    assert notes == ["The mask was scaled from 64x48 to the picture's 128x96."]
    assert fitted[0, 36, 48] == 1 and fitted[0, 80, 100] == 0


def test_one_mask_serves_all_pictures() -> None:
    fitted, notes = fit_mask(torch.ones(96, 128), images(3))
    assert fitted.shape == (3, 96, 128) and notes == []


def test_a_wrong_number_of_masks_is_refused() -> None:
    with pytest.raises(InputError, match="2 masks for 3 pictures"):
        fit_mask(torch.ones(2, 96, 128), images(3))


@pytest.mark.parametrize("shape", [(8,), (1, 0, 8)])
def test_what_is_no_mask_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="A MASK must be"):
        fit_mask(torch.zeros(shape), images())


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_as_a_mask_is_named(channels: int) -> None:
    with pytest.raises(InputError, match=f"is a picture, 1 x 8 x 6 x {channels}") as caught:
        fit_mask(torch.ones(1, 8, 6, channels), torch.zeros(1, 8, 6, 3))
    assert caught.value.hint and "Convert Image to Mask" in caught.value.hint


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bool])
def test_masks_of_any_dtype_become_float32_in_0_to_1(dtype: torch.dtype) -> None:
    fitted, _ = fit_mask(torch.ones(1, 96, 128, dtype=dtype) * 1, images())
    assert fitted.dtype == torch.float32 and fitted.max() == 1
