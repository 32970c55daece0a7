"""What comes out of laying an answer into its picture: kept pixels, an edit in its place, and no visible seam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data
from torch.nn.functional import avg_pool2d

from nodes.headless.sandbox import FAULTS
from nodes.pixels import AUTO, composite, decode, encode, fit_mask, plan_crop, resize, stitch
from nodes.pixels.colours import Light
from nodes.pixels.parts import Part, assemble, write
from nodes.pixels.sampling import Sampler
from nodes.pixels.transforms import Transform
from tests.pixels.test_registration import PLAIN, drift, texture

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


@pytest.mark.parametrize("right", [0.5, 0.8, 1.0])
def test_a_crop_from_anywhere_is_put_where_it_was(right: float) -> None:
    picture = texture(240, 320, 7)
    mask = torch.zeros(240, 320)
    mask[90:150, 150:210] = 1
    left = round((320 - 260) * (1 - right))
    stitched = stitch(picture, picture[:, left : left + 260], mask)
    assert stitched.framing == "cropped" and float((stitched.image - picture).abs().max()) < 0.02


def test_a_mask_that_an_answer_shows_whole_is_in_its_place_whatever_the_answer_lacks_elsewhere() -> None:
    scene = texture(320, 400, 11)
    picture, back = scene[40:280, 40:360], np.linalg.inv(drift(6, 4, 1.06, 1.06, 0.0, 240, 320).matrix)
    back[:2, 2] += 40.0
    mask = torch.zeros(240, 320)
    mask[40:200, 200:300] = 1
    stitched = stitch(picture, Sampler(scene, Transform(back), 320, 240).box(0, 0, 320, 240), mask)
    assert not stitched.is_cut and float((stitched.image - picture).abs().max()) < 0.02


def test_an_answer_that_resembles_nothing_is_pasted_as_it_came_and_told() -> None:
    mask = torch.zeros(240, 320)
    mask[90:150, 150:210] = 1
    other = texture(240, 320, 8)
    stitched = stitch(texture(240, 320, 7), other, mask, match=False)
    assert float((stitched.image - other)[mask == 1].abs().max()) < 0.6 / 255
    assert any("does not resemble" in note for note in stitched.describe())


def test_a_turn_beyond_what_is_undone_is_told() -> None:
    scene = texture(320, 400, 12)
    picture, back = scene[40:280, 40:360], np.linalg.inv(drift(0, 0, 1.0, 1.0, 4.5, 240, 320).matrix)
    back[:2, 2] += 40.0
    answer, mask = Sampler(scene, Transform(back), 320, 240).box(0, 0, 320, 240), torch.zeros(240, 320)
    mask[90:150, 150:210] = 1
    stitched = stitch(picture, answer, mask, match=False)
    assert float((stitched.image - answer)[mask == 1].abs().max()) < 0.6 / 255
    assert any("turned by +4.5 degrees" in note for note in stitched.describe())


def test_an_answer_far_too_small_is_told() -> None:
    picture, mask = texture(240, 320, 7), torch.zeros(240, 320)
    mask[90:150, 150:210] = 1
    small, right = (stitch(picture, resize(picture[None], *size)[0], mask) for size in ((60, 80), (240, 320)))
    assert any("too small" in note for note in small.describe()) and right.describe() == []


@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize("zoom", [True, False])
@pytest.mark.parametrize("eight_bits", [True, False])
def test_an_answer_that_is_what_was_sent_leaves_every_bit(match: bool, zoom: bool, eight_bits: bool) -> None:
    picture = texture(240, 320, 9)
    picture = (picture * 255).round() / 255 if eight_bits else picture
    mask = torch.zeros(240, 320)
    mask[90:150, 150:320] = 1
    part = Part(0, mask, plan_crop(mask, 0.5, [(512, 512)]) if zoom else None)
    answer = decode(write(part.cut(picture))[0])[0]
    images, changed, _, notes = assemble(picture[None], [part], {0: [answer]}, AUTO, match)
    assert torch.equal(images[0], picture) and (changed[0, mask == 1] > 0).all() and notes == []


@settings(max_examples=6)
@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(0.97, 1.03), st.integers(0, 1000))
def test_a_border_that_the_answer_does_not_reach_is_not_smeared(dx: float, dy: float, zoom: float, seed: int) -> None:
    # What drifts into the frame was beyond it.
    scene = texture(320, 400, seed) + 0.1 * torch.rand(320, 400, 3, generator=torch.Generator().manual_seed(seed))
    scene = scene.clamp(0, 1)
    picture = scene[40:280, 40:360]
    mask = torch.zeros(240, 320)
    mask[60:180, 220:] = 1
    back = np.linalg.inv(drift(dx, dy, zoom, zoom, 0.0, 240, 320).matrix)
    back[:2, 2] += 40.0
    answer = Sampler(scene, Transform(back), 320, 240).box(0, 0, 320, 240)
    stitched = stitch(picture, answer, mask)
    steps = [(each[90:150, 1:] - each[90:150, :-1]).abs().mean(dim=(0, 2)) for each in (stitched.image, answer)]
    assert float(steps[0][-16:].mean() / steps[1][-48:].mean()) > 0.75


CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "nothing": lambda picture: picture,
    "brightness": lambda picture: picture * 0.8 + 0.1,
    "gamma": lambda picture: picture**1.2,
    "white balance": lambda picture: picture * torch.tensor([1.05, 1.0, 0.9]),
    "saturation": lambda picture: picture.mean(dim=-1, keepdim=True).lerp(picture, 1.4),
    "gradient": lambda picture: picture + torch.linspace(-0.06, 0.06, picture.shape[1])[None, :, None],
    "patches": lambda picture: picture + 0.1 * (texture(*picture.shape[:2], 99) - 0.5),
}


@settings(max_examples=7)
@given(st.sampled_from(list(CHANGES)), st.integers(0, 1000), st.integers(20, 160), st.integers(20, 200))
def test_matching_colours_never_makes_it_worse(change: str, seed: int, top: int, left: int) -> None:
    picture = texture(240, 320, seed) * 0.8 + 0.1
    answer = (CHANGES[change](picture).clamp(0, 1) * 255).round() / 255
    mask = torch.zeros(240, 320)
    mask[top : top + 60, left : left + 80] = 1
    on, off = (
        float((stitch(picture, answer, mask, match).image - picture)[mask == 1].abs().mean()) for match in (True, False)
    )
    assert on <= off + 0.5 / 255
    if change != "patches":
        assert on < 1.5 / 255


@pytest.mark.parametrize("lost", [0.3, 0.6])
@pytest.mark.parametrize("radius", [0.2, 0.35])
def test_a_vignette_does_not_brighten_the_middle(radius: float, lost: float) -> None:
    """Around the mask the answer is darker than in it, so that the ring alone would promise too much light."""
    picture = torch.from_numpy(data.coffee()).float() / 255
    y, x = (torch.linspace(-1, 1, side) for side in picture.shape[:2])
    away = y[:, None] ** 2 + x[None, :] ** 2
    answer = (picture * (1 - lost * away / 2)[..., None] * 255).round() / 255
    mask = (away.sqrt() < 2 * radius).float()
    on, off = (
        float((stitch(picture, answer, mask, match).image - picture)[mask > 0].abs().mean()) for match in (True, False)
    )
    assert on * 255 < 1.5
    assert on < off / 2


def test_colour_is_brought_back_but_never_alpha() -> None:
    picture = texture(64, 64, 8)
    answer = torch.cat([picture * 0.7 + 0.1, torch.full((64, 64, 1), 0.5)], dim=-1)
    correction = Light(picture, torch.ones(64, 64, dtype=torch.bool)).correction(answer, PLAIN)
    assert correction is not None
    matched = correction(answer, 0.0, 0.0, 1.0, 1.0)
    assert float((matched[..., :3] - picture).abs().max()) < 0.01 and (matched[..., 3] == 0.5).all()


def test_a_ring_too_small_is_not_measured() -> None:
    trusted = torch.zeros(64, 64, dtype=torch.bool)
    trusted[0] = True
    assert Light(texture(64, 64, 9), trusted).correction(torch.rand(64, 64, 3), PLAIN) is None


@pytest.mark.parametrize("floor", [1 / 255, 1 / 40])
def test_a_mask_that_is_nowhere_quite_zero_is_as_good_as_one_that_is(floor: float) -> None:
    picture, mask = texture(240, 320, 9), torch.zeros(1, 240, 320)
    mask[:, 90:150, 150:210] = 1
    answer = drifted(picture, "drifted")
    made = [
        assemble(picture[None], [Part(0, fit_mask(each, picture[None])[0][0], None)], {0: [answer]}, AUTO, True)[0]
        for each in (mask, mask.clamp(min=floor))
    ]
    assert torch.equal(made[0], made[1]) and torch.equal(made[1][mask == 0], picture[None][mask == 0])


def test_a_cropped_screenshot_is_put_where_it_was_whichever_reading_led_there() -> None:
    """From the stretched reading the right place is as easily found; it is no drift of it that is too large."""
    page = torch.full((600, 800, 3), 0.96)
    page[:40] = torch.tensor([0.13, 0.35, 0.63])
    page[40:, :180] = 0.9
    letters = (torch.rand(600, 800, generator=torch.Generator().manual_seed(0)) < 0.4)[..., None]
    for top in range(57, 590, 22):
        page[top : top + 8, 200:540] *= 1.0 - 0.9 * letters[top : top + 8, 200:540].float()
    page[300:520, 560:760] = 1.0
    page[340:460, 600:720] = torch.tensor([0.86, 0.24, 0.24])
    weight = torch.zeros(600, 800)
    weight[204:276, 444:516] = 1.0
    stitched = stitch(page, resize(page[33:567][None], 1024, 1536)[0], weight)
    assert stitched.framing == "cropped" and stitched.beyond is None
    assert (stitched.image - page).abs()[weight > 0].mean() < 0.05


@pytest.mark.parametrize("blur", [True, False])
def test_another_sharpness_is_not_taken_for_another_contrast(blur: bool) -> None:
    """What is painted evenly keeps its colour, however much of the print around it was lost, or is overdone."""
    ink = (torch.rand(80, 110, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    ink = ink.repeat_interleave(3, 0).repeat_interleave(3, 1)[:240, :320, None]
    page = 0.7 - 0.4 * ink.expand(-1, -1, 3)
    soft = page.movedim(-1, 0)[None]
    for _ in range(3):
        soft = avg_pool2d(soft, 3, 1, 1, count_include_pad=False)
    blurred = soft[0].movedim(0, -1)
    answer = blurred.clone() if blur else page + 0.6 * (page - blurred)
    painted = torch.tensor([0.35, 0.45, 0.25])
    weight = torch.zeros(240, 320)
    weight[80:160, 120:200] = 1.0
    answer[weight > 0] = painted
    off = (stitch(page, answer, weight).image - painted).abs()[weight > 0]
    assert off.mean() * 255 < 6.0


def test_colours_from_beneath_transparency_are_told() -> None:
    picture, weight = texture(60, 80, 0), torch.zeros(60, 80)
    weight[20:40, 30:50] = 1.0
    clear = torch.cat([picture * (1.0 - weight[..., None]), 1.0 - weight[..., None]], dim=-1)
    assert any("transparent" in note for note in stitch(picture, clear, weight).describe())
    opaque = torch.cat([picture, torch.ones(60, 80, 1)], dim=-1)
    assert not stitch(picture, opaque, weight).describe()
    assert not any("transparent" in note for note in stitch(opaque, clear, weight).describe())


def test_what_varies_on_an_even_ground_is_no_contrast() -> None:
    """A brighter side before a plain wall tells of light, not of what darker colours became."""
    wall, weight = torch.full((240, 320, 3), 0.4), torch.zeros(240, 320)
    weight[80:160, 120:200] = 1.0
    painted = torch.where(weight[..., None] > 0, torch.tensor([0.8, 0.3, 0.2]), wall)
    answer = ((painted + torch.linspace(-0.06, 0.06, 320)[None, :, None]) * 255).round() / 255
    off = (stitch(wall, answer, weight).image - painted).abs()[weight > 0]
    assert off.mean() * 255 < 1.0


@pytest.mark.parametrize(("spills", "reach", "radius"), [("paint", 18, 0.42), ("shadow", 9, 0.2)])
def test_what_is_painted_beyond_the_mask_tells_of_no_light(spills: str, reach: int, radius: float) -> None:
    """A model that leaves the rest as it was, and paints a little more than it was asked for."""
    picture = torch.from_numpy(data.coffee()).float() / 255
    height, width = picture.shape[:2]
    away = torch.hypot(torch.arange(height)[:, None] / height - 0.5, (torch.arange(width)[None] / width - 0.5))
    mask = (away < radius).float()
    far = torch.from_numpy(ndimage.distance_transform_edt(mask.numpy() == 0)).float()[..., None]
    painted = torch.where(far <= (reach if spills == "paint" else 0), picture.flip(1) * 0.5 + 0.2, picture)
    answer = painted * (1.0 - 0.4 * torch.exp(-far / reach)) if spills == "shadow" else painted
    answer = (answer * 255).round() / 255
    off = (stitch(picture, answer, mask).image - answer).abs()[mask > 0]
    assert off.mean() * 255 < 0.5
