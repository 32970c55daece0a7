"""What goes on the wire for each flavour of server."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
from openai.types import image_create_variation_params, image_edit_params, image_generate_params
from PIL import Image

from nodes.api import Catalogue, Endpoint, ImageRequest, Server, credentials, write_request
from nodes.api.flavours import LUMENFALL, OPENAI, OTHER, Flavour, flavour_of
from nodes.errors import InputError
from nodes.pixels import encode_mask, fingerprint
from tests.api.conftest import odd_server, using

PNG = b"png"


@pytest.mark.parametrize(
    ("base_url", "flavour"),
    [
        ("https://api.lumenfall.ai/openai/v1", LUMENFALL),
        ("http://127.0.0.1:8787/openai/v1", LUMENFALL),
        ("https://api.openai.com/v1", OPENAI),
        ("https://mine.openai.azure.com/openai/v1", OPENAI),
        ("https://mine.services.ai.azure.com/openai/v1", OPENAI),
        ("https://eu.api.openai.com/v1", OPENAI),
        ("https://api.openai.com./v1", OPENAI),
        ("https://api.lumenfall.ai./openai/v1", LUMENFALL),
        ("https://api.openai.com.evil.example/v1", OTHER),
        ("https://api.groq.com/openai/v1", OTHER),
        ("https://evil-lumenfall.ai/openai/v1", OTHER),
        ("http://127.0.0.1:1234/v1", OTHER),
    ],
)
def test_flavours_are_told_by_the_address(base_url: str, flavour: object) -> None:
    assert flavour_of(base_url) is flavour


def test_only_what_the_user_changed_is_sent() -> None:
    wire = write_request(ImageRequest("generations", "m", "a cat", seed=7), OTHER)
    assert wire.path == "images/generations"
    assert wire.content == {"json": {"model": "m", "prompt": "a cat"}}


def test_lumenfall_is_asked_for_links_unless_the_user_chose() -> None:
    assert write_request(ImageRequest("generations", "m", "p"), LUMENFALL).content["json"]["response_format"] == "url"
    chosen = ImageRequest("generations", "m", "p", parameters={"response_format": "b64_json"})
    assert write_request(chosen, LUMENFALL).content["json"]["response_format"] == "b64_json"


def test_openai_is_not_sent_what_only_lumenfall_has_and_the_user_is_told() -> None:
    parameters = {"quality": "low", "response_format": "url", "aspect_ratio": "1:1", "negative_prompt": "rain"}
    wire = write_request(ImageRequest("generations", "m", "p", parameters=parameters), OPENAI, takes_seed=True)
    assert wire.content["json"] == {"model": "m", "prompt": "p", "quality": "low"}
    assert [note.split()[0] for note in wire.notes] == ["aspect_ratio", "negative_prompt", "response_format"]


# What a request says of itself in other ways, or what the nodes set; and response_format, which the SDK keeps for
# retired models only.
OWN_WAYS = {"model", "prompt", "image", "mask", "stream", "partial_images", "response_format"}


def sdk_fields(params: Any) -> set[str]:
    """The parameters that OpenAI's own library has for an endpoint, with and without streaming."""
    return {name for form in get_args(params) or (params,) for name in get_type_hints(form)}


@pytest.mark.parametrize(
    ("endpoint", "params", "one_of_them"),
    [
        ("generations", image_generate_params.ImageGenerateParams, "complexity"),
        ("edits", image_edit_params.ImageEditParams, "input_fidelity"),
        ("variations", image_create_variation_params.ImageCreateVariationParams, "user"),
    ],
)
def test_all_that_openais_own_library_knows_reaches_openai(endpoint: Endpoint, params: Any, one_of_them: str) -> None:
    fields = sdk_fields(params) - OWN_WAYS
    assert one_of_them in fields
    images = () if endpoint == "generations" else (PNG,)
    wire = write_request(ImageRequest(endpoint, "m", None, images, parameters=dict.fromkeys(fields, "x")), OPENAI)
    sent = wire.content["json"] if endpoint == "generations" else wire.content["data"]
    assert sent.keys() - {"model"} == fields and wire.notes == ()


