"""Ways to use the client, and a small HTTP server for what the sandbox never does: proxies, odd model lists, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest
import tenacity

from nodes.api import Client, ImageRequest, Reply, Server, downloads, retries, write_request

T = TypeVar("T")
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (retries, downloads):
        monkeypatch.setattr(module, "_backoff", tenacity.wait_none())
    monkeypatch.setattr(downloads, "LAG", (0.0,) * len(downloads.LAG))


def using(server: Server, work: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Client(server) as opened:
            return await work(opened)

    return asyncio.run(main())


def send(server: Server, trace_id: str | None = None, **parameters: Any) -> Reply:
    """Order small pictures of a cat."""
    request = ImageRequest("generations", "gpt-image-2", "a cat", parameters={"size": "64x64", **parameters})
    return using(server, lambda opened: opened.send(write_request(request, server.flavour), trace_id=trace_id))


@dataclass
class OddServer:
    """Answers every request with ``answer(path)`` and remembers what arrived."""

    port: int = 0
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def odd_server(answer: Callable[[str], Answer], tls: ssl.SSLContext | None = None) -> Iterator[OddServer]:
    odd = OddServer()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            odd.seen.append((self.command, self.path, headers))
            odd.bodies.append(self.rfile.read(int(headers.get("content-length", 0))))
            try:
                status, extra, body = answer(self.path)
            except ConnectionAbortedError:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_CONNECT = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    odd.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield odd
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
