"""What people paste as a base URL."""

from __future__ import annotations

import pytest

from nodes.api.base_urls import read_base_url
from nodes.errors import InputError


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
    ],
)
def test_what_came_along_as_a_base_url_was_copied_is_no_part_of_it(pasted: str, meant: str) -> None:
    assert read_base_url(pasted) == meant
