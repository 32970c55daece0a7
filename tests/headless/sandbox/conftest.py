from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from openai import DefaultHttpxClient, OpenAI
from PIL import Image

from nodes.headless.sandbox import Sandbox, running


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def openai(sandbox: Sandbox) -> Iterator[OpenAI]:
    http_client = DefaultHttpxClient(verify=False)
    with OpenAI(base_url=sandbox.base_url, api_key="any", max_retries=0, timeout=10, http_client=http_client) as client:
        yield client


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Below the SDK, for requests that it would never send. Follows no redirects."""
    # Certificates are not needed on loopback, and loading them takes longer than most tests.
    with httpx.Client(base_url=sandbox.base_url, timeout=10, verify=False) as client:
        yield client


@pytest.fixture
def native(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url.removesuffix("/openai/v1") + "/v1", verify=False) as client:
        yield client


@pytest.fixture
def png() -> Callable[..., bytes]:
    def make(
        size: tuple[int, int] = (64, 48), color: Any = (200, 60, 30), mode: str = "RGB", kind: str = "PNG"
    ) -> bytes:
        file = io.BytesIO()
        Image.new(mode, size, color).save(file, kind)
        return file.getvalue()

    return make


@pytest.fixture
def mask() -> Callable[..., bytes]:
    """An RGBA mask whose left half is to be painted."""

    def make(size: tuple[int, int] = (64, 48)) -> bytes:
        picture = Image.new("RGBA", size, (0, 0, 0, 255))
        picture.paste((255, 255, 255, 0), (0, 0, size[0] // 2, size[1]))
        file = io.BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture
def generate(http: httpx.Client) -> Callable[..., httpx.Response]:
    """POST images/generations with small defaults; a field set to None is left out."""

    def post(**fields: Any) -> httpx.Response:
        body = {"model": "gpt-image-2", "prompt": "a fox", "size": "64x48"} | fields
        return http.post("/images/generations", json={name: value for name, value in body.items() if value is not None})

    return post


@pytest.fixture
def edit(http: httpx.Client, png: Callable[..., bytes]) -> Callable[..., httpx.Response]:
    """POST images/edits as a form with one picture; ``files`` replaces the uploads."""

    def post(files: Any = None, **fields: Any) -> httpx.Response:
        data = {"model": "gpt-image-2", "prompt": "a fox"} | fields
        uploads = [("image", ("image.png", png()))] if files is None else files
        form = {name: value for name, value in data.items() if value is not None}
        return http.post("/images/edits", data=form, files=uploads)

    return post


@pytest.fixture
def pictures(http: httpx.Client) -> Callable[[httpx.Response], list[Image.Image]]:
    """The decoded pictures of an answer, whichever way they came."""

    def read(response: httpx.Response) -> list[Image.Image]:
        assert response.status_code == 200, response.text
        found: list[Image.Image] = []
        for item in response.json()["data"]:
            data = base64.b64decode(item["b64_json"]) if "b64_json" in item else http.get(item["url"]).content
            picture = Image.open(io.BytesIO(data))
            picture.load()
            found.append(picture)
        return found

    return read
