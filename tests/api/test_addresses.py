"""One server under several spellings."""

from __future__ import annotations

import pytest

from nodes.api import canonical, spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTPS://API.Lumenfall.ai/openai/v1", "https://api.lumenfall.ai/openai/v1"),
        ("https://api.lumenfall.ai:443/openai/v1", "https://api.lumenfall.ai/openai/v1"),
        ("https://api.lumenfall.ai./openai/v1/", "https://api.lumenfall.ai/openai/v1"),
        ("http://127.0.0.1:8787/openai/v1", "http://localhost:8787/openai/v1"),
        ("http://[::1]:8787/openai/v1", "http://localhost:8787/openai/v1"),
        ("http://localhost:80/v1", "http://127.0.0.1/v1"),
        ("http://host//openai/v1", "http://host/openai/v1"),
        ("http://host/openai/./x/../v1/.", "http://host/openai/v1"),
        ("http://host/../v1", "http://host/v1"),
        ("http://host/%76%31/%7e", "http://host/v1/~"),
        ("http://host/%2e/v1", "http://host/v1"),
        ("http://host/a%2fb", "http://host/a%2Fb"),
        ("http://host/\u00fc", "http://host/%C3%BC"),
    ],
)
def test_the_same_server(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.lumenfall.ai/openai/v1", "http://api.lumenfall.ai/openai/v1"),
        ("https://api.lumenfall.ai/openai/v1", "https://api.lumenfall.ai/v1"),
        ("https://api.lumenfall.ai/openai/v1", "https://lumenfall.ai/openai/v1"),
        ("http://localhost:8787/v1", "http://localhost:8788/v1"),
        ("http://[2001:db8::1]/v1", "http://[2001:db8::2]/v1"),
        ("http://host/V1", "http://host/v1"),
        ("http://host/a%2Fb", "http://host/a/b"),
        ("http://host/a%25b", "http://host/a%b"),
        ("http://host/v1/...", "http://host/v1"),
        ("http://a.localhost:8000/v1", "http://b.localhost:8000/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.2:8000/v1"),
    ],
)
def test_another_server(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8787/v1", "HTTP://Host:80/v1", "http://[2001:db8::1]:81/v1", "http://h//./%76"]
)
def test_every_spelling_means_the_same(url: str) -> None:
    assert spellings(url)[0] == url and canonical(url) in spellings(url)
    assert {canonical(other) for other in spellings(url)} == {canonical(url)}
