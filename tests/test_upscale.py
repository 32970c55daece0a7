"""Upscale Image, against a real server."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
from tests.conftest import Nodes
from tests.contract.test_nodes import options
from tests.test_inpaint import scene


@pytest.mark.parametrize(("factor", "written"), [(2.0, "2"), (1.5, "1.5"), (4, "4")])
def test_the_factor_is_always_sent_and_nothing_that_upscalers_do_not_know(
    nodes: Nodes, sandbox: Sandbox, factor: float, written: str
) -> None:
    made = nodes(
        "LumenfallUpscale",
        image=scene(40, 60),
        scale_factor=factor,
        options=options(resolution="2K", model="real-esrgan"),
    )
    (request,) = [one for one in sandbox.requests if one.endpoint == "images/edits"]
    assert request.fields["scale_factor"] == written
    assert not {"prompt", "size", "n", "resolution", "mask"} & {*request.fields, *request.files}
    assert made.images.shape == (1, round(40 * factor), round(60 * factor), 3)
    assert not made.mask.any() and any("resolution was not sent" in note for note in made.report["notes"])


def test_transparency_is_enlarged_with_the_picture_and_never_multiplied(nodes: Nodes, sandbox: Sandbox) -> None:
    image = torch.cat([scene(40, 60), torch.zeros(1, 40, 60, 1)], dim=-1)
    image[:, :, 30:, 3] = 1
    made = nodes("LumenfallUpscale", image=image, scale_factor=2.0)
    assert made.images.shape == (1, 80, 120, 4)
    assert (made.images[..., :50, 3] == 0).all() and (made.images[..., 70:, 3] == 1).all()
    assert torch.equal(made.mask, 1 - made.images[..., 3])
    (request,) = [one for one in sandbox.requests if one.endpoint == "images/edits"]
    assert Image.open(io.BytesIO(request.files["image"][0])).mode == "RGB", "colour under transparency is kept"


def test_the_mask_of_load_image_is_transparency(nodes: Nodes) -> None:
    clear = torch.zeros(1, 40, 60)
    clear[:, :20] = 1
    made = nodes("LumenfallUpscale", image=scene(40, 60), scale_factor=2.0, mask=clear)
    assert made.images.shape == (1, 80, 120, 3) and (made.mask[:, :36] == 1).all() and (made.mask[:, 44:] == 0).all()
    opaque = nodes("LumenfallUpscale", image=scene(40, 60), scale_factor=2.0, mask=torch.zeros(1, 64, 64))
    assert not opaque.mask.any()


def test_a_picture_that_could_not_be_read_back_is_not_ordered(nodes: Nodes, sandbox: Sandbox) -> None:
    with pytest.raises(errors.InputError, match="decoded") as caught:
        nodes("LumenfallUpscale", image=torch.zeros(1, 3000, 3000, 3), scale_factor=8.0)
    assert "at most 3.86" in caught.value.hint and sandbox.requests == []
