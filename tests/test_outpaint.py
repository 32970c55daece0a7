"""Outpaint Image, against a real server."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
from nodes.headless.sandbox.fault import Fault
from nodes.outpaint import AS_SENT
from tests.conftest import Nodes
from tests.test_inpaint import DRIFTS, scene

borders = st.integers(0, 60)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(16, 150),
    st.integers(16, 150),
    st.tuples(borders, borders, borders, borders).filter(any),
    st.integers(0, 40),
    st.sampled_from(DRIFTS),
)
def test_the_old_picture_keeps_every_bit_beyond_the_feather(
    nodes: Nodes,
    sandbox: Sandbox,
    height: int,
    width: int,
    sides: tuple[int, int, int, int],
    feather: int,
    drift: str,
) -> None:
    left, top, right, bottom = sides
    image = scene(height, width, seed=height * width)
    sandbox.fail_next(drift)
    places = {"left": left, "top": top, "right": right, "bottom": bottom}
    made = nodes("LumenfallOutpaint", image=image, prompt="", feather=feather, size="160x128", **places)
    assert made.images.shape == (1, top + height + bottom, left + width + right, 3)
    old = (slice(None), slice(top, top + height), slice(left, left + width))
    rows = slice(feather if top else 0, max(height - feather, 0) if bottom else height)
    columns = slice(feather if left else 0, max(width - feather, 0) if right else width)
    assert torch.equal(made.images[old][:, rows, columns], image[:, rows, columns])
    assert (made.mask[old][:, rows, columns] == 0).all()
    new = torch.ones_like(made.mask, dtype=torch.bool)
    new[old] = False
    assert (made.mask[new] == 1).all()


@pytest.mark.parametrize(
    ("aspect", "anchor", "size", "corner"),
    [("16:9", "centre", (90, 160), (0, 35)), ("1:2", "top", (180, 90), (0, 0)), ("2:1", "right", (90, 180), (0, 90))],
)
def test_an_aspect_is_grown_to(
    nodes: Nodes, aspect: str, anchor: str, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    image = scene(90, 90)
    made = nodes("LumenfallOutpaint", image=image, prompt="", aspect=aspect, anchor=anchor, feather=0, size="128x128")
    assert made.images.shape[1:3] == size
    top, left = corner
    assert torch.equal(made.images[:, top : top + 90, left : left + 90], image)
    # The sides' defaults are no wish that aspect would overrule.
    assert not any("count" in note for note in made.report["notes"])


@pytest.mark.parametrize(
    "inputs",
    [{"right": 0}, {"aspect": "1:1"}, {"aspect": "64.5:64"}, {"aspect": "wide"}, {"right": 8192, "left": 8192}],
)
def test_nothing_or_too_much_to_add_costs_nothing(nodes: Nodes, sandbox: Sandbox, inputs: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallOutpaint", image=scene(64, 64), prompt="", **inputs)
    assert caught.value.hint and sandbox.requests == []


def sent(sandbox: Sandbox) -> list[tuple[str, Image.Image, Image.Image]]:
    """The size that was asked for, the picture and the mask of each request."""
    requests = [request for request in sandbox.requests if request.endpoint == "images/edits"]
    files = [[Image.open(io.BytesIO(one.files[name][0])) for name in ("image", "mask")] for one in requests]
    return [(one.fields["size"], *pair) for one, pair in zip(requests, files, strict=True)]


@pytest.mark.parametrize(("size", "asked"), [("auto", "1536x1024"), ("1024x1024", "1024x1024")])
def test_a_size_is_asked_for_that_the_model_serves_and_the_rest_is_cut_off(
    nodes: Nodes, sandbox: Sandbox, size: str, asked: str
) -> None:
    image = scene(256, 256)
    made = nodes("LumenfallOutpaint", image=image, prompt="", right=128, size=size, feather=0)
    ((wire, picture, mask),) = sent(sandbox)
    assert wire == asked and f"{picture.width}x{picture.height}" == asked and mask.size == picture.size
    assert made.images.shape[1:3] == (256, 384) and torch.equal(made.images[:, :, :256], image)
    kept = np.array(mask.getchannel("A")) == 255
    assert kept.mean() == pytest.approx(256**2 / (384 * (256 if size == "auto" else 384)), rel=0.03)


def only(share: float) -> Fault:
    """The model gives back less on the right than it got."""

    def spoil(files: list[bytes]) -> list[bytes]:
        picture, file = Image.open(io.BytesIO(files[0])), io.BytesIO()
        picture.crop((0, 0, round(picture.width * share), picture.height)).save(file, "PNG")
        return [file.getvalue()]

    return Fault("cut", "the picture comes without its right", spoil_files=spoil)


def test_what_an_answer_lacks_is_cut_off_and_told(nodes: Nodes, sandbox: Sandbox) -> None:
    image = scene(256, 256)
    sandbox.fail_next(only(0.8))
    made = nodes("LumenfallOutpaint", image=image, prompt="", right=128, feather=8, size="384x256")
    assert 256 < made.images.shape[2] < 330 and made.images.shape[1] == 256 and made.mask.shape == made.images.shape[:3]
    assert torch.equal(made.images[:, :, :248], image[:, :, :248])
    assert any("cut off" in note and "right" in note for note in made.report["notes"])


def test_an_answer_with_nothing_new_is_an_error_and_its_file_is_kept(
    nodes: Nodes, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fail_next(only(2 / 3))
    with pytest.raises(errors.AnswerError) as caught:
        nodes("LumenfallOutpaint", image=scene(256, 256), prompt="", right=128, feather=8, size="384x256")
    assert caught.value.charged is errors.Charged.YES and caught.value.hint
    assert list((tmp_path / "data").rglob("*.png"))


@pytest.mark.parametrize(
    ("painted", "even", "told"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_the_canvas_that_comes_back_is_told(
    nodes: Nodes, sandbox: Sandbox, painted: bool, even: bool, told: bool
) -> None:
    """A repeated border is what was sent; of a white one it may be what was asked for."""
    image = torch.ones(1, 256, 256, 3) if even else scene(256, 256) * 0.9 + 0.1 * torch.rand(1, 256, 256, 1)

    def spoil(files: list[bytes]) -> list[bytes]:
        picture = Image.open(io.BytesIO(sandbox.requests[-1].files["image"][0])).convert("RGB")
        if painted:
            half = picture.width // 3
            picture.paste(picture.crop((0, 0, half, picture.height)).rotate(180), (picture.width - half, 0))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=92)
        return [file.getvalue()]

    sandbox.fail_next(Fault("echo", "what was sent", spoil_files=spoil))
    made = nodes("LumenfallOutpaint", image=image, prompt="", right=128, feather=8, size="384x256")
    assert (AS_SENT in made.report["notes"]) == told
