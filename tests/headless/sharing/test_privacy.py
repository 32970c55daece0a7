"""What is private in a text, and what is not."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from nodes.headless.sharing.keys import keys
from nodes.headless.sharing.names import cut_names, portable
from nodes.headless.sharing.privacy import private_places, without


def cleaned(text: str) -> str:
    text = without(text, keys(text))
    return without(text, private_places(text))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/cat.png", "cat.png"),
        ("/Users/ann/a b/c d.png", "c d.png"),
        ("C:\\Users\\Ann Doe\\Pictures\\my cat.png", "my cat.png"),
        ("D:/models/x.safetensors", "x.safetensors"),
        ("see D:\\new\\renders\\x.png and D:\\temp\\art\\y.png", "see x.png and y.png"),
        ("model:/home/anna/x.png", "model:x.png"),
        ("PATH=/usr/bin:/home/anna/bin", "PATH=/usr/bin:bin"),
        ("see C:/Users\\anna\\x.png or C:/Users/anna/y.png", "see x.png or y.png"),
        ("in /var/home/anna/x.png and /run/media/anna/USB/y.png", "in x.png and y.png"),
        ("Load /Users/Anna Smith/x.png now", "Load x.png now"),
        ("HTTP://LOCALHOST:8188/view at NAS.LOCAL or gpu-2.lan", "... at ... or ..."),
        ("\\\\nas\\share\\x.png", "x.png"),
        ("see file:///home/ann/x.txt, please", "see x.txt, please"),
        ("in ~/art/x.png and /home/ann", "in x.png and "),
        ("http://localhost:8188/view?a=b", "..."),
        ("at nas.local or 10.0.0.7:80, see http://box:1234/x.", "at ... or ..., see ..."),
        ("ws://127.0.0.1/ws", "..."),
        ("localhost", "..."),
        ("Bearer abcdefghijklmnop", "Bearer ***"),
        ("hf_abcdefghijklmnopqrstuv", "***"),
        ("http://[fd00::1]:8188/view and http://[::1]:8188/", "... and ..."),
        ("at [fe80::1%eth0]:80, fd12:3456:789a::1 or [fd00::1]", "at ..., ... or ..."),
        ("100.64.0.1 and http://100.127.255.254:8188/view", "... and ..."),
        ("http://box.tail1234.ts.net:8188 or box.tail1234.ts.net", "... or ..."),
        ("https://ann:pa55word@example.com/x", "https://***@example.com/x"),
        ("postgresql://ann:pw@db.example.com/x", "postgresql://***@db.example.com/x"),
        ("https://a.example.com/v1?api_key=ABCDEF1234&x=1", "https://a.example.com/v1?api_key=***&x=1"),
        (
            "https://a.example.com/m/1?type=Model&token=0123456789abcdef",
            "https://a.example.com/m/1?type=Model&token=***",
        ),
        ("https://b.example.com/x.png?X-Amz-Signature=0123abcd#p", "https://b.example.com/x.png?X-Amz-Signature=***#p"),
        ('before {"api_key": "0123456789abcdef"} after', 'before {"api_key": "***"} after'),
        ('"{\\"accessToken\\": \\"abcdefgh1234\\"}"', '"{\\"accessToken\\": \\"***\\"}"'),
        ("curl -H 'Authorization: Basic YW5uOnBhNTV3b3Jk' x", "curl -H 'Authorization: Basic ***' x"),
        ("Authorization: Bearer abcd1234efgh5678ijkl, see below", "Authorization: Bearer ***, see below"),
        ("export OPENAI_API_KEY=0123456789abcdef0123", "export OPENAI_API_KEY=***"),
        ("client_secret: GOCSPX-a1B2c3D4e5F6g7H8", "client_secret: ***"),
        ("API key: 4f3c2b1a9e8d7c6b5a4f3e2d1c0b9a88", "API key: ***"),
        ("OPENAI_KEY=4f3c2b1a9e8d7c6b5a4f3e2d1c0b9a88", "OPENAI_KEY=***"),
        ("the password: Sommer2024!, see", "the password: ***, see"),
        ("https://a.example.com/?auth=4f3c2b1a9e8d7c6b5a4f3e2d1c0b9a88", "https://a.example.com/?auth=***"),
        ("https://discord.com/api/webhooks/" + "1122334455667788990/AbCdEfGhIjKlMnOpQrStUvWxYz012345", "https://***"),
        ("https://hooks.slack.com/" + "services/T01ABCDEF/B02ABCDEF/a1B2c3D4e5F6g7H8", "https://***"),
        (
            "https://api.telegram.org/" + "bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0/x",
            "https://api.telegram.org/***/x",
        ),
        ("https://ann_token_abcdefg123@github.com/x", "https://***@github.com/x"),
        ("sk_" + "live_abcdefghijklmnopqrstuv", "***"),
        ("sk-or-v1-0123456789abcdef and sk-0a1b2c3d4e5f60718293", "*** and ***"),
        ("sk-Zq3_x9KfT2-mWb7RyLpQ1v", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nx", "***\nx"),
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
        "https://***@example.com/x?token=***",
        '{"api_key": "YOUR_API_KEY_1234", "token": "<token 12>"}, api_key=$API_KEY_OF_MINE_2',
        "2001:4860:4860::8888 and http://[2606:4700::1111]/",
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


@pytest.mark.parametrize(
    ("prefix", "left"),
    [
        ("12:30/fox", "12-30/fox"),
        ('a?b*"c"|<d>', "a-b--c---d-"),
        ("a./b. ", "a/b"),
        ("%date:yyyy-MM-dd hh:mm%/%Load: x.image%", "%date:yyyy-MM-dd hh-mm%/%Load: x.image%"),
        ("../a/100% 50%", "../a/100% 50%"),
        ("a/b\\c", "a/b\\c"),
    ],
)
def test_a_prefix_is_made_a_name_that_every_system_takes(prefix: str, left: str) -> None:
    assert portable(prefix) == left


HARMLESS = (Path(__file__).parent / "prompts.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("text", HARMLESS)
def test_prompts_as_people_write_them_raise_no_alarm(text: str) -> None:
    assert cleaned(text) == text


def test_a_long_text_is_read_in_a_moment() -> None:
    """A packed picture in a text, and lines that look like the beginning of something over and over."""
    for part in ("QUJD-_", "a-", "x.y", "api_key", "://a:", "/home/", "fd00:", "[::", "token", "-eyJ", "password:"):
        started = process_time()
        keys(part * 30_000)
        private_places(part * 30_000)
        assert process_time() - started < 5, part
