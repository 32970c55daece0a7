"""Edit Image, against a real server."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.pixels import decode, encode
from tests.conftest import Nodes
from tests.test_inpaint import scene, square


def test_pictures_of_all_sockets_go_out_in_one_request_in_their_order(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes(
        "LumenfallEdit",
        image=torch.full((2, 96, 128, 3), 0.2),
        image_10=torch.full((1, 20, 30, 3), 0.8),
        image_2=torch.full((1, 50, 40, 4), 0.6),
        prompt="put the second on the first",
        n=2,
    )
    (request,) = [one for one in sandbox.requests if one.endpoint == "images/edits"]
    pictures = [Image.open(io.BytesIO(data)) for name in request.files for data in request.files[name]]
    assert [picture.size for picture in pictures] == [(128, 96), (128, 96), (40, 50), (30, 20)]
    assert pictures[2].mode == "RGBA" and "mask" not in request.files
    assert made.images.shape[0] == 2 and made.report["cost"] == pytest.approx(float(sandbox.billed))


def test_with_a_mask_the_first_picture_stays_as_it_is_outside(nodes: Nodes, sandbox: Sandbox) -> None:
    image, mask = scene(96, 128), square(96, 128, 20, 30, 40)
    sandbox.fail_next("drifted")
    made = nodes("LumenfallEdit", image=image, image_2=scene(64, 64, 1), mask=mask, prompt="a hat")
    assert torch.equal(made.images[mask == 0], image[mask == 0]) and torch.equal(made.mask > 0, mask > 0)
    assert made.mask[0, 40, 50] == 1 and 0 < made.mask[0, 20, 30] < 1, "it is blended in"
    assert not torch.equal(made.images[mask == 1], image[mask == 1])


@pytest.mark.parametrize(("count", "model"), [(17, "gpt-image-2"), (2, "flux.1-kontext-pro"), (11, "gpt-image-2")])
def test_too_many_pictures_for_the_model_cost_nothing(nodes: Nodes, sandbox: Sandbox, count: int, model: str) -> None:
    with pytest.raises(errors.InputError, match=f"{count} pictures") as caught:
        nodes("LumenfallEdit", image=torch.rand(count, 16, 16, 3), prompt="a hat", model=model)
    assert caught.value.code == "TOO_MANY_IMAGES" and float(sandbox.billed) == 0


# Markup

WITH_MARKUP = "gpt-image-2.6-flare"


@pytest.fixture
def gateway(sandbox: Sandbox) -> Nodes:
    """With another server than Lumenfall's."""
    return Nodes(Headless({"LUMENFALL_BASE_URL": sandbox.gateway_url}))


def files_of(sandbox: Sandbox) -> dict[str, bytes]:
    """The first file of each name in the newest order."""
    newest = [request for request in sandbox.requests if request.endpoint == "images/edits"][-1]
    return {name: data[0] for name, data in newest.files.items()}


def opened(sandbox: Sandbox) -> dict[str, Image.Image]:
    return {name: Image.open(io.BytesIO(data)) for name, data in files_of(sandbox).items()}


@pytest.mark.parametrize("kind", ["MASK", "IMAGE"])
def test_markup_goes_to_a_model_that_takes_it_beside_the_picture(gateway: Nodes, sandbox: Sandbox, kind: str) -> None:
    image, mask = scene(96, 128), square(96, 128, 20, 30, 40)
    blue = torch.cat([torch.tensor([0.0, 0.0, 1.0]).expand(1, 96, 128, 3), mask[..., None]], dim=-1)
    wired = mask if kind == "MASK" else blue
    gateway("LumenfallEdit", image=image, markup=wired, prompt="as drawn", model=WITH_MARKUP)
    files = opened(sandbox)
    assert files.keys() == {"image", "markup"} and files["markup"].size == (128, 96)
    assert files["markup"].getpixel((50, 40)) == ((255, 0, 0, 255) if kind == "MASK" else (0, 0, 255, 255))
    assert files["markup"].getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert files_of(sandbox)["image"] == encode(image[0])


def test_with_a_mask_beside_it_the_rest_stays_bit_identical(gateway: Nodes, sandbox: Sandbox) -> None:
    image, mask, lines = scene(96, 128), square(96, 128, 20, 30, 40), square(96, 128, 30, 40, 5)
    for model, files, drawn in ((WITH_MARKUP, {"image", "markup"}, False), ("gpt-image-2", {"image", "mask"}, True)):
        made = gateway(
            "LumenfallEdit", image=image, mask=mask, markup=lines, prompt="a", model=model, draw_markup=drawn
        )
        assert opened(sandbox).keys() == files
        assert torch.equal(made.images[mask == 0], image[mask == 0]) and torch.equal(made.mask > 0, mask > 0)
        assert any("mask was not sent" in note for note in made.report["notes"]) is not drawn
        assert any("drawn into the first picture" in note for note in made.report["notes"]) is drawn


def test_a_model_without_markup_gets_it_drawn_in_by_consent_only(nodes: Nodes, sandbox: Sandbox) -> None:
    image, lines = scene(96, 128), square(96, 128, 20, 30, 40)
    with pytest.raises(errors.InputError, match="takes no markup") as caught:
        nodes("LumenfallEdit", image=image, markup=lines, prompt="as drawn")
    assert caught.value.code == "NO_MARKUP" and "draw_markup" in caught.value.hint and not sandbox.bill
    nodes("LumenfallEdit", image=image, markup=lines, prompt="as drawn", draw_markup=True)
    (sent,) = files_of(sandbox).values()
    assert opened(sandbox)["image"].getpixel((50, 40)) == (255, 0, 0)
    kept = lines[0] == 0
    assert torch.equal(decode(sent)[0][kept], decode(encode(image[0]))[0][kept])


def test_markup_makes_another_picture_and_none_the_same_as_before(nodes: Nodes, sandbox: Sandbox) -> None:
    inputs = {"image": scene(96, 128), "prompt": "a hat\r\nof straw", "draw_markup": True}
    nodes("LumenfallEdit", **inputs)
    lines = square(96, 128, 20, 30, 40)
    assert not nodes("LumenfallEdit", **inputs, markup=lines).report["replayed"]
    assert nodes("LumenfallEdit", **inputs, markup=lines).report["replayed"]
    assert not nodes("LumenfallEdit", **inputs, markup=lines.flip(1)).report["replayed"]
    assert nodes("LumenfallEdit", **{**inputs, "draw_markup": False}).report["replayed"]


@pytest.mark.parametrize(
    ("markup", "told"),
    [
        (torch.zeros(1, 64, 64), "no strokes"),
        (torch.ones(1, 96, 128, 3), "no transparency"),
        (torch.ones(2, 96, 128), "2 pictures of strokes"),
        (torch.ones(1, 128, 96), "markup is 96x128"),
    ],
)
def test_what_is_no_markup_costs_nothing(nodes: Nodes, sandbox: Sandbox, markup: torch.Tensor, told: str) -> None:
    with pytest.raises(errors.InputError, match=told):
        nodes("LumenfallEdit", image=scene(96, 128), markup=markup, prompt="a", draw_markup=True)
    assert not sandbox.requests
