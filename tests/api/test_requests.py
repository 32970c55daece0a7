"""What goes on the wire for each flavour of server."""

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from nodes.api import ImageRequest, write
from nodes.api.flavours import LUMENFALL, OPENAI, OTHER, flavour_of
from nodes.errors import InputError
from nodes.pixels import encode_mask, fingerprint

PNG = b"png"


@pytest.mark.parametrize(
    ("base_url", "flavour"),
    [
        ("https://api.lumenfall.ai/openai/v1", LUMENFALL),
        ("http://127.0.0.1:8787/openai/v1", LUMENFALL),
        ("https://api.openai.com/v1", OPENAI),
        ("https://mine.openai.azure.com/openai/v1", OPENAI),
        ("https://api.groq.com/openai/v1", OTHER),
        ("https://evil-lumenfall.ai/openai/v1", OTHER),
        ("http://127.0.0.1:1234/v1", OTHER),
    ],
)
def test_flavours_are_told_by_the_address(base_url: str, flavour: object) -> None:
    assert flavour_of(base_url) is flavour


def test_only_what_the_user_changed_is_sent() -> None:
    wire = write(ImageRequest("generations", "m", "a cat", seed=7), OTHER)
    assert wire.path == "images/generations"
    assert wire.content == {"json": {"model": "m", "prompt": "a cat"}}


def test_lumenfall_is_asked_for_links_unless_the_user_chose() -> None:
    assert write(ImageRequest("generations", "m", "p"), LUMENFALL).content["json"]["response_format"] == "url"
    chosen = ImageRequest("generations", "m", "p", parameters={"response_format": "b64_json"})
    assert write(chosen, LUMENFALL).content["json"]["response_format"] == "b64_json"


def test_openai_is_sent_nothing_it_would_refuse_and_the_user_is_told() -> None:
    parameters = {"quality": "low", "response_format": "url", "aspect_ratio": "1:1", "negative_prompt": "rain"}
    wire = write(ImageRequest("generations", "m", "p", parameters=parameters), OPENAI)
    assert wire.content["json"] == {"model": "m", "prompt": "p", "quality": "low"}
    assert [note.split()[0] for note in wire.notes] == ["aspect_ratio", "negative_prompt"]


def test_openai_takes_no_ratio_as_size() -> None:
    with pytest.raises(InputError, match="16:9"):
        write(ImageRequest("generations", "m", "p", parameters={"size": "16:9"}), OPENAI)


def test_the_seed_is_sent_only_where_the_model_takes_one() -> None:
    request = ImageRequest("generations", "m", "p", seed=7)
    assert "seed" not in write(request, LUMENFALL).content["json"]
    assert write(request, LUMENFALL, takes_seed=True).content["json"]["seed"] == 7


def test_a_seed_in_extra_wins() -> None:
    request = ImageRequest("generations", "m", "p", parameters={"seed": 1}, seed=7)
    assert write(request, LUMENFALL, takes_seed=True).content["json"]["seed"] == 1


def test_edits_are_multipart_with_image_for_one() -> None:
    request = ImageRequest("edits", "m", "p", (PNG,), b"mask", {"n": 2, "flag": True, "deep": {"a": [1]}})
    wire = write(request, OTHER)
    assert wire.content["data"] == {"model": "m", "prompt": "p", "n": "2", "flag": "true", "deep": '{"a": [1]}'}
    assert wire.content["files"] == [
        ("image", ("image-1.png", PNG, "image/png")),
        ("mask", ("mask.png", b"mask", "image/png")),
    ]


def test_several_pictures_repeat_image_brackets() -> None:
    files = write(ImageRequest("edits", "m", "p", (PNG, b"2")), OTHER).content["files"]
    assert [(name, content) for name, (_, content, _) in files] == [("image[]", PNG), ("image[]", b"2")]


def test_variations_carry_no_prompt_and_nothing_the_endpoint_does_not_know() -> None:
    wire = write(ImageRequest("variations", "m", None, (PNG,), parameters={"n": 2, "quality": "high"}), LUMENFALL)
    assert wire.content["data"] == {"model": "m", "n": "2", "response_format": "url"}
    assert wire.notes and "quality" in wire.notes[0]


def test_a_mask_too_large_is_compressed_again_and_else_refused_before_sending() -> None:
    mask = encode_mask((torch.rand(64, 64, generator=torch.Generator().manual_seed(1)) > 0.5).float())
    loose = io.BytesIO()
    with Image.open(io.BytesIO(mask)) as picture:
        picture.save(loose, "PNG", compress_level=0)
    request = ImageRequest("edits", "m", "p", (PNG,), loose.getvalue())
    wire = write(request, replace(LUMENFALL, max_mask_bytes=len(mask)))
    sent = dict(wire.content["files"])["mask"][1]
    assert len(sent) <= len(mask) and fingerprint(sent) == fingerprint(mask)
    with pytest.raises(InputError, match="MB"):
        write(request, replace(LUMENFALL, max_mask_bytes=100))
