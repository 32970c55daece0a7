"""An answer takes little more memory than its bytes, whatever is in it, and nothing of it is lost by that."""

from __future__ import annotations

import base64
import json
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from nodes.api import error_for, holds_pictures, read_answer
from nodes.api.long_texts import LONG, LongText, decode_base64
from nodes.api.salvage import complete_members, read_json
from nodes.errors import AnswerError

CONTENT = os.urandom(3 * LONG + 1)
TEXT = base64.b64encode(CONTENT).decode()
LINK = {"url": "https://media.example.org/1.png"}
MIB = 2**20


def answer(*data: Any, **more: Any) -> bytes:
    return json.dumps({"data": data, "metadata": {"cost": 0.04}, **more}, ensure_ascii=False).encode()


EACH = 600
"""Bytes that may be taken for each text, of which there are two hundred thousand at most."""

WIDE = "\U0001f600"

SLOWEST = "very many texts"

LARGE = {
    "a picture": answer({"b64_json": base64.b64encode(bytes(12 * MIB)).decode()}),
    "a wide character": answer(LINK, more=WIDE + "a" * 16 * MIB),
    "escapes": answer(LINK, more=json.dumps('"' * 100_000 + "a" * 16 * MIB)),
    "many texts": answer(LINK, more=[WIDE + "a" * 60_000] * 700),
    SLOWEST: answer(LINK, more=[WIDE + "a" * 280] * 140_000),
    "broken off": answer(LINK, more=WIDE + "a" * 16 * MIB)[:-40],
}


def _refused(body: bytes) -> Any:
    return error_for(500, {}, body)


def _read(body: bytes) -> Any:
    return read_answer(200, {}, body)


@pytest.mark.parametrize(
    ("name", "read"),
    [*((name, _read) for name in LARGE), *((name, _refused) for name in sorted(LARGE.keys() - {SLOWEST}))],
)
def test_an_answer_is_not_unfolded_in_memory(name: str, read: Callable[[bytes], Any]) -> None:
    body = LARGE[name]
    tracemalloc.start()
    try:
        read(body)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(body) + EACH * body.count(b",")
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(LARGE.keys() - {"broken off"}))
def test_nothing_of_a_large_answer_is_lost(name: str) -> None:
    read = read_answer(200, {}, LARGE[name])
    assert (len(read.pictures), read.cost, read.notes) == (1, 0.04, ())
    assert holds_pictures(LARGE[name])


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(TEXT),
        json.dumps(TEXT).replace("/", "\\/"),
        json.dumps(TEXT).replace("+", "\\u002B"),
        json.dumps("\r\n".join(TEXT[place : place + 76] for place in range(0, len(TEXT), 76))),
        json.dumps(TEXT.replace("+", "-").replace("/", "_").rstrip("=")),
        json.dumps(f"data:image/png;base64,{TEXT}"),
    ],
    ids=["plain", "slashes escaped", "by number", "lines", "of URLs", "data URL"],
)
@pytest.mark.parametrize("field", ["b64_json", "url"])
def test_a_long_picture_is_read_as_it_was_written(written: str, field: str) -> None:
    if field == "url" and "data:" not in written:
        written = written.replace('"', '"data:image/png;base64,', 1)
    body = f'{{"data": [{{"{field}": {written}}}]}}'.encode()
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (picture,) = read_answer(200, {}, body.decode().encode(encoding)).pictures
        assert picture.content == CONTENT


@pytest.mark.parametrize("place", [5, LONG, -5])
@pytest.mark.parametrize("damage", ["=", "\u00e9", "?", "\\\\"])
def test_a_long_picture_that_is_damaged_is_told(place: int, damage: str) -> None:
    written = TEXT[:place] + damage + TEXT[place:]
    body = f'{{"data": [{{"b64_json": "{written}"}}, {{"url": "https://media.example.org/1.png"}}]}}'.encode()
    read = read_answer(200, {}, body)
    assert [picture.url for picture in read.pictures] == [LINK["url"]]
    assert "its base64 is damaged" in read.notes[0]


def test_what_comes_before_a_long_text_that_breaks_off_is_saved() -> None:
    body = answer({"b64_json": TEXT}, {"b64_json": TEXT})
    for end in (len(body) - 50, len(body) - LONG, body.rindex(b'"b64_json"') + 15):
        read = read_answer(200, {}, body[:end], "the connection broke")
        assert [picture.content for picture in read.pictures] == [CONTENT]


@pytest.mark.parametrize("quotes", ['\\"', '\\\\\\"', "\\\\", '\\\\\\\\ \\"'])
def test_a_text_ends_with_its_own_quote(quotes: str) -> None:
    text = json.loads(f'"{quotes * LONG}"')
    found = read_json(f'{{"a": "{quotes * LONG}", "b": ["{quotes}", {{"c": "{quotes * LONG}"}}]}}'.encode())
    assert isinstance(found["a"], LongText) and found["a"].whole() == found["b"][1]["c"].whole() == text
    assert found["b"][0] == json.loads(f'"{quotes}"') and text.startswith(found["a"][:100])


def test_a_text_of_backslashes_keeps_nobody_busy() -> None:
    body = b'{"a": "' + b"\\" * 2 * MIB + (b'\\"' + b"\\" * 20_000) * 50 + b'", "data": []}'
    assert read_json(body)["data"] == []


def test_a_link_and_a_message_may_be_long() -> None:
    link = f"https://media.example.org/1.png?signature={'ab' * LONG}"
    (picture,) = read_answer(200, {}, answer({"url": link, "revised_prompt": "p" * LONG * 2})).pictures
    assert picture.url == link
    long = json.dumps({"error": {"message": "no " * LONG, "code": "INVALID_REQUEST"}}).encode()
    assert error_for(400, {}, long).message.startswith("The server refused (400): no no")
    assert complete_members(long)["error"]["code"] == "INVALID_REQUEST"


def test_a_short_picture_is_read_by_the_same_rules() -> None:
    assert decode_base64("aGV sbG8") == b"hello"
    with pytest.raises(AnswerError, match="its base64 is damaged"):
        read_answer(200, {}, b'{"data": [{"b64_json": "aGVs=bG8="}]}')