def test_a_value_that_the_model_does_not_take_is_held_back_and_the_user_is_told() -> None:
    def sent(value: str, accepts: dict[str, list[str]]) -> tuple[str | None, tuple[str, ...]]:
        request = ImageRequest("edits", "m", "p", (PNG,), parameters={"input_fidelity": value})
        wire = write_request(request, OPENAI, accepts=accepts)
        return wire.content["data"].get("input_fidelity"), wire.notes

    assert sent("high", {}) == ("high", ())
    assert sent("high", {"input_fidelity": ["high", "low"]}) == ("high", ())
    assert sent("high", {"input_fidelity": ["low"]}) == (
        None,
        ("input_fidelity was not sent: m takes only low, not high.",),
    )
    assert sent("low", {"input_fidelity": []}) == (
        None,
        ("input_fidelity was not sent: as far as is known, m takes none.",),
    )


@pytest.mark.parametrize("flavour", [LUMENFALL, OPENAI, OTHER])
def test_how_close_to_keep_to_a_picture_is_not_asked_where_there_is_none(flavour: Flavour) -> None:
    request = ImageRequest("generations", "m", "p", parameters={"input_fidelity": "high"})
    wire = write_request(request, flavour, accepts={"input_fidelity": ["high", "low"]})
    assert "input_fidelity" not in wire.content["json"]
    assert wire.notes == ("input_fidelity was not sent: it is for the pictures of an edit.",)


def test_openai_takes_no_ratio_as_size() -> None:
    with pytest.raises(InputError, match="16:9"):
        write_request(ImageRequest("generations", "m", "p", parameters={"size": "16:9"}), OPENAI)


def test_the_seed_is_sent_only_where_the_model_takes_one() -> None:
    request = ImageRequest("generations", "m", "p", seed=7)
    assert "seed" not in write_request(request, LUMENFALL).content["json"]
    assert write_request(request, LUMENFALL, takes_seed=True).content["json"]["seed"] == 7


def test_a_seed_in_extra_wins() -> None:
    request = ImageRequest("generations", "m", "p", parameters={"seed": 1}, seed=7)
    assert write_request(request, LUMENFALL, takes_seed=True).content["json"]["seed"] == 1


def test_edits_are_multipart_with_image_for_one() -> None:
    request = ImageRequest("edits", "m", "p", (PNG,), b"mask", {"n": 2, "flag": True, "deep": {"a": [1]}})
    wire = write_request(request, OTHER)
    assert wire.content["data"] == {"model": "m", "prompt": "p", "n": "2", "flag": "true", "deep": '{"a": [1]}'}
    assert wire.content["files"] == [
        ("image", ("image-1.png", PNG, "image/png")),
        ("mask", ("mask.png", b"mask", "image/png")),
    ]


def test_several_pictures_repeat_image_brackets() -> None:
    files = write_request(ImageRequest("edits", "m", "p", (PNG, b"2")), OTHER).content["files"]
    assert [(name, content) for name, (_, content, _) in files] == [("image[]", PNG), ("image[]", b"2")]


