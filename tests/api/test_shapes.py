"""Answers of servers that put their pictures elsewhere than OpenAI does."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from nodes import errors
from nodes.api import Picture, holds_pictures, read_answer
from nodes.errors import Charged, ConnectionFailed, LumenfallError


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nthe rest of it").decode()
MADE = Picture(content=b"\x89PNG\r\n\x1a\nthe rest of it")
LINKED = Picture(url="https://media/1")


@pytest.mark.parametrize(
    ("content", "picture"),
    [
        ({"data": {"url": "https://media/1"}}, LINKED),
        ({"data": {"image_urls": ["https://media/1"]}}, LINKED),
        ({"data": {"outputs": ["https://media/1"]}}, LINKED),
        ({"data": [], "images": ["https://media/1"]}, LINKED),
        ({"image": {"url": "https://media/1"}}, LINKED),
        ({"output": "https://media/1"}, LINKED),
        ({"image_url": {"url": "https://media/1"}}, LINKED),
        ("https://media/1", LINKED),
        ({"artifacts": [{"base64": PNG}]}, MADE),
        ({"result": {"image": PNG}}, MADE),
        ({"images": [PNG]}, MADE),
        ({"b64_json": PNG, "created": 1}, MADE),
        ({"data": [{"url": {"url": f"data:image/png;base64,{PNG}"}}]}, MADE),
        (f"data:image/png;base64,{PNG}", MADE),
        ({"data": [{"url": f"DATA:IMAGE/PNG;BASE64,{PNG}"}]}, MADE),
        ({"images": [f" data:image/png;base64,{PNG}"]}, MADE),
        ({"images": ["HTTPS://media/1"]}, Picture(url="HTTPS://media/1")),
        ({"choices": [{"message": {"images": [{"image_url": {"url": f"data:image/png;base64,{PNG}"}}]}}]}, MADE),
        ({"choices": [{"message": {"content": f"Here: ![it](data:image/png;base64,{PNG})"}}]}, MADE),
        ({"choices": [{"message": {"content": "![it](https://media/1)"}}]}, LINKED),
        ({"choices": [{"message": {"images": [{"image_url": {"url": "https://media/1"}}]}}]}, LINKED),
        ({"output": [{"type": "reasoning"}, {"type": "image_generation_call", "result": PNG}]}, MADE),
        ({"candidates": [{"content": {"parts": [{"text": "x"}, {"inlineData": {"data": PNG}}]}}]}, MADE),
        ({"data": {"image_base64": [PNG]}}, MADE),
        ({"data": [{"image": PNG}]}, MADE),
        ({"data": [{"imageURL": "https://media/1.png", "imageBase64Data": None}]}, Picture(url="https://media/1.png")),
        ({"images": ["/files/1.png"]}, Picture(url="/files/1.png")),
        ({"result": {"sample": "https://media/1.jpeg?sig=a%2Fb"}}, Picture(url="https://media/1.jpeg?sig=a%2Fb")),
        (
            {"input": {"image": PNG}, "files": [{"href": "https://m/view?name=1.webp&t=2"}]},
            Picture(url="https://m/view?name=1.webp&t=2"),
        ),
    ],
)
def test_a_picture_is_read_wherever_a_gateway_puts_it(content: Any, picture: Picture) -> None:
    answer = read_answer(200, {}, body(content))
    assert (answer.pictures, answer.entries, answer.beyond, answer.notes) == ((picture,), 1, 0, ())


ESCAPED = PNG.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


@pytest.mark.parametrize(
    "written",
    [
        f"data:image/png;base64,{ESCAPED}",
        ESCAPED,
        repr(PNG.encode()),
        f'"{PNG}"',
        f"base64,{PNG}",
        f"\u200b{PNG}",
        gzip.compress(MADE.content or b"", mtime=0),
    ],
)
def test_base64_is_read_however_it_was_put_into_a_text(written: str | bytes) -> None:
    text = base64.b64encode(written).decode() if isinstance(written, bytes) else written
    assert read_answer(200, {}, body({"data": [{"b64_json": text}]})).pictures == (MADE,)


@pytest.mark.parametrize("size", [64, 3_000_000])
def test_escapes_in_base64_are_read_over_the_ends_of_pieces(size: int) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"\xfb\xff" * size
    text = "data:image/png;base64," + base64.b64encode(picture).decode().replace("/", "%2F").replace("=", "%3D")
    assert read_answer(200, {}, body({"data": [{"url": text}]})).pictures == (Picture(content=picture),)


@pytest.mark.parametrize(
    "packed",
    [
        body(json.dumps({"data": [{"b64_json": PNG}]})),
        body({"data": json.dumps([{"b64_json": PNG}])}),
        body({"statusCode": 200, "body": json.dumps({"data": [{"b64_json": PNG}]})}),
        PNG.encode(),
        f"data:image/png;base64,{PNG}\n".encode(),
    ],
)
def test_an_answer_is_read_that_was_packed_twice_or_not_at_all(packed: bytes) -> None:
    answer = read_answer(200, {}, packed)
    assert (answer.pictures, answer.notes) == ((MADE,), ())


@pytest.mark.parametrize("text", [b"https://docs.example.com is where to look", b"OK", b"bm90IGEgcGljdHVyZQ=="])
def test_a_text_that_is_no_picture_is_none(text: bytes) -> None:
    with pytest.raises(LumenfallError, match="no JSON"):
        read_answer(200, {}, text)


SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    "file",
    [
        ("\ufeff" + SVG).encode("utf-16-le"),
        SVG.encode("utf-16-be"),
        f"<!--{'x' * 9000}-->{SVG}".encode(),
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
    ],
)
def test_a_vector_picture_is_an_answer_as_it_is(file: bytes) -> None:
    assert read_answer(200, {}, file).pictures == (Picture(content=file),)


@pytest.mark.parametrize(
    ("kind", "content", "is_picture"),
    [("image/tiff", b"II*\0rest", True), ("image/png", b"<html>login</html>", False), ("text/plain", b"II*\0", False)],
)
def test_what_a_server_calls_a_picture_is_one_that_was_paid_for(kind: str, content: bytes, is_picture: bool) -> None:
    if is_picture:
        assert read_answer(200, {"content-type": kind}, content).pictures == (Picture(content=content),)
    else:
        with pytest.raises(LumenfallError):
            read_answer(200, {"content-type": kind}, content)


def test_a_page_that_holds_a_drawing_is_no_picture_and_is_named() -> None:
    page = f"<!-- a page --><html><head><title>Welcome to the hotel</title></head>{SVG}</html>".encode()
    with pytest.raises(LumenfallError, match="a web page titled 'Welcome to the hotel'"):
        read_answer(200, {"content-type": "text/html"}, page)


def test_of_a_flood_without_names_no_more_is_taken_than_may_be_wanted() -> None:
    flood = {"choices": [{"message": {"image": f"https://media/{number}.png"}} for number in range(12)]}
    answer = read_answer(200, {}, body(flood), most=10)
    assert (len(answer.pictures), answer.entries, answer.beyond) == (10, 10, 2)


@pytest.mark.parametrize(
    "content",
    [
        {"data": ["I cannot draw that", "x" * 64]},
        {"choices": [{"message": {"content": "![" * 200_000}}]},  # within a second
        {"output": "I cannot draw that."},
        {"message": "see", "url": 5},
        {"images": [{"image_url": {"detail": "high"}}]},
        {"status": "queued", "id": "job-1"},
        {"status": "queued", "status_url": "https://queue/1", "urls": {"get": "https://queue/1"}},
        {"status": "failed", "input": {"image": f"data:image/png;base64,{PNG}"}, "preview": "https://media/1.png"},
    ],
)
def test_words_are_not_taken_for_a_picture(content: Any) -> None:
    with pytest.raises(LumenfallError) as caught:
        read_answer(200, {}, body(content))
    assert caught.value.charged is Charged.UNKNOWN


def event(kind: str, **content: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **content})}\n\n".encode()


PREVIEW = event("image_edit.partial_image", b64_json="iVBORw0KGgo=", partial_image_index=0)
DONE = event("image_edit.completed", b64_json=PNG, usage={"total_tokens": 5})


@pytest.mark.parametrize(
    "stream", [PREVIEW + DONE, b": hello\r\n\r\n" + DONE.replace(b"\n", b"\r\n") + b"data: [DONE]"]
)
def test_a_picture_of_a_stream_is_no_preview_for_a_field_that_is_empty(stream: bytes) -> None:
    stream = stream.replace(b'"usage"', b'"partial_image_index": null, "usage"')
    assert read_answer(200, {}, stream).pictures == (MADE,)


def test_a_job_is_called_that() -> None:
    with pytest.raises(LumenfallError, match="began a job") as caught:
        read_answer(202, {}, body({"id": "task_1", "status": "queued"}))
    assert caught.value.charged is Charged.UNKNOWN and caught.value.request_id == "task_1"


@pytest.mark.parametrize(
    "stream", [PREVIEW + DONE, b": hello\r\n\r\n" + DONE.replace(b"\n", b"\r\n") + b"data: [DONE]"]
)
def test_the_end_of_a_stream_of_events_is_the_picture(stream: bytes) -> None:
    answer = read_answer(200, {}, stream)
    assert (answer.pictures, answer.notes) == ((MADE,), ())


@pytest.mark.parametrize(
    "stream",
    [
        b"\xef\xbb\xbf" + DONE,
        DONE.replace(b'{"type"', b'{\ndata: "type"').replace(b"}\n", b"\ndata: }\n"),
        b'event: image_edit.partial_image\ndata: {"b64_json": "iVBORw0KGgo="}\n\nevent: image_edit.completed\n'
        + DONE.partition(b"\n")[2],
        event("response.output_item.done", item={"result": PNG})
        + event("response.completed", response={"result": PNG}),
        b'data: {"b64_json":\ndata: "' + PNG.encode() + b'"\ndata: }\n\n',
        event("chunk", choices=[{"delta": {"images": [{"image_url": {"url": f"data:image/png;base64,{PNG}"}}]}}]),
    ],
    ids=["mark", "lines", "named", "responses", "apart", "chat"],
)
def test_events_are_read_in_every_spelling(stream: bytes) -> None:
    answer = read_answer(200, {}, stream)
    assert (answer.pictures, answer.notes) == ((MADE,), ())


def test_what_a_stream_said_is_not_taken_back_by_nothing() -> None:
    stream = event("done", b64_json=PNG, usage={"cost": 0.06}) + event("end", usage=None)
    assert read_answer(200, {}, stream).cost == 0.06


def test_a_stream_that_breaks_off_keeps_what_was_completed() -> None:
    answer = read_answer(200, {}, DONE + DONE[: len(DONE) // 2], "the connection broke")
    assert answer.pictures == (MADE,) and "broke off (the connection broke); 1 picture" in answer.notes[0]
    with pytest.raises(ConnectionFailed, match="no picture of it could be saved"):
        read_answer(200, {}, PREVIEW + DONE[:90], "the connection broke")


def test_the_error_in_a_stream_of_events_is_told() -> None:
    failed = event("error", error={"message": "blocked", "code": "moderation_blocked"})
    with pytest.raises(errors.ContentPolicyViolation, match="blocked"):
        read_answer(200, {}, PREVIEW + failed)


def test_several_lines_of_json_are_one_answer() -> None:
    lines = body({"b64_json": PNG}) + b"\n" + body({"url": "https://media/1"}) + b"\n"
    assert read_answer(200, {}, lines).pictures == (MADE, LINKED)


@pytest.mark.parametrize("signs", [b"\n \n" * 5000, b": OPENROUTER PROCESSING\n\n" * 50])
def test_signs_of_life_before_an_answer_do_no_harm(signs: bytes) -> None:
    pretty = json.dumps({"data": [{"b64_json": PNG}], "metadata": {"cost": 0.04}}, indent=2).encode()
    answer = read_answer(200, {}, signs + pretty)
    assert (answer.pictures, answer.cost, answer.notes) == ((MADE,), 0.04, ())


@pytest.mark.parametrize("start", ['{"images": [', '{"created": 1, "images": [', "["])
def test_of_any_list_that_breaks_off_the_first_pictures_are_saved(start: str) -> None:
    text = start + json.dumps({"image_url": "https://media/1"}) + ', {"image_url": "https://me'
    assert read_answer(200, {}, text.encode()).pictures == (LINKED,)


def test_a_refusal_that_quotes_what_was_sent_holds_no_picture() -> None:
    quoted = {"error": {"message": "too large"}, "image": f"data:image/png;base64,{PNG}", "url": "https://docs/errors"}
    assert not holds_pictures(body(quoted))
    assert holds_pictures(body({"error": {"message": "one failed"}, "images": ["https://media/1"]}))


SVG = '<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>'


@pytest.mark.parametrize(
    "content",
    [
        {"data": [{"b64_json": base64.b64encode(SVG.encode()).decode()}]},
        {"data": [{"b64_json": SVG}]},
        {"data": [{"svg": SVG}]},
        {"data": [SVG]},
        {"data": [base64.b64encode(SVG.encode()).decode()]},
        {"images": ["data:image/svg+xml;utf8," + quote(SVG)]},
        {"data": [{"url": "data:image/svg+xml," + quote(SVG)}]},
        {"data": [{"url": "data:image/svg+xml;base64," + base64.b64encode(SVG.encode()).decode()}]},
    ],
)
def test_a_vector_picture_is_read_wherever_it_stands(content: dict[str, Any]) -> None:
    assert read_answer(200, {}, body(content)).pictures == (Picture(SVG.encode()),)


def test_a_vector_picture_as_the_body_is_the_picture() -> None:
    assert read_answer(200, {}, SVG.encode()).pictures == (Picture(SVG.encode()),)


def test_a_long_vector_text_comes_whole() -> None:
    long = SVG.replace("<rect/>", "<rect/>" * 20_000)
    assert read_answer(200, {}, body({"data": [{"b64_json": long}]})).pictures == (Picture(long.encode()),)


@pytest.mark.parametrize("broken", ["it is compressed in an unknown way, utf-8", "the connection broke"])
def test_a_picture_as_the_body_is_read_whatever_was_wrong_around_it(broken: str) -> None:
    answer = read_answer(200, {}, b"\n\n" + MADE.content, broken) if MADE.content else None
    assert answer and answer.pictures == (MADE,) and broken in answer.notes[0]
