"""Answers under heads that no standard knows: what is paid for is read all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.api import Server
from nodes.api.heads import Mended, mended
from tests.api.conftest import send, using

BODY = json.dumps({"data": [{"b64_json": "iVBORw0KGgo="}]}).encode()
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@contextlib.contextmanager
def saying(answer: bytes, pieces: int = 10**6) -> Iterator[str]:
    """A server that says just this, so many bytes at a time; its address."""

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    reader = connection.makefile("rb")
                    size = 0
                    while line := reader.readline().strip():
                        name, _, value = line.partition(b":")
                        size = int(value) if name.lower() == b"content-length" else size
                    reader.read(size)
                    for place in range(0, len(answer), pieces):
                        connection.sendall(answer[place : place + pieces])
                    reader.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


HEADS = [
    [b"HTTP/1.1 200 OK", b"X-A : space before the colon", LENGTH],
    [b"HTTP/1.1 200 OK", b"Not A Name: x", LENGTH],
    [b"HTTP/1.1 200 OK", b"no colon", LENGTH],
    [b"HTTP/1.1 200 OK", b"X-A: a\0b", LENGTH],
    [b"HTTP/1.1 200 OK", b"X-A: " + b"a" * 200_000, LENGTH],
    [b"HTTP/1.1 200 OK", b"Transfer-Encoding: identity", LENGTH],
    [b"HTTP/1.1 200 OK", b"Content-Length: 5", LENGTH],
    [b"HTTP/1.1 200 OK", b"Content-Length: unknown"],
    [b"HTTP/1.1 200 OK", b"Content-Length: -1"],
    [b"HTTP/1.1 103 Early Hints", b"Bad Name: x", b"", b"HTTP/1.1 200 OK", b"Bad Name: x", LENGTH],
    [b"HTTP/2 200", LENGTH],
    [b"ICY 200 OK", LENGTH],
    [b"HTTP/1.0 200 OK"],
]


@pytest.mark.parametrize("pieces", [10**6, 7])
@pytest.mark.parametrize("lines", HEADS)
def test_a_paid_answer_is_read_whatever_its_head(lines: list[bytes], pieces: int) -> None:
    with saying(b"\r\n".join([*lines, b"", BODY]), pieces if len(b"".join(lines)) < 1000 else 10**6) as url:
        reply = send(Server(url))
    assert (reply.status, reply.body, reply.broken) == (200, BODY, None)


def test_chunks_are_read_under_what_else_was_done_on_the_way() -> None:
    with saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS) as url:
        assert send(Server(url)).body == BODY


def test_a_finished_picture_is_fetched_whatever_its_head(tmp_path: Path) -> None:
    with saying(b"HTTP/1.1 200 OK\r\nX-A : b\r\nTransfer-Encoding: identity\r\n\r\npicture") as url:
        assert using(Server(url), lambda opened: opened.download("/1.png", tmp_path / "1")) == b"picture"


@pytest.mark.parametrize("cut", [b"", b"HT", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_head_that_breaks_off_is_none(cut: bytes) -> None:
    with saying(cut) as url, pytest.raises(Exception, match="broke before an answer came"):
        send(Server(url))


def test_what_a_proxy_says_before_goes_on_at_once() -> None:
    said = [b"\5\0", b"\5\0\0\1\0\0\0\0\0\0", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\nrest", b"A : b\r\n\r\n", b""]
    waiting = iter(said)

    async def read(max_bytes: int, timeout: float | None = None) -> bytes:
        return next(waiting)

    async def all_of_it() -> list[bytes]:
        reading = Mended(read)
        return [await reading(100, timeout=1) for _ in said]

    assert asyncio.run(all_of_it()) == [*said[:2], b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest", *said[3:]]


def test_a_good_head_says_the_same_as_before() -> None:
    head = b"HTTP/1.1 200 OK\r\nDate: x\r\nSet-Cookie: a=b; c\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert mended(head) == head
