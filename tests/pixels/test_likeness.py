"""An answer that is handed on as it came: of the same picture, whole, or not."""

from __future__ import annotations

import pytest
import torch

from nodes.pixels import resize
from nodes.pixels.likeness import doubts
from tests.pixels.test_registration import texture


def enlarged(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return resize(picture[None], height, width)[0]


def test_what_shows_the_picture_is_not_doubted() -> None:
    picture = texture(120, 180, 4)
    # Sides that are rounded to multiples of 16 are no crop.
    for answer in (enlarged(picture, 240, 360), enlarged(picture, 240, 368), 0.8 * enlarged(picture, 240, 360) + 0.1):
        assert doubts(picture, answer) == []
    assert doubts(torch.full((120, 180, 3), float("nan")), torch.zeros(240, 360, 3)) == []
    assert doubts(picture[..., :1], enlarged(picture[..., :1], 240, 360)) == []


@pytest.mark.parametrize("answer", [torch.zeros(240, 360, 3), texture(240, 360, 5), texture(120, 180, 4).flip(1)])
def test_another_picture_is_told(answer: torch.Tensor) -> None:
    assert "does not resemble" in doubts(texture(120, 180, 4), answer)[0]


def test_a_part_of_it_is_told() -> None:
    picture = texture(120, 180, 4)
    (note,) = doubts(picture, enlarged(picture, 240, 360)[:, 60:300])
    assert "cropped" in note
