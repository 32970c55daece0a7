"""Once the server has begun to answer, whatever has arrived is kept and read as far as it goes."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import httpx
import pytest

from nodes.api import Server, client, error_for, holds_pictures, read_answer, salvage
from nodes.api.responses import read_dry_run
from nodes.errors import AnswerError, Charged, ConnectionFailed, DryRunCharged, LumenfallError
from nodes.headless.sandbox import Sandbox, sending
from tests.api.conftest import odd_server, send, using

KEY = "lmnfl_id.secret"
JSON = json.dumps({"data": [{"url": f"https://media.example.org/{number}.png"} for number in range(50)]}).encode()
GZIP, ZLIB = gzip.compress(JSON), zlib.compress(JSON)
RAW_DEFLATE = ZLIB[2:-4]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("reset-mid-body", "the connection broke"),
        ("cut-after-first-picture", "the connection broke"),
        ("slow-drip", "it did not end within 0.5 s"),
        ("endless-body", "it is larger than"),
        ("cut-gzip", "its gzip compression is cut off"),
    ],
)
def test_what_has_arrived_is_kept(sandbox: Sandbox, fault: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEADLINE", 0.5)
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100_000)
    sandbox.fail_next(fault)
    reply = send(Server(sandbox.base_url))
    assert reply.broken and reason in reply.broken
    assert reply.status == 200 and reply.body and len(sandbox.requests) == 1
    assert reply.headers["x-lumenfall-request-id"] == sandbox.bill[0].request_id


def test_an_answer_that_stops_coming_is_kept(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.3))
    monkeypatch.setattr(sending, "DRIP_PAUSE", 60)
    sandbox.fail_next("slow-drip")
    reply = send(Server(sandbox.base_url))
    assert reply.broken == "the rest did not come in time" and reply.body == b"{"


def test_the_pictures_before_the_break_are_saved(sandbox: Sandbox) -> None:
    sandbox.fail_next("cut-after-first-picture")
    reply = send(Server(sandbox.base_url), n=3, response_format="b64_json")
    answer = read_answer(reply.status, reply.headers, reply.body, reply.broken)
    assert len(answer.pictures) == answer.entries == 1 and answer.request_id == sandbox.bill[0].request_id
    assert (answer.pictures[0].content or b"").startswith(b"\x89PNG") and "1 picture of it" in answer.notes[0]


def test_without_a_whole_picture_it_says_why_and_that_it_may_have_cost() -> None:
    with pytest.raises(ConnectionFailed, match="it did not end within") as caught:
        read_answer(200, {"x-lumenfall-request-id": "req_1"}, b'{"data": [{"ur', "it did not end within 1200 s")
    assert caught.value.charged is Charged.UNKNOWN and caught.value.request_id == "req_1"


def test_a_whole_answer_over_a_broken_connection_is_whole() -> None:
    answer = read_answer(200, {}, JSON, "the connection broke")
    assert len(answer.pictures) == 50 and answer.notes == ()


def test_paid_answers_are_asked_for_uncompressed() -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        send(Server(f"{odd.url}/v1"))
        assert odd.seen[0][2]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", GZIP),
        ("gzip", gzip.compress(JSON[:9]) + gzip.compress(JSON[9:])),
        ("", gzip.compress(JSON[:9]) + gzip.compress(JSON[9:])),
        ("x-gzip", GZIP),
        ("GZIP", GZIP + b"\0\0"),
        ("deflate", ZLIB),
        ("deflate", RAW_DEFLATE),
        ("identity", JSON),
        ("identity", GZIP),
        ("", GZIP),
        ("deflate, gzip", gzip.compress(ZLIB)),
        ("gzip", b""),
        ("deflate", GZIP),
        ("gzip", ZLIB),
        ("br", GZIP),
        ("gzip", gzip.compress(GZIP)),
    ],
)
def test_a_compressed_answer_is_read_all_the_same(encoding: str, packed: bytes) -> None:
    with odd_server(lambda _: (200, {"content-encoding": encoding}, packed)) as odd:
        reply = send(Server(f"{odd.url}/v1"))
    assert reply.broken is None and reply.body == (JSON if packed else b"")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", GZIP[: len(GZIP) // 2]),
        ("gzip", GZIP[:-8] + b"damaged!"),
        ("gzip", GZIP[:200] + b"\xff" * 50),
        ("deflate", ZLIB[: len(ZLIB) // 2]),
    ],
)
def test_of_a_damaged_compression_the_beginning_is_had(encoding: str, packed: bytes) -> None:
    with odd_server(lambda _: (200, {"content-encoding": encoding}, packed)) as odd:
        reply = send(Server(f"{odd.url}/v1"))
    assert reply.broken and len(reply.body) > 100 and JSON.startswith(reply.body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compression_that_is_none_costs_no_picture(encoding: str) -> None:
    with odd_server(lambda _: (200, {"content-encoding": encoding}, JSON)) as odd:
        reply = send(Server(f"{odd.url}/v1"))
    assert reply.broken and reply.body == JSON


def test_a_small_answer_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 2**20)
    bomb = gzip.compress(bytes(64 * 2**20))
    with odd_server(lambda _: (200, {"content-encoding": "gzip"}, bomb)) as odd:
        reply = send(Server(f"{odd.url}/v1"))
    assert reply.broken and "hides" in reply.broken and len(reply.body) < 20 * 2**20


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32"])
def test_an_answer_in_another_encoding_is_read_as_all_others_are(charset: str) -> None:
    body = JSON.replace(b"media.example.org", KEY.encode())
    with odd_server(lambda _: (500, {}, body.decode().encode(charset))) as odd:
        assert send(Server(f"{odd.url}/v1", KEY)).body == body.replace(KEY.encode(), b"***")


def test_a_key_is_cut_out_of_a_compressed_answer() -> None:
    packed = gzip.compress(f"Incorrect API key: {KEY}".encode())
    with odd_server(lambda _: (401, {"content-encoding": "gzip"}, packed)) as odd:
        assert send(Server(f"{odd.url}/v1", KEY)).body == b"Incorrect API key: ***"


def test_a_key_in_escapes_is_cut_out_of_the_refusal_of_a_free_request() -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    body = f'{{"error": {{"message": "Incorrect API key: {escaped}"}}}}'.encode()
    with odd_server(lambda _: (401, {}, body)) as odd, pytest.raises(LumenfallError, match=r"key: \*\*\*") as caught:
        using(Server(f"{odd.url}/v1", KEY), lambda opened: opened.get("models"))
    assert KEY not in str(caught.value)


def test_a_key_that_a_picture_holds_does_not_damage_it() -> None:
    picture = b"\x89PNG\r\n\x1a\n a cat " + KEY.encode()
    with odd_server(lambda _: (200, {"content-type": "image/png"}, picture)) as odd:
        assert send(Server(f"{odd.url}/v1", KEY)).body == picture


BOMB = b'{"data": [%s]}'


@pytest.mark.parametrize("part", [b"{},", b"[],", b'"",', b"[[", b'{"":'])
def test_an_answer_of_very_many_parts_is_not_unfolded(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvage, "MOST_PARTS", 10_000)
    body = BOMB % (part * 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError) as caught:
            read_answer(200, {}, body, most=1)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert caught.value.charged is Charged.UNKNOWN
    assert holds_pictures(body) is False
    assert error_for(500, {}, body).charged is Charged.UNKNOWN


def test_what_comes_before_too_many_parts_is_saved() -> None:
    body = BOMB % (b'{"url": "https://media.example.org/1.png"}' + b",{}" * 1_000_000)
    answer = read_answer(200, {}, body, most=1)
    assert [picture.url for picture in answer.pictures] == ["https://media.example.org/1.png"]
    assert "more than 200,000 parts" in answer.notes[0]
    assert holds_pictures(body)


def test_a_dry_run_of_a_million_parts_is_no_estimate() -> None:
    with pytest.raises(DryRunCharged):
        read_dry_run(200, {}, BOMB % (b"{}," * 1_000_000))


@pytest.mark.parametrize("size", [33, 3])
def test_a_free_answer_is_small(size: int) -> None:
    body = gzip.compress(BOMB % (b'"%s",' % (b"x" * 2**20) * size if size > 9 else b"{}," * size * 2**20))
    with (
        odd_server(lambda _: (200, {"content-encoding": "gzip"}, body)) as odd,
        pytest.raises(LumenfallError, match=r"hides more than|200,000 parts") as caught,
    ):
        using(Server(f"{odd.url}/v1"), lambda opened: opened.get("models"))
    assert caught.value.charged is Charged.NO


LINK = "https://media.example.org/1.png"
GOOD = f'{{"url": "{LINK}", "b64_json": "iVBORw0KGgo="}}'


@pytest.mark.parametrize(
    ("count", "data"),
    [
        (1, '{"revised_prompt": "a cat\nat\tnight\0", "url": "LINK"}'),
        (1, r'{"revised_prompt": "a cat\'s \d \u12", "url": "LINK"}'),
        (2, '{"revised_prompt": "a "cat" at night", "url": "LINK"}, {"url": "LINK"}'),
        (2, '{"revised_prompt": "a 5" cat", "b64_json": "iVBORw0KGgo="}, GOOD'),
        (2, '{"url": "LINK",}, GOOD,'),
        (2, 'GOOD {"url": "LINK"}'),
    ],
)
def test_a_damaged_text_beside_a_picture_does_not_cost_it(count: int, data: str) -> None:
    entries = data.replace("GOOD", GOOD).replace("LINK", LINK)
    body = f'{{"data": [{entries}], "metadata": {{"cost": 0.04, "cost_currency": "USD"}}}}'.encode()
    answer = read_answer(200, {}, body)
    assert len(answer.pictures) == count and answer.cost == 0.04
    assert all(picture.url == LINK or picture.content == b"\x89PNG\r\n\x1a\n" for picture in answer.pictures)


def test_a_damaged_text_before_all_pictures_costs_none() -> None:
    body = f'{{"prompt": "a "cat"", "data": [{GOOD}, {GOOD}]}}'.encode()
    assert len(read_answer(200, {}, body).pictures) == 2


@pytest.mark.parametrize("comma", [", ", '\\"'])
def test_a_long_text_with_many_commas_beside_a_picture_does_not_cost_it(comma: str) -> None:
    text = comma * 250_000
    body = f'{{"prompt": "{text}", "data": [{{"revised_prompt": "{text}", "url": "{LINK}"}}, {GOOD}]}}'.encode()
    answer = read_answer(200, {}, body)
    assert len(answer.pictures) == 2 and answer.notes == ()


def test_many_parts_before_all_pictures_cost_none() -> None:
    parts = "0, " * 250_000
    body = f'{{"embedding": [{parts}0], "data": [{{"logits": [{parts}0], "url": "{LINK}"}}, {GOOD}]}}'.encode()
    assert len(read_answer(200, {}, body).pictures) == 2


def test_large_pictures_beside_a_damaged_text_are_whole() -> None:
    long = "iVBORw0KGgo" + "A" * 200_000
    body = f'{{"data": [{{"revised_prompt": "5" cat", "b64_json": "{long}"}}, {{"b64_json": "{long}"}}]}}'.encode()
    contents = [picture.content or b"" for picture in read_answer(200, {}, body).pictures]
    assert [len(content) for content in contents] == [len(long) * 3 // 4] * 2


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP"])
def test_an_answer_that_is_a_picture_is_that_picture(magic: bytes) -> None:
    answer = read_answer(200, {}, magic + b"rest")
    assert [picture.content for picture in answer.pictures] == [magic + b"rest"]