def test_openrouter_makes_and_edits_at_one_address() -> None:
    flavour = flavour_of("https://openrouter.ai/api/v1")
    made = write_request(ImageRequest("generations", "m", "p", parameters={"n": 2}), flavour)
    assert (made.path, made.content) == ("images", {"json": {"model": "m", "prompt": "p", "n": 2}})
    edited = write_request(ImageRequest("edits", "m", "p", (PNG, PNG), b"mask"), flavour)
    addresses = [entry["image_url"]["url"] for entry in edited.content["json"]["input_references"]]
    assert addresses == [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"] * 2
    assert edited.path == "images" and "mask was not sent" in edited.notes[0]
    with pytest.raises(InputError):
        write_request(ImageRequest("variations", "m", None, (PNG,)), flavour)


def test_openrouter_is_asked_for_models_that_make_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flavour = flavour_of("https://openrouter.ai/api/v1")
    monkeypatch.setattr(credentials, "flavour_of", lambda _: flavour)
    with odd_server(lambda _: (200, {}, b'{"data": [{"id": "bytedance-seed/seedream-4.5"}]}')) as odd:
        server = Server(f"{odd.url}/api/v1")
        models = using(server, Catalogue(tmp_path, server.base_url).fresh)
    assert [model.id for model in models.models] == ["bytedance-seed/seedream-4.5"]
    assert odd.seen[0][1] == "/api/v1/models?output_modalities=image"


def test_variations_carry_no_prompt_and_nothing_the_endpoint_does_not_know() -> None:
    wire = write_request(
        ImageRequest("variations", "m", None, (PNG,), parameters={"n": 2, "quality": "high"}), LUMENFALL
    )
    assert wire.content["data"] == {"model": "m", "n": "2", "response_format": "url"}
    assert wire.notes and "quality" in wire.notes[0]


def test_a_mask_too_large_is_compressed_again_and_else_refused_before_sending() -> None:
    mask = encode_mask((torch.rand(64, 64, generator=torch.Generator().manual_seed(1)) > 0.5).float())
    loose = io.BytesIO()
    with Image.open(io.BytesIO(mask)) as picture:
        picture.save(loose, "PNG", compress_level=0)
    request = ImageRequest("edits", "m", "p", (PNG,), loose.getvalue())
    wire = write_request(request, replace(LUMENFALL, max_mask_bytes=len(mask)))
    sent = dict(wire.content["files"])["mask"][1]
    assert len(sent) <= len(mask) and fingerprint(sent) == fingerprint(mask)
    with pytest.raises(InputError, match="MB"):
        write_request(request, replace(LUMENFALL, max_mask_bytes=100))


@pytest.mark.parametrize(
    ("parameters", "has_mask", "told"),
    [
        ({"output_format": "gif"}, True, "within a mask"),
        ({"output_format": "svg", "n": 2}, False, "one is made at a time"),
        ({"output_format": "gif", "frame_count": 17}, False, "frame_count is 17"),
    ],
)
def test_what_openai_refuses_beside_a_format_is_told_before(
    parameters: dict[str, Any], has_mask: bool, told: str
) -> None:
    request = ImageRequest("edits", "gpt-image-2.6-flare", "p", (PNG,), PNG if has_mask else None, parameters)
    with pytest.raises(InputError, match=told):
        write_request(request, OPENAI)
    # Others may convert, and judge for themselves.
    write_request(request, LUMENFALL)


def test_what_belongs_to_another_format_stays_behind_at_openai() -> None:
    frames = {"frame_count": 4, "frame_duration_ms": 100}
    gif = {"output_format": "gif", "output_compression": 50, **frames}
    for parameters, sent in ((gif, {"output_format": "gif", **frames}), ({**gif, "output_format": "webp"}, None)):
        wire = write_request(ImageRequest("generations", "gpt-image-2.6-flare", "p", parameters=parameters), OPENAI)
        sent = sent or {"output_format": "webp", "output_compression": 50}
        assert wire.content["json"] == {"model": "gpt-image-2.6-flare", "prompt": "p", **sent}
        assert wire.notes


def test_the_object_of_svg_goes_into_a_form_as_openai_writes_it() -> None:
    svg = {"output_format": "svg", "svg": {"model": "author", "reasoning": {"effort": "low"}}}
    wire = write_request(ImageRequest("edits", "gpt-image-2.6-flare", "p", (PNG,), parameters=svg), OPENAI)
    fields = wire.content["data"]
    assert (fields["svg[model]"], fields["svg[reasoning][effort]"]) == ("author", "low") and "svg" not in fields


@pytest.mark.parametrize(("flavour", "asked", "by_wish"), [(LUMENFALL, "png", None), (OTHER, None, "svg")])
def test_a_vector_model_is_asked_for_png_where_that_is_converted(
    flavour: Flavour, asked: str | None, by_wish: str | None
) -> None:
    request = ImageRequest("generations", "recraft-v4-svg", "p")
    assert write_request(request, flavour, makes_vectors=True).content["json"].get("output_format") == asked
    chosen = ImageRequest("generations", "recraft-v4-svg", "p", parameters={"output_format": "svg"})
    assert write_request(chosen, flavour, makes_vectors=True).content["json"].get("output_format") == by_wish
