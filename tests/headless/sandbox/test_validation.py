"""What the public documentation calls invalid is refused, with the real envelope, and costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from nodes.headless.sandbox import Sandbox, running

Post = Callable[..., httpx.Response]
Png = Callable[..., bytes]


def refused(response: httpx.Response, code: str = "INVALID_REQUEST", status: int = 400) -> str:
    """The message of a refusal whose shape and headers are right."""
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert set(error) == {"message", "type", "code"}
    assert response.headers["X-Lumenfall-Request-Id"].startswith("req_")
    assert "X-Lumenfall-Provider" in response.headers and "X-Lumenfall-Model" in response.headers
    return str(error["message"])


@pytest.fixture(autouse=True)
def _nothing_is_billed(sandbox: Sandbox) -> Any:
    yield
    assert sandbox.bill == []


@pytest.mark.parametrize("header", [None, "lmnfl_key", "Basic lmnfl_key", "Bearer", "Bearer lmnfl_other"])
def test_a_bad_key(header: str | None) -> None:
    with running(api_key="lmnfl_key") as strict:
        headers = {} if header is None else {"Authorization": header}
        response = httpx.get(strict.base_url + "/models", headers=headers)
        refused(response, "AUTHENTICATION_FAILED", 401)


@pytest.mark.parametrize("missing", ["model", "prompt"])
@pytest.mark.parametrize("endpoint", ["generate", "edit"])
def test_a_missing_field(missing: str, endpoint: str, request: pytest.FixtureRequest) -> None:
    assert f"'{missing}'" in refused(request.getfixturevalue(endpoint)(**{missing: None}))


def test_a_blank_prompt(generate: Post) -> None:
    refused(generate(prompt="  "))


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 0},
        {"n": 11},
        {"n": 1.5},
        {"n": "2"},
        {"n": True},
        {"size": "big"},
        {"size": "1024"},
        {"size": "0x64"},
        {"size": "64x9000"},
        {"size": "0:1"},
        {"size": 1024},
        {"size": None, "aspect_ratio": "wide"},
        {"size": None, "resolution": "huge"},
        {"quality": "best"},
        {"response_format": "file"},
        {"output_format": "bmp"},
        {"output_compression": 101},
        {"seed": "x"},
        {"prompt": ["a fox"]},
        {"prompt": "x" * 32_001},
        {"size": "1616x64", "output_format": "avif"},
        {"output_format": "svg"},
        # Conditions of OpenAI, whose models alone animate.
        {"model": "gpt-image-2.6-flare", "frame_count": 4},
        {"model": "gpt-image-2.6-flare", "output_format": "gif", "frame_count": 17},
        {"model": "gpt-image-2.6-flare", "output_format": "gif", "output_compression": 50},
        {"model": "gpt-image-2.6-flare", "output_format": "svg", "n": 2},
    ],
    ids=repr,
)
def test_a_bad_value(generate: Post, fields: dict[str, Any]) -> None:
    refused(generate(**fields))


@pytest.mark.parametrize("fields", [{"n": "11"}, {"n": "many"}, {"size": "64"}, {"output_format": "tiff"}], ids=repr)
def test_a_bad_value_in_a_form(edit: Post, fields: dict[str, Any]) -> None:
    refused(edit(**fields))


def test_json_sent_to_edits(http: httpx.Client) -> None:
    body = {"model": "gpt-image-2", "prompt": "a fox", "image": "data:image/png;base64,AAAA"}
    assert "multipart/form-data" in refused(http.post("/images/edits", json=body))


def test_a_form_sent_to_generations(http: httpx.Client, png: Png) -> None:
    fields = {"model": "gpt-image-2", "prompt": "a fox"}
    refused(http.post("/images/generations", data=fields, files={"image": ("i.png", png())}))


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff"])
def test_a_body_that_is_no_json_object(http: httpx.Client, body: bytes) -> None:
    refused(http.post("/images/generations", content=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("body", [b"", b"garbage", b"--x\r\n", b"--x\r\nno header\r\n\r\nabc\r\n--x--\r\n"])
def test_a_body_that_is_no_form(http: httpx.Client, body: bytes) -> None:
    refused(http.post("/images/edits", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}))


@pytest.mark.parametrize("model", ["flux.2-klein-4", "nobody/gpt-image-2", "GPT Image 2"])
def test_an_unknown_model(generate: Post, model: str) -> None:
    refused(generate(model=model), "MODEL_NOT_FOUND", 404)


def test_an_unknown_model_gets_a_suggestion(generate: Post, http: httpx.Client) -> None:
    assert "Did you mean 'gpt-image-2'?" in refused(generate(model="gpt-image2"), "MODEL_NOT_FOUND", 404)
    refused(http.get("/models/fal/flux.3-pro"), "MODEL_NOT_FOUND", 404)


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3", "openai/dall-e-2", "replicate/dall-e-3", "gpt-image-1"])
def test_a_retired_model(generate: Post, model: str) -> None:
    refused(generate(model=model), "MODEL_DISABLED", 404)


def test_a_model_that_cannot_do_it(generate: Post, edit: Post) -> None:
    assert "generate" in refused(edit(model="qwen-image-2512"))
    assert "edit" in refused(generate(model="qwen-image-edit-2511"))
    assert "upscale" in refused(generate(model="real-esrgan"))
    assert "video" in refused(generate(model="sandbox-video"))
    assert "variations" in refused(edit(model="sandbox-variations"))
    assert "generate, edit" in refused(edit(scale_factor="2"))


def test_too_many_pictures(edit: Post, png: Png) -> None:
    two = [("image[]", ("i.png", png()))] * 2
    assert "does not support multiple input images" in refused(edit(two, model="flux.1-kontext-pro"))
    assert "does not support multiple input images" in refused(edit(two * 3, model="flux.2-klein-4b"))


def test_pictures_under_wrong_names(edit: Post, png: Png) -> None:
    refused(edit([("picture", ("i.png", png()))]))
    assert "image[]" in refused(edit([("image", ("i.png", png()))] * 2))
    refused(edit([("mask", ("m.png", png()))], image="https://example.com/i.png"))


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_picture_that_cannot_be_read(edit: Post, data: bytes) -> None:
    assert "image 1" in refused(edit([("image", ("i.png", data))]))


def test_a_picture_cut_short(edit: Post, png: Png) -> None:
    refused(edit([("image", ("i.png", png((300, 300))[:-60]))]))


def test_a_picture_in_a_format_that_is_not_taken(edit: Post, png: Png) -> None:
    refused(edit([("image", ("i.bmp", png(kind="BMP")))]))


def test_a_picture_over_50_mb(edit: Post, png: Png) -> None:
    refused(edit([("image", ("i.png", png() + b"\0" * (50 << 20)))]), "PAYLOAD_TOO_LARGE", 413)


def test_a_bad_mask(edit: Post, png: Png, mask: Png) -> None:
    image = ("image", ("i.png", png()))
    assert "64x48" in refused(edit([image, ("mask", ("m.png", mask((48, 64))))]))
    assert "PNG" in refused(edit([image, ("mask", ("m.png", png(kind="JPEG")))]))
    assert "4 MB" in refused(edit([image, ("mask", ("m.png", mask() + b"\0" * (4 << 20)))]))


def test_bad_markup(edit: Post, png: Png, mask: Png) -> None:
    files = [("image", ("i.png", png())), ("markup", ("s.png", mask()))]
    assert "does not support" in refused(edit(files))
    takes = {"model": "gpt-image-2.6-flare"}
    assert "combined" in refused(edit([*files, ("mask", ("m.png", mask()))], **takes))
    assert "48x64" in refused(edit([files[0], ("markup", ("s.png", mask((48, 64))))], **takes))
    assert "transparent" in refused(edit([files[0], ("markup", ("s.png", png()))], **takes))


@pytest.mark.parametrize("factor", [None, "twice", "0", "-2", "17", "nan"])
def test_a_bad_scale_factor(edit: Post, factor: str | None) -> None:
    assert "scale_factor" in refused(edit(model="real-esrgan", scale_factor=factor))


def test_a_factor_that_this_upscaler_does_not_know(edit: Post) -> None:
    refused(edit(model="google-upscaler", scale_factor="3"))


@pytest.mark.parametrize("endpoint", ["generate", "edit"])
def test_a_prompt_against_the_content_policy(endpoint: str, request: pytest.FixtureRequest) -> None:
    post = request.getfixturevalue(endpoint)
    refused(post(prompt="The FORBIDDEN city"), "CONTENT_POLICY_VIOLATION")


def test_an_empty_purse(sandbox: Sandbox, generate: Post) -> None:
    sandbox.account.balance = Decimal("0.10")
    refused(generate(n=2), "INSUFFICIENT_BALANCE", 402)


def test_variations_of_another_model_lead_nowhere(http: httpx.Client, png: Png) -> None:
    files = {"image": ("i.png", png((32, 32)))}
    variations = http.post("/images/variations", data={"model": "gpt-image-2"}, files=files)
    assert refused(variations, "NOT_FOUND", 404) == "Invalid URL (POST /openai/v1/images/variations)"
    refused(http.post("/nowhere"), "NOT_FOUND", 404)
    refused(http.get("/images/edits"), "NOT_FOUND", 404)


def test_a_bad_picture_for_variations(http: httpx.Client, png: Png) -> None:
    def vary(data: bytes, **fields: str) -> httpx.Response:
        files = {"image": ("i.png", data)}
        return http.post("/images/variations", data={"model": "sandbox-variations"} | fields, files=files)

    refused(vary(png((64, 48))))
    refused(vary(png((32, 32), kind="JPEG")))
    refused(vary(png((32, 32)) + b"\0" * (4 << 20)))
    refused(vary(png((32, 32)), size="300x300"))
