"""What is private in a text, and what is not."""

from __future__ import annotations

import pytest

from nodes.headless.sharing.names import cut_names
from nodes.headless.sharing.privacy import matches, without


def cleaned(text: str) -> str:
    return without(text, list(matches(text, lambda each: each)))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/cat.png", "cat.png"),
        ("/Users/ann/a b/c d.png", "c d.png"),
        ("C:\\Users\\Ann Doe\\Pictures\\my cat.png", "my cat.png"),
        ("D:/models/x.safetensors", "x.safetensors"),
        ("\\\\nas\\share\\x.png", "x.png"),
        ("see file:///home/ann/x.txt, please", "see x.txt, please"),
        ("in ~/art/x.png and /home/ann", "in x.png and "),
        ("http://localhost:8188/view?a=b", "..."),
        ("at nas.local or 10.0.0.7:80, see http://box:1234/x.", "at ... or ..., see ..."),
        ("ws://127.0.0.1/ws", "..."),
        ("localhost", "..."),
        ("Bearer abcdefghijklmnop", "Bearer ***"),
        ("hf_abcdefghijklmnopqrstuv", "***"),
    ],
)
def test_what_is_private_goes(text: str, left: str) -> None:
    assert cleaned(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a (cat:1.2) [b:0.5], 16:9, seed:12345 c:/ \\\\n",
        "https://github.com/home/ann/x and https://example.com:8443/Users/ann",
        "1.0.10.2 and 8.8.8.8",
        "It runs on localhost, or 127.0.0.1, only",
        "SDXL\\foo.safetensors",
        "task-abcdefghijklmnopqrstuv is at his/home/now",
        "{red|blue} // a comment /* and one more */",
        "workspace.local.json, skin-tone, sk-short",
        "portraits/%date:yyyy-MM-dd%/fox",
    ],
)
def test_what_is_not_private_stays(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize(
    ("prefix", "left"),
    [
        ("jane/cats/Jane_tom", "cats/tom"),
        ("jane", "ComfyUI"),
        ("janet/plane", "janet/plane"),
        ("a-jane-b", "a-b"),
        ("x\\jane\\y", "x/y"),
    ],
)
def test_a_name_is_cut_where_it_is_a_word(prefix: str, left: str) -> None:
    assert cut_names(prefix, ["jane"]) == left
