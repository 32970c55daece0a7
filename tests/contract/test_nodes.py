"""The nodes, against a real server."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes import errors
from nodes.headless.sandbox import Sandbox
from nodes.pixels import encode, encode_mask
from nodes.table import NODE_CLASS_MAPPINGS
from tests.conftest import Nodes


def sent(sandbox: Sandbox) -> list[Any]:
    """The paid requests that reached the server, in order."""
    return [request for request in sandbox.requests if request.endpoint.startswith("images/")]


def options(**inputs: Any) -> Any:
    node = NODE_CLASS_MAPPINGS["LumenfallOptions"]
    declared = node.INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in declared.items()}
    return node().collect(**{**defaults, **inputs})[0]


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def square_mask(height: int = 96, width: int = 128) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, 20:60, 30:80] = 1
    return mask


# Generate Image


def test_generate_makes_pictures_and_says_what_they_cost(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", size="256x192", n=3)
    assert made.images.shape == (3, 192, 256, 3) and made.images.dtype == torch.float32
    assert made.mask.shape == (3, 192, 256) and not made.mask.any()
    assert not torch.equal(made.images[0], made.images[1])
    report = made.report
    assert report["cost"] == pytest.approx(float(sandbox.billed)) and report["currency"] == "USD"
    assert report["request_id"] == sandbox.bill[0].request_id
    assert (report["count"], report["size"], report["sizes"]) == (3, "256x192", ["256x192"] * 3)
    assert report["provider"] and report["executed_model"] and report["seconds"] >= 0


def test_only_what_was_changed_is_sent(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes("LumenfallGenerate", prompt=" a cat ")
    model = NODE_CLASS_MAPPINGS["LumenfallGenerate"].INPUT_TYPES()["required"]["model"][1]["default"]
    assert sent(sandbox)[0].fields == {"model": model, "prompt": "a cat", "response_format": "url"}


def test_wired_width_and_height_win_over_size(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", size="1:1", width=160, height=128)
    assert sent(sandbox)[0].fields["size"] == "160x128"
    assert made.images.shape[1:3] == (128, 160)


def test_one_of_width_and_height_alone_is_refused(nodes: Nodes, sandbox: Sandbox) -> None:
    with pytest.raises(errors.InputError, match="Only one"):
        nodes("LumenfallGenerate", prompt="a cat", width=160)
    assert sandbox.requests == []


@pytest.mark.parametrize("slug", ["replicate/dall-e-2", "fal/flux.2-pro", "flux-2-pro"])
def test_any_slug_the_server_knows_works(nodes: Nodes, sandbox: Sandbox, slug: str) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", model="ignored", size="256x256", options=options(model=slug))
    assert sent(sandbox)[0].fields["model"] == slug
    assert made.report["model"] == slug


def test_the_seed_is_sent_to_models_that_take_one(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes("LumenfallGenerate", prompt="a cat", model="flux.2-klein-4b", size="256x256", seed=42)
    nodes("LumenfallGenerate", prompt="a cat", model="gpt-image-2", size="256x256", seed=42)
    assert [request.fields.get("seed") for request in sent(sandbox)] == [42, None]


@pytest.mark.parametrize("quality", ["xhigh", "max"])
def test_the_highest_qualities_can_be_chosen(nodes: Nodes, sandbox: Sandbox, quality: str) -> None:
    (menu, _) = NODE_CLASS_MAPPINGS["LumenfallOptions"].INPUT_TYPES()["required"]["quality"]
    assert menu[:6] == ["auto", "low", "medium", "high", "standard", "hd"] and quality in menu
    chosen = options(quality=quality, extra='{"complexity": "low"}')
    nodes("LumenfallGenerate", prompt="a cat", model="gpt-image-2.6-flare", size="64x64", options=chosen)
    assert sent(sandbox)[0].fields["quality"] == quality and sent(sandbox)[0].fields["complexity"] == "low"


def test_all_options_reach_the_wire(nodes: Nodes, sandbox: Sandbox) -> None:
    chosen = {
        "aspect_ratio": "16:9",
        "resolution": "0.5K",
        "quality": "low",
        "output_format": "webp",
        "output_compression": 0,
        "response_format": "b64_json",
        "negative_prompt": "rain",
    }
    nodes("LumenfallGenerate", prompt="a cat", options=options(extra='{"cfg_scale": 4.5}', **chosen))
    fields = sent(sandbox)[0].fields
    assert {name: fields[name] for name in chosen} == chosen and fields["cfg_scale"] == 4.5


@pytest.mark.parametrize("output_format", ["png", "jpeg", "gif", "webp", "avif"])
@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_every_format_arrives(nodes: Nodes, output_format: str, response_format: str) -> None:
    chosen = options(output_format=output_format, response_format=response_format)
    made = nodes("LumenfallGenerate", prompt="a cat", size="128x96", options=chosen)
    assert made.images.shape == (1, 96, 128, 3)
    ending = {"jpeg": ".jpg"}.get(output_format, f".{output_format}")
    assert made.report["requests"][0]["originals"][0].endswith(ending)


def test_a_transparent_background_gives_four_channels_and_a_mask(nodes: Nodes) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", size="128x96", options=options(background="transparent"))
    assert made.images.shape == (1, 96, 128, 4)
    assert made.mask.any() and torch.equal(made.mask, 1 - made.images[..., 3])


def test_pictures_of_differing_sizes_become_one_batch(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("mixed-sizes")
    made = nodes("LumenfallGenerate", prompt="a cat", size="128x96", n=3)
    assert made.images.shape == (3, 96, 128, 3)
    assert made.report["sizes"] == ["128x96", "64x48", "128x96"]
    assert any("Picture 2 came as 64x48" in note for note in made.report["notes"])
    original = nodes.host.data_dir() / made.report["requests"][0]["originals"][1]
    assert size_of(original.read_bytes()) == (64, 48)


def test_fewer_pictures_than_asked_are_still_handed_on(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("fewer-pictures")
    made = nodes("LumenfallGenerate", prompt="a cat", size="128x96", n=3)
    assert made.images.shape[0] == 2
    assert "3 pictures were asked for, 2 came." in made.report["notes"]


# What is refused before money moves


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "a cat", "size": "big"}, "size 'big'"),
        ({"prompt": "a cat", "size": "0x100"}, "size"),
        ({"prompt": "a cat", "size": "99999x100"}, "size"),
        ({"prompt": "a cat", "size": "0:1"}, "size"),
        ({"prompt": "a cat", "model": " "}, "No model"),
        ({"prompt": "a cat", "model": "a\nb"}, "slug"),
        ({"prompt": "a cat", "model": "../../v1/balance"}, "slug"),
        ({"prompt": "half an emoji \ud83d"}, "half a character"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    nodes: Nodes, sandbox: Sandbox, inputs: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.InputError, match=words) as caught:
        nodes("LumenfallGenerate", **inputs)
    assert sandbox.requests == [] and "not charged" in str(caught.value)


@pytest.mark.parametrize(
    "extra",
    [
        "{",
        "[1]",
        '{"n": 4}',
        '{"model": "x"}',
        '{" Model": "x"}',
        '{"scale_factor": 4}',
        '{"num-images": 4}',
        '{"mask[]": "x"}',
        '{"image[0]": "x"}',
        '{"stream": true}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud83d"}',
        "[" * 9999,
    ],
)
def test_bad_extra_is_refused(extra: str) -> None:
    with pytest.raises(errors.InputError, match="extra"):
        options(extra=extra)


def test_null_takes_a_parameter_away() -> None:
    assert options(quality="high", extra='{"quality": null, "cfg_scale": 2}')["parameters"] == {"cfg_scale": 2}


def test_options_chain_and_the_nearer_ones_win() -> None:
    far = options(model="a/b", quality="high", aspect_ratio="1:1", extra='{"style": "x"}', on_failure="keep")
    near = options(quality="low", extra='{"style": null}', options=far)
    assert near == {**far, "parameters": {"quality": "low", "aspect_ratio": "1:1"}}
    assert options(model="c", options=far)["model"] == "c"


@pytest.mark.parametrize(
    ("written", "wire"),
    [(" 1024 X 768 ", "1024x768"), ("16 : 9", "16:9"), ("0640*0480", "640x480"), ("1.91:1", "1.91:1"), ("AUTO", None)],
)
def test_sizes_are_read_generously(written: str, wire: str | None) -> None:
    from nodes.contract.sizes import read_size

    assert read_size(written) == wire


# Inpaint Image


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 4]))
def test_outside_the_mask_not_one_bit_moves(nodes: Nodes, height: int, width: int, seed: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, height, width, channels, generator=generator) * 1.4 - 0.2
    mask = (torch.rand(1, height, width, generator=generator) * 2 - 0.8).clamp(0, 1)
    mask[0, 0, 0], mask[0, -1, -1] = 1, 0
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat")
    expected = image.expand(1, height, width, 3) if channels == 1 else image
    assert made.images.shape == expected.shape
    assert torch.equal(made.images[mask == 0], expected[mask == 0])
    assert not torch.equal(made.images[mask == 1], expected[mask == 1])
    assert torch.equal(made.mask > 0, mask > 1 / 32), "what nobody sees is no wish"
    assert torch.equal(made.images[made.mask == 0], expected[made.mask == 0])


def test_the_sandbox_does_repaint_the_whole_frame(nodes: Nodes) -> None:
    image = torch.full((1, 96, 128, 3), 0.5)
    made = nodes("LumenfallInpaint", image=image, mask=square_mask(), prompt="a hat", keep_unmasked=False)
    assert (made.images[square_mask() == 0] != 0.5).any()
    assert (made.mask == 1).all()


def test_picture_and_mask_go_out_as_documented(nodes: Nodes, sandbox: Sandbox) -> None:
    image = torch.rand(1, 96, 128, 3)
    nodes("LumenfallInpaint", image=image, mask=square_mask(), prompt="a hat")
    request = sent(sandbox)[0]
    assert request.endpoint == "images/edits" and set(request.files) == {"image", "mask"}
    picture = Image.open(io.BytesIO(request.files["image"][0]))
    mask = Image.open(io.BytesIO(request.files["mask"][0]))
    assert picture.size == mask.size == (128, 96)
    assert mask.getpixel((50, 40)) == (255, 255, 255, 0) and mask.getpixel((5, 5)) == (0, 0, 0, 255)
    assert picture.info == {}


def test_a_batch_makes_one_request_each_in_order_with_its_own_mask(nodes: Nodes, sandbox: Sandbox) -> None:
    images = torch.stack([torch.full((96, 128, 3), shade) for shade in (0.2, 0.5, 0.8)])
    masks = torch.zeros(3, 96, 128)
    for place in range(3):
        masks[place, :, place * 40 : place * 40 + 20] = 1
    made = nodes("LumenfallInpaint", image=images, mask=masks, prompt="a hat", n=2)
    assert len(sent(sandbox)) == 3 and made.images.shape[0] == 6
    for place in range(6):
        kept = masks[place // 2] == 0
        assert torch.equal(made.images[place][kept], images[place // 2][kept])
    assert torch.equal(made.mask > 0, masks.repeat_interleave(2, dim=0) > 0)
    by_shade = {request.files["image"][0]: request.files["mask"][0] for request in sent(sandbox)}
    expected = {encode(image): encode_mask(mask) for image, mask in zip(images, masks, strict=True)}
    assert by_shade == expected, "each picture goes out with its own mask"
    assert made.report["cost"] == pytest.approx(float(sandbox.billed))
    assert [one["request_id"] for one in made.report["requests"]] != []


def test_an_answer_of_another_size_is_brought_back(nodes: Nodes) -> None:
    image = torch.rand(1, 96, 128, 3)
    made = nodes("LumenfallInpaint", image=image, mask=square_mask(), prompt="a hat", size="256x256")
    assert made.images.shape == image.shape
    assert torch.equal(made.images[square_mask() == 0], image[square_mask() == 0])
    assert any("256x256" in note and "proportions differ" in note for note in made.report["notes"])


@pytest.mark.parametrize("mask", [torch.zeros(1, 64, 64), torch.zeros(1, 96, 128)])
def test_an_empty_mask_costs_nothing(nodes: Nodes, sandbox: Sandbox, mask: torch.Tensor) -> None:
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallInpaint", image=torch.rand(1, 96, 128, 3), mask=mask, prompt="a hat")
    assert caught.value.code == "EMPTY_MASK" and sandbox.requests == []


def test_a_mask_of_another_size_is_scaled_with_a_note(nodes: Nodes) -> None:
    made = nodes("LumenfallInpaint", image=torch.rand(1, 96, 128, 3), mask=square_mask()[:, ::2, ::2], prompt="a hat")
    assert any("mask was scaled from 64x48" in note for note in made.report["notes"])


# Image Variations


@pytest.mark.parametrize("similarity", ["close", "balanced", "free"])
def test_variations_ask_for_an_edit_with_an_instruction(nodes: Nodes, sandbox: Sandbox, similarity: str) -> None:
    image = torch.rand(1, 96, 128, 3)
    made = nodes("LumenfallVariations", image=image, similarity=similarity, prompt="keep the hat", n=2)
    request = sent(sandbox)[0]
    assert request.endpoint == "images/edits" and request.fields["n"] == "2"
    assert request.fields["prompt"].endswith("keep the hat") and "mask" not in request.files
    assert made.images.shape[0] == 2
    assert any("/images/edits" in note and similarity in note for note in made.report["notes"])


def test_the_three_similarities_ask_for_different_things(nodes: Nodes, sandbox: Sandbox) -> None:
    for similarity in ("close", "balanced", "free"):
        nodes("LumenfallVariations", image=torch.rand(1, 64, 64, 3), similarity=similarity)
    assert len({request.fields["prompt"] for request in sent(sandbox)}) == 3


def test_the_true_endpoint_is_used_where_the_model_has_it(nodes: Nodes, sandbox: Sandbox) -> None:
    image = torch.rand(1, 96, 128, 3)
    made = nodes("LumenfallVariations", image=image, model="sandbox-variations", size="256x256", prompt="a hat")
    request = sent(sandbox)[0]
    assert request.endpoint == "images/variations" and "prompt" not in request.fields
    assert size_of(request.files["image"][0]) == (96, 96)
    assert made.images.shape == (1, 256, 256, 3)
    assert any("central square" in note for note in made.report["notes"])


def test_the_true_endpoint_gets_less_than_4_mb(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes("LumenfallVariations", image=torch.rand(1, 1400, 1400, 3), model="sandbox-variations", size="256x256")
    assert len(sent(sandbox)[0].files["image"][0]) < 4_000_000
    assert any("under 4 MB" in note for note in made.report["notes"])


# The report and the files


def test_what_was_paid_is_on_disk_as_it_came(nodes: Nodes) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", size="128x96", n=2)
    files = [nodes.host.data_dir() / name for name in made.report["requests"][0]["originals"]]
    from nodes.pixels import decode

    for place, file in enumerate(files):
        assert torch.equal(decode(file.read_bytes())[0], made.images[place])
    kept = [path.name for path in (nodes.host.data_dir() / "store").rglob("*.*")]
    assert sorted(kept) == sorted(file.name for file in files)


def test_the_report_names_everything_a_machine_needs(nodes: Nodes) -> None:
    report = nodes("LumenfallGenerate", prompt="a cat", size="128x96").report
    assert json.loads(json.dumps(report)) == report
    expected = "model executed_model provider request_id cost currency seconds count size sizes revised_prompts notes"
    assert set(report) == {*expected.split(), "replayed", "requests", "failures"}


def test_a_key_is_nowhere_but_in_the_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nodes.headless.host import Headless
    from nodes.headless.sandbox import running

    caplog.set_level("DEBUG")
    key = "lmnfl_key_abc.TOPSECRET"
    with running(api_key=key) as sandbox:
        host = Headless({"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_API_KEY": key})
        made = Nodes(host)("LumenfallGenerate", prompt="a cat", size="128x96")
        with pytest.raises(errors.LumenfallError) as caught:
            Nodes(host)("LumenfallGenerate", prompt=f"forbidden {key}", size="128x96")
        for request in sandbox.requests:
            expected = None if request.endpoint.startswith("media") else f"Bearer {key}"
            assert request.headers.get("authorization") == expected
    assert "/media/" not in caplog.text, "the log is open to everybody, and so are the links"
    assert "TOPSECRET" not in json.dumps(made.report) + str(caught.value) + repr(caught.value) + caplog.text
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"TOPSECRET" not in path.read_bytes()
