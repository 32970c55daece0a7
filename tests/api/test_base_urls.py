"""What people paste as a base URL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from nodes.api import Server
from nodes.api.base_urls import read_base_url
from nodes.errors import Charged, InputError, LumenfallError
from nodes.headless.host import Headless
from nodes.pixels import encode
from tests.api.conftest import Answer, OddServer, odd_server, using
from tests.conftest import Nodes


@pytest.mark.parametrize(
    "base",
    [
        "ftp://x/v1",
        "https://",
        "https:///v1",
        "mailto:me@x.ai",
        "a base url",
        "https://me@x/v1",
        "https://x/v1?a=b",
        "http://[::1/v1",
        "http://x:99999999/v1",
        "https:/x.ai/v1",
        "https//x.ai/v1",
        "https://https://x.ai/v1",
        "https;//x.ai/v1",
        "https://x.ai\\v1",
    ],
)
def test_a_base_url_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(InputError, match="base URL"):
        read_base_url(base)


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ('"https://x.ai/v1"', "https://x.ai/v1"),
        ("\u201chttps://x.ai/v1/\u201d ", "https://x.ai/v1"),
        ("<https://x.ai/v1>", "https://x.ai/v1"),
        ("https://x.ai/v1#", "https://x.ai/v1"),
        ("https://x.ai/v1/#/", "https://x.ai/v1"),
        ("x.ai/v1", "https://x.ai/v1"),
        ("x.ai:8443/v1", "https://x.ai:8443/v1"),
        ("localhost:1234/v1", "http://localhost:1234/v1"),
        ("127.0.0.1:8787/openai/v1", "http://127.0.0.1:8787/openai/v1"),
        ("https://x.ai/v1/images/generations", "https://x.ai/v1"),
        ("https://x.ai/v1/images/edits/", "https://x.ai/v1"),
        ("https://x.ai/api/v1/chat/completions#", "https://x.ai/api/v1"),
        ("https://x.ai/v1/models", "https://x.ai/v1"),
        ("https://x.ai/v1?", "https://x.ai/v1"),
        ("https://x.ai/v1.", "https://x.ai/v1"),
        ("https://x.ai/v1/,", "https://x.ai/v1"),
        ("\ufeffhttps://x.ai/v1\u200b", "https://x.ai/v1"),
    ],
)
def test_what_came_along_as_a_base_url_was_copied_is_no_part_of_it(pasted: str, meant: str) -> None:
    assert read_base_url(pasted) == meant


PAGE = b"\n<!DOCTYPE html><html><title>Console</title></html>"
PNG = encode(torch.zeros(8, 8, 3))
HTML = {"content-type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("path", "answer", "named"),
    [
        ("", (200, HTML, PAGE), True),
        ("/api", (200, HTML, PAGE), True),
        ("/v1", (200, HTML, PAGE), False),
        ("/api/v1beta/openai", (200, HTML, PAGE), False),
        ("", (200, {"content-type": "text/plain"}, b"ok"), False),
        ("", (502, HTML, PAGE), False),
    ],
)
def test_a_web_page_without_a_version_in_the_address_is_called_that(
    path: str, answer: tuple[int, dict[str, str], bytes], named: bool
) -> None:
    with odd_server(lambda _: answer) as odd, pytest.raises(LumenfallError) as caught:
        using(Server(odd.url + path), lambda opened: opened.get("models"))
    assert caught.value.charged is (Charged.NO if answer[0] == 200 else Charged.UNKNOWN)
    assert (caught.value.code == "BASE_URL") is named
    assert (f"Try {odd.url}{path}/v1 as the base URL" in caught.value.hint) is named


def test_who_knows_better_has_a_base_url_used_as_it_is(tmp_path: Path) -> None:
    def answer(path: str) -> Answer:
        return (200, HTML, PAGE) if path.endswith("/models") else (200, {"content-type": "image/png"}, PNG)

    def run(url: str, **env: str) -> None:
        data = {"LUMENFALL_BASE_URL": url, "LUMENFALL_DATA_DIR": str(tmp_path)}
        Nodes(Headless({**data, **env}))("LumenfallGenerate", prompt="a cat", model="m", size="8x8")

    with odd_server(answer) as odd:
        with pytest.raises(InputError, match="address of a web page") as caught:
            run(f"{odd.url}/api")
        (way_on,) = re.findall(r"(LUMENFALL_\w+)=off", caught.value.hint)
        assert _posts(odd) == 0
        run(f"{odd.url}/api", **{way_on: "off"})
        assert _posts(odd) == 1


def _posts(odd: OddServer) -> int:
    return sum(method == "POST" for method, *_ in odd.seen)


@pytest.mark.parametrize(
    "url",
    ["https://me.openai.azure.com/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview"],
)
def test_an_address_of_azure_is_answered_with_the_one_that_works(url: str) -> None:
    with pytest.raises(InputError) as caught:
        read_base_url(url)
    assert "openai.azure.com/openai/v1" in caught.value.hint
