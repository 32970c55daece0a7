"""What becomes of a paid call when a proxy fails before the server can have heard of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from nodes.api import Server, client, retries
from nodes.api.exchange import NotSent, exchange
from nodes.errors import Charged, ConnectionFailed
from tests.api.conftest import send

KEY = "lmnfl_id.secret"


@contextlib.contextmanager
def listener(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Reads once from every connection, calls ``answer`` and closes it. Gives its address and what it has read."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    seen.append(connection.recv(65536))
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
        finally:
            # Wakes accept, which closing alone does not.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_proxy_that_closes_during_connect_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener(lambda _: None) as (url, seen):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(ConnectionFailed, match=r"example\.com could not be reached") as caught:
            send(Server("https://example.com/v1", KEY))
    assert caught.value.charged is Charged.NO
    assert len(seen) == retries.ATTEMPTS and all(head.startswith(b"CONNECT ") for head in seen)


def test_nor_has_one_that_talks_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(ConnectionFailed) as caught:
            send(Server("https://example.com/v1", KEY))
    assert caught.value.charged is Charged.NO


@pytest.mark.parametrize("bound", ["TIMEOUT", "DEADLINE"])
def test_one_that_never_answers_is_waited_for_once(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, bound, 0.3)
    over = threading.Event()
    with listener(lambda _: over.wait(10) and None) as (url, seen):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(ConnectionFailed) as caught:
            send(Server("https://example.com/v1", KEY))
        over.set()
    assert caught.value.charged is Charged.NO and len(seen) == 1


def test_a_server_that_closes_may_have_heard_it_all() -> None:
    with listener(lambda _: None) as (url, seen), pytest.raises(ConnectionFailed) as caught:
        send(Server(f"{url}/v1", KEY))
    assert caught.value.charged is Charged.UNKNOWN and len(seen) == 1


def test_who_closes_during_the_upload_has_nothing_to_work_on() -> None:
    with (
        listener(lambda _: None) as (url, seen),
        pytest.raises(ConnectionFailed, match=r"of 30\.00 MB") as caught,
    ):
        send(Server(f"{url}/v1", KEY), user="x" * 30_000_000)
    assert (
        caught.value.charged is Charged.NO and len(seen) == 1 and "the key, or requests as large" in caught.value.hint
    )


def test_nor_has_a_socks_proxy_whose_answer_makes_no_sense() -> None:
    """What the library of SOCKS proxies raises is none of httpx's errors, and the library is not always there."""
    malformed = type("ProtocolError", (Exception,), {"__module__": "socksio.exceptions"})

    class Socks(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise malformed("Malformed reply")

    async def post() -> None:
        async with httpx.AsyncClient(transport=Socks()) as opened:
            await exchange(opened, Server("https://example.com/v1"), "POST", "https://example.com", deadline=5, limit=9)

    with pytest.raises(NotSent, match="Malformed reply"):
        asyncio.run(post())


SECRETS = ("painter", "p@ss", "p%40ss", base64.b64encode(b"painter:p@ss").decode())


def test_a_proxy_that_quotes_its_credentials_in_its_refusal_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = f"HTTP/1.1 407 no {' '.join(SECRETS)}\r\nContent-Length: 0\r\n\r\n".encode()
    with listener(lambda connection: connection.sendall(refusal)) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//painter:p%40ss@"))
        with pytest.raises(ConnectionFailed, match=r"407 no \*\*\*") as caught:
            send(Server("https://example.com/v1", KEY))
    assert "user and password in HTTP_PROXY" in caught.value.hint
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_nor_is_one_that_does_so_in_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    page = f"Proxy-Authorization: Basic {' '.join(SECRETS)}".encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    with listener(lambda connection: connection.sendall(head + page)) as (url, _):
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", "//painter:p%40ss@"))
        reply = send(Server("http://example.com/v1", KEY))
    assert reply.body.startswith(b"Proxy-Authorization: Basic ***")
    assert not any(secret.encode() in reply.body for secret in SECRETS)
