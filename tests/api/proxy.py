"""A real proxy on loopback, which knows every name and writes down all that reaches it."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket

import trustme


@dataclass
class Proxy:
    """``seen``: each request with its headers and body, and what came through a tunnel as well."""

    url: str = ""
    authority: trustme.CA = field(default_factory=trustme.CA)
    """Signs for the hosts at the end of a tunnel."""
    body: bytes = b"{}"
    """Its answer to everything."""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [entry[:2] for entry in self.seen]


@contextlib.contextmanager
def recording_proxy() -> Iterator[Proxy]:
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            proxy.seen.append((self.command, self.path, headers, body))
            self.send_response(200)
            self.send_header("Content-Length", str(len(proxy.body)))
            self.end_headers()
            self.wfile.write(proxy.body)

        def do_CONNECT(self) -> None:
            proxy.seen.append((self.command, self.path, {}, b""))
            self.send_response(200)
            self.end_headers()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            proxy.authority.issue_cert(self.path.rpartition(":")[0]).configure_cert(context)
            with contextlib.suppress(OSError), context.wrap_socket(self.connection, server_side=True) as inside:
                Handler(inside, self.client_address, self.server)
            self.close_connection = True

        do_GET = do_POST = handle_any

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def verify_request(self, request: socket | tuple[bytes, socket], client_address: object) -> bool:
            proxy.connections += 1
            return True

    server = Server(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
