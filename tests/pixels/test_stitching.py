"""What comes out of laying an answer into its picture: kept pixels, an edit in its place, and no visible seam."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from nodes.headless.sandbox import FAULTS
from nodes.pixels import composite, decode, encode, resize, stitch
from nodes.pixels.stitching import match_colour
from tests.pixels.test_registration import texture

SEAM = 1.5 / 255
"""The step that may remain at the mask's border, on average. A level of 8 bits is 1/255."""


def drifted(picture: torch.Tensor, name: str) -> torch.Tensor:
    spoil = FAULTS[name].spoil_files
    assert spoil is not None
    return decode(spoil([encode(picture)])[0])[0]


@pytest.mark.parametrize("name", ["shifted", "brightened", "reduced", "drifted"])
def test_the_seam_is_hardly_there_and_a_plain_paste_shows(name: str) -> None:
    """The model gives the picture back as it was, but for its drift: whatever differs then is damage."""
    picture = texture(240, 320, 5) * 0.8 + 0.1
    mask = torch.zeros(240, 320)
    mask[80:160, 100:200] = 1
    answer = drifted(picture, name)
    inside = ndimage.distance_transform_edt(mask.numpy())
    border = torch.from_numpy((inside > 0) & (inside <= 2))
    stitched = stitch(picture, answer, mask)
    seam = float((stitched.image - picture)[border].abs().mean())
    plain = composite(picture[None], resize(answer[None], 240, 320), mask[None])[0]
    assert seam < SEAM
    if name != "reduced":
        assert seam < float((plain - picture)[border].abs().mean()) / 4
    assert torch.equal(stitched.image[mask == 0], picture[mask == 0])


@pytest.mark.parametrize(("size", "framing"), [((240, 240), "cropped"), ((240, 320), ""), ((240, 400), "extended")])
def test_other_proportions_are_read_by_what_they_show(size: tuple[int, int], framing: str) -> None:
    picture, width = texture(240, 320, 6), size[1]
    left = (width - 320) // 2
    answer = picture[:, -left : -left + width] if left < 0 else resize(picture[None], 240, 320)[0]
    if left > 0:
        answer = torch.cat([picture[:, :1].expand(-1, left, -1), picture, picture[:, -1:].expand(-1, left, -1)], dim=1)
    mask = torch.zeros(240, 320)
    mask[100:140, 140:180] = 1
    stitched = stitch(picture, answer, mask)
    assert stitched.framing == framing
    assert float((stitched.image - picture).abs().max()) < 0.02


def test_what_a_cropped_answer_does_not_show_is_not_changed() -> None:
    picture = texture(240, 320, 7)
    mask = torch.zeros(240, 320)
    mask[100:140, 10:180] = 1
    stitched = stitch(picture, picture[:, 40:280] * 0.5, mask)
    assert stitched.framing == "cropped" and (stitched.weight[:, :40] == 0).all()
    assert torch.equal(stitched.image[:, :40], picture[:, :40])


def test_colour_is_brought_back_but_never_alpha() -> None:
    picture = texture(64, 64, 8)
    answer = torch.cat([picture * 0.7 + 0.1, torch.full((64, 64, 1), 0.5)], dim=-1)
    matched, done = match_colour(answer, picture, torch.ones(64, 64, dtype=torch.bool))
    assert done and float((matched[..., :3] - picture).abs().max()) < 0.01 and (matched[..., 3] == 0.5).all()


def test_a_ring_too_small_is_not_measured() -> None:
    trusted = torch.zeros(64, 64, dtype=torch.bool)
    trusted[0] = True
    answer = torch.rand(64, 64, 3)
    matched, done = match_colour(answer, texture(64, 64, 9), trusted)
    assert not done and matched is answer
