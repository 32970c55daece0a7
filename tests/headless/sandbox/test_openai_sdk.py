"""The official SDK is the outside judge: it must be able to use the sandbox as it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Literal

import httpx
import openai as sdk
import pytest
from openai import OpenAI
from PIL import Image

from nodes.headless.sandbox import Sandbox, running


def test_generates_pictures_behind_links(openai: OpenAI, http: httpx.Client) -> None:
    answer = openai.images.generate(model="gpt-image-2", prompt="a fox", size="256x256", n=2)
    assert answer.data is not None and len(answer.data) == 2 and answer.data[1].url is not None
    download = http.get(answer.data[1].url)
    assert download.headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(download.content)).size == (256, 256)
    assert (answer.data[0].revised_prompt or "").startswith("a fox")


def test_generates_pictures_in_base64(openai: OpenAI) -> None:
    answer = openai.images.generate(model="mock-image", prompt="a fox", size="256x256", response_format="b64_json")
    assert answer.data is not None and answer.data[0].b64_json is not None
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size == (256, 256)


@pytest.mark.parametrize("quality", ["xhigh", "max"])
def test_takes_what_the_newest_models_take(openai: OpenAI, sandbox: Sandbox, quality: Literal["xhigh", "max"]) -> None:
    answer = openai.images.generate(
        model="gpt-image-2.6-sunburst", prompt="a fox", size="256x256", quality=quality, complexity="low"
    )
    assert answer.data is not None and len(answer.data) == 1
    assert sandbox.requests[-1].fields["quality"] == quality and sandbox.requests[-1].fields["complexity"] == "low"


def test_edits_with_a_mask(
    openai: OpenAI, sandbox: Sandbox, png: Callable[..., bytes], mask: Callable[..., bytes]
) -> None:
    answer = openai.images.edit(
        model="gpt-image-2", prompt="a hat", image=png(), mask=mask(), response_format="b64_json"
    )
    assert answer.data is not None and answer.data[0].b64_json is not None
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size == (64, 48)
    assert sandbox.requests[-1].files == {"image": [png()], "mask": [mask()]}


def test_edits_several_pictures(
    openai: OpenAI, sandbox: Sandbox, http: httpx.Client, png: Callable[..., bytes]
) -> None:
    first, second = png((80, 40)), png((30, 30), "blue")
    answer = openai.images.edit(model="gpt-image-2", prompt="together", image=[first, second])
    assert answer.data is not None and answer.data[0].url is not None
    assert Image.open(io.BytesIO(http.get(answer.data[0].url).content)).size == (80, 40)
    assert sandbox.requests[0].files == {"image[]": [first, second]}


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_runs_variations(openai: OpenAI, png: Callable[..., bytes]) -> None:
    answer = openai.images.create_variation(
        model="sandbox-variations", image=png((32, 32)), n=2, size="256x256", response_format="b64_json"
    )
    assert answer.data is not None
    found = {item.b64_json for item in answer.data}
    assert len(found) == 2


def test_lists_and_retrieves_models(openai: OpenAI) -> None:
    listed = {model.id: model for model in openai.models.list()}
    assert "gpt-image-2" in listed
    assert openai.models.retrieve("flux.2-klein-4b") == listed["flux.2-klein-4b"]
    assert openai.models.retrieve("gemini-3-pro-image-preview").id == "gemini-3-pro-image"
    assert openai.models.retrieve("fal/flux.2-pro").id == "flux.2-pro"


def test_refusals_become_the_right_exceptions(openai: OpenAI) -> None:
    with pytest.raises(sdk.BadRequestError) as bad:
        openai.images.generate(model="gpt-image-2", prompt="something forbidden")
    assert bad.value.code == "CONTENT_POLICY_VIOLATION"
    with pytest.raises(sdk.NotFoundError) as missing:
        openai.images.generate(model="gpt-imag-2", prompt="a fox")
    assert missing.value.code == "MODEL_NOT_FOUND"


@pytest.mark.parametrize(
    ("fault", "exception"),
    [
        ("status-429", sdk.RateLimitError),
        ("status-500", sdk.InternalServerError),
        ("status-502", sdk.InternalServerError),
        ("html-503", sdk.InternalServerError),
        ("reset-before-headers", sdk.APIConnectionError),
    ],
)
def test_faults_become_the_right_exceptions(
    openai: OpenAI, sandbox: Sandbox, fault: str, exception: type[Exception]
) -> None:
    sandbox.fail_next(fault)
    with pytest.raises(exception):
        openai.images.generate(model="mock-image", prompt="a fox", size="256x256")
    assert openai.images.generate(model="mock-image", prompt="a fox", size="256x256").data


def test_a_wrong_key_is_an_authentication_error() -> None:
    with running(api_key="lmnfl_right") as sandbox:
        for key, accepted in (("lmnfl_wrong", False), ("lmnfl_right", True)):
            with OpenAI(base_url=sandbox.base_url, api_key=key, max_retries=0) as client:
                if accepted:
                    assert client.models.list().data
                else:
                    with pytest.raises(sdk.AuthenticationError, match="API key"):
                        client.models.list()
