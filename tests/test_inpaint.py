"""Inpainting keeps its promise, whatever the model does to the frame: it moves it, changes its light and its size."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
from nodes.headless.sandbox.fault import Fault
from nodes.host import Interrupted, use
from nodes.pixels import resize
from tests.conftest import Nodes, Outcome

DRIFTS = ("shifted", "brightened", "reduced", "drifted")


def scene(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A picture with detail at several scales, as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(1, height, width, 3)
    for size in (6, 20, 60):
        noise = torch.rand(1, max(2, height // size), max(2, width // size), 3, generator=generator)
        picture += resize(noise, height, width) / 3
    return picture


def square(height: int, width: int, top: int, left: int, side: int) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, top : top + side, left : left + side] = 1
    return mask


def outside(made: Outcome, image: torch.Tensor) -> float:
    """The greatest difference where the returned mask is 0."""
    kept = (made.mask == 0)[..., None].expand_as(image)
    return float((made.images - image)[kept].abs().max()) if kept.any() else 0.0


def sent_pictures(sandbox: Sandbox, field: str = "image") -> list[Image.Image]:
    requests = [request for request in sandbox.requests if request.endpoint == "images/edits"]
    return [Image.open(io.BytesIO(request.files[field][0])) for request in requests]


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("region", ["whole picture", "zoom to mask", "zoom per island"])
def test_whatever_the_model_does_nothing_moves_outside_the_mask(
    nodes: Nodes, sandbox: Sandbox, region: str, drift: str
) -> None:
    image, mask = scene(300, 420), square(300, 420, 100, 200, 60)
    sandbox.fail_next(drift)
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", region=region, grow=6, feather=8)
    assert outside(made, image) == 0.0 == made.report["inpainted"][0]["difference_outside"]
    assert torch.equal(made.mask > 0, made.mask > 0) and (made.mask[mask == 1] > 0).all()
    rows, columns = (made.mask[0] > 0).nonzero(as_tuple=True)
    assert abs(float(rows.float().mean()) - 129.5) < 1 and abs(float(columns.float().mean()) - 229.5) < 1
    changed = ((made.images - image).abs().amax(dim=-1)[0] > 0.02).nonzero().float().mean(dim=0)
    assert (changed - torch.tensor([129.5, 229.5])).abs().max() < 3, "the edit lands where the mask is"


def test_a_shift_is_found_undone_and_reported(nodes: Nodes, sandbox: Sandbox) -> None:
    image = scene(300, 420)
    sandbox.fail_next("shifted")
    made = nodes("LumenfallInpaint", image=image, mask=square(300, 420, 100, 200, 60), prompt="a hat")
    (part,) = made.report["inpainted"][0]["parts"]
    assert part["shift"] == pytest.approx([2.5, -1.5], abs=0.15) and part["scale"] == pytest.approx(1, abs=0.002)
    assert any("px right" in note for note in made.report["notes"])


def test_the_models_light_is_taken_back(nodes: Nodes, sandbox: Sandbox) -> None:
    """Kept in the mask by a prompt-driven model that only brightens: the colours of the ring come back."""
    image, mask = scene(300, 420), square(300, 420, 100, 200, 60)
    corner = (slice(None), slice(None, 60), slice(None, 60))
    sandbox.fail_next("brightened", "brightened")
    plain = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", keep_unmasked=False)
    drift = float((plain.images - image)[corner].mean().abs())
    on = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", seed=1)
    off = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", seed=1, match_colour="off")
    assert drift > 0.02
    assert on.report["inpainted"][0]["parts"][0]["colour_matched"] is True
    assert off.report["inpainted"][0]["parts"][0]["colour_matched"] is False
    assert not torch.equal(on.images, off.images)


def test_zooming_sends_the_mask_large_and_at_a_size_that_the_model_serves(nodes: Nodes, sandbox: Sandbox) -> None:
    image, mask = scene(700, 900), square(700, 900, 300, 400, 50)
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", region="zoom to mask", context=0.5)
    (picture,) = sent_pictures(sandbox)
    (hole,) = sent_pictures(sandbox, "mask")
    assert picture.size == hole.size == (1024, 1024) and made.images.shape == image.shape
    assert any(one.fields.get("size") == "1024x1024" for one in sandbox.requests if one.endpoint == "images/edits")
    (part,) = made.report["inpainted"][0]["parts"]
    left, _, width, height = part["crop"]
    assert left <= 400 - 32 and left + width >= 450 + 32 and width < 200
    cover = hole.getchannel("A").histogram()[0] / 1024**2
    assert cover == pytest.approx(50 * 50 / (width * height), rel=0.05)


def test_each_island_is_a_request_of_its_own_and_together_they_are_one_picture(nodes: Nodes, sandbox: Sandbox) -> None:
    image = scene(300, 420)
    mask = square(300, 420, 20, 20, 40) + square(300, 420, 200, 300, 50)
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", region="zoom per island", n=2)
    assert len(sent_pictures(sandbox)) == 2 and made.images.shape[0] == 2
    assert made.report["cost"] == pytest.approx(float(sandbox.billed))
    for take in made.images:
        for top, left, side in ((20, 20, 40), (200, 300, 50)):
            part = (slice(top, top + side), slice(left, left + side))
            assert not torch.equal(take[part], image[0][part])
    assert outside(made, image.expand_as(made.images)) == 0.0


def test_inverting_growing_and_filling_change_what_they_say(nodes: Nodes) -> None:
    image = scene(96, 128)
    mask = square(96, 128, 30, 40, 30)
    mask[:, 40:50, 50:60] = 0
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", fill_holes=True, grow=4, feather=0)
    assert made.mask[0, 45, 55] == 1 and made.mask[0, 26, 50] == 1 and made.mask[0, 25, 50] == 0
    other = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", invert=True, feather=0)
    assert torch.equal(other.mask, 1 - mask)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"mask": torch.zeros(1, 64, 64), "invert": True}, "EMPTY_MASK"),
        ({"mask": torch.ones(1, 96, 128), "invert": True}, "EMPTY_MASK"),
        ({"mask": torch.ones(1, 64, 64)}, "MASK_SHAPE"),
        ({"image": torch.zeros(2, 96, 128, 3), "mask": torch.ones(3, 96, 128)}, "MASK_BATCH"),
    ],
)
def test_a_mask_that_cannot_be_meant_costs_nothing(
    nodes: Nodes, sandbox: Sandbox, inputs: dict[str, Any], code: str
) -> None:
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallInpaint", **{"image": scene(96, 128), "prompt": "a hat", **inputs})
    assert caught.value.code == code and caught.value.hint and sandbox.requests == []


def test_one_picture_with_several_masks_is_a_picture_for_each(nodes: Nodes, sandbox: Sandbox) -> None:
    image = scene(96, 128)
    masks = torch.cat([square(96, 128, 10, left, 20) for left in (10, 50, 90)])
    made = nodes("LumenfallInpaint", image=image, mask=masks[..., None], prompt="a hat")
    assert len(sent_pictures(sandbox)) == 3 and torch.equal(made.mask > 0, masks > 0)
    assert outside(made, image.expand_as(made.images)) == 0.0


def test_what_a_soft_mask_blends_is_asked_for_and_a_hard_one_is_sent_as_ever(nodes: Nodes, sandbox: Sandbox) -> None:
    image, hard = scene(96, 128), square(96, 128, 20, 30, 50)
    soft = torch.nn.functional.avg_pool2d(hard, 17, 1, 8)
    for mask in (soft, hard, hard.clamp(min=1 / 255)):
        made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat")
        assert outside(made, image) == 0.0
    holes = [torch.from_numpy(np.array(hole.getchannel("A"))) == 0 for hole in sent_pictures(sandbox, "mask")]
    assert torch.equal(holes[0], soft[0] > 1 / 32) and len(holes) == 2, "a floor is no other request"
    assert torch.equal(holes[1], hard[0] == 1)


def test_the_frames_of_an_animation_are_no_takes(nodes: Nodes, sandbox: Sandbox) -> None:
    def moving(files: list[bytes]) -> list[bytes]:
        picture, file = Image.open(io.BytesIO(files[0])).convert("RGB"), io.BytesIO()
        picture.save(file, "WEBP", save_all=True, append_images=[picture.rotate(90)], lossless=True)
        return [file.getvalue()]

    sandbox.fail_next(Fault("moving", "an animation", spoil_files=moving))
    made = nodes("LumenfallInpaint", image=scene(96, 128), mask=square(96, 128, 20, 30, 50), prompt="a hat")
    assert made.images.shape[0] == 1 and any("animation of 2" in note for note in made.report["notes"])


def test_more_islands_than_anyone_means_are_refused_before_they_cost(nodes: Nodes, sandbox: Sandbox) -> None:
    mask = torch.zeros(1, 200, 200)
    for row in range(5):
        for column in range(5):
            mask[:, 10 + row * 38 : 20 + row * 38, 10 + column * 38 : 20 + column * 38] = 1
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallInpaint", image=scene(200, 200), mask=mask, prompt="a hat", region="zoom per island")
    assert caught.value.code == "TOO_MANY_ISLANDS" and float(sandbox.billed) == 0


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from(["whole picture", "zoom to mask"]),
    st.sampled_from(DRIFTS),
    st.integers(0, 2**31),
)
@example(139, 47, torch.float32, 1, 1, 0, "whole picture", "shifted", 99781).via("read as a crop that shows none of it")
def test_any_picture_and_any_mask_keep_every_bit_outside(
    nodes: Nodes,
    sandbox: Sandbox,
    height: int,
    width: int,
    dtype: torch.dtype,
    channels: int,
    grow: int,
    feather: int,
    region: str,
    drift: str,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Not contiguous, and with values that no picture has.
    image = (torch.rand(1, width, height, channels, generator=generator) * 1.6 - 0.3).to(dtype).transpose(1, 2)
    mask = torch.zeros(1, height, width)
    top, left = seed % height, seed % width
    mask[:, top : top + max(1, height // 3), left : left + max(1, width // 3)] = 1
    sandbox.fail_next(drift)
    made = nodes(
        "LumenfallInpaint",
        **{"image": image, "mask": mask, "prompt": "a hat", "seed": seed},
        **{
            "region": region,
            "grow": grow,
            "feather": feather,
            "size": "64x48" if region == "whole picture" else "auto",
        },
    )
    given = image.float().expand(1, height, width, max(3, channels))
    assert made.images.shape == given.shape and made.images.dtype == torch.float32
    kept = made.mask == 0
    assert torch.equal(made.images[kept], given[kept])
    assert (made.mask > 0).any()


def test_a_sibling_that_fails_while_answers_are_put_in_place_ends_the_node_as_the_host_wants(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CancelledError that leaves a node ends ComfyUI's only worker."""
    busy, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        busy.set()
        go_on.wait(10)

    async def cancelled() -> None:
        task = asyncio.create_task(
            nodes.start("LumenfallInpaint", image=scene(96, 128), mask=square(96, 128, 20, 30, 40), prompt="a hat")
        )
        await asyncio.to_thread(busy.wait, 10)
        task.cancel()
        go_on.set()
        with pytest.raises(Interrupted):
            await task

    monkeypatch.setattr("nodes.inpaint.assemble", slow)
    with use(nodes.host):
        asyncio.run(cancelled())
