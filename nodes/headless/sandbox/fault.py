"""What a fault is: one thing that goes wrong, and where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

Instead = Callable[["Fault", web.Request], web.Response]
SpoilFiles = Callable[[list[bytes]], list[bytes]]
SpoilText = Callable[[str], str]
SpoilAnswer = Callable[[web.Response], web.Response]
Sending = Callable[[web.Request, web.Response], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. Vary a known one with ``dataclasses.replace``."""

    name: str
    about: str
    endpoint: str = "images/"  # what the endpoint's name starts with, such as models or media/
    retry_after: int = 0  # seconds, in the answers that carry the header
    instead: Instead | None = None
    spoil_files: SpoilFiles | None = None
    spoil_text: SpoilText | None = None
    spoil_answer: SpoilAnswer | None = None
    sending: Sending | None = None

    @property
    def billed(self) -> bool:
        return self.instead is None


def page(status: int, title: str) -> web.Response:
    """A web page, as proxies answer with it; nothing on it comes from Lumenfall."""
    text = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return web.Response(status=status, text=text, content_type="text/html")
