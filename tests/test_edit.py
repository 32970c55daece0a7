"""Edit Image, against a real server."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
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
