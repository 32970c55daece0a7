"""Upscale Image, against a real server."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
from nodes.headless.sandbox.fault import Fault
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


def sent(sandbox: Sandbox) -> Image.Image:
    """The picture of the newest request."""
    return Image.open(io.BytesIO(sandbox.requests[-1].files["image"][0])).convert("RGB")


def answering(sandbox: Sandbox, change: Callable[[Image.Image], list[Image.Image]]) -> None:
    """The next answer is what ``change`` makes of the picture that was sent: an animation, where it is several."""

    def spoil(files: list[bytes]) -> list[bytes]:
        first, *more = change(sent(sandbox))
        file = io.BytesIO()
        first.save(file, "PNG", save_all=bool(more), append_images=more)
        return [file.getvalue() for _ in files]

    sandbox.fail_next(Fault("spoilt", "another picture", spoil_files=spoil))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda picture: [Image.new("RGB", (240, 160))], "does not resemble"),
        (lambda picture: [picture.transpose(Image.Transpose.ROTATE_180).resize((240, 160))], "does not resemble"),
        (lambda picture: [picture.resize((240, 160)).crop((40, 0, 200, 160))], "seems to be cropped"),
        (lambda picture: [picture.resize((240, 160)).point(lambda level: round(level * 0.9))], ""),
    ],
)
def test_an_answer_that_does_not_show_the_picture_is_told(
    nodes: Nodes, sandbox: Sandbox, change: Callable[[Image.Image], list[Image.Image]], told: str
) -> None:
    answering(sandbox, change)
    notes = nodes("LumenfallUpscale", image=scene(80, 120), scale_factor=2.0).report["notes"]
    assert [note for note in notes if "resemble" in note or "seems" in note or "factors" in note] == [
        note for note in notes if told and told in note
    ]
    assert not told or any(told in note for note in notes)


def test_of_an_animation_the_first_frame_is_the_picture(nodes: Nodes, sandbox: Sandbox) -> None:
    answering(sandbox, lambda picture: [picture.resize((240, 160)), picture.rotate(9).resize((240, 160))])
    made = nodes("LumenfallUpscale", image=scene(80, 120), scale_factor=2.0)
    assert made.images.shape == (1, 160, 240, 3) and any("2 frames" in note for note in made.report["notes"])
