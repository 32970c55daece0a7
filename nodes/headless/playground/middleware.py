"""What is done for every request: foreign pages are refused, and browsers told what to keep."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...host import Host, use

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@web.middleware
async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 for requests that a page of another site makes, and for names that are not this machine's: behind one
    that was made to point here could be a page of anybody's.
    """
    host = urlsplit(f"//{request.headers.get('Host', '')}")
    origin = request.headers.get("Origin")
    same_origin = origin is None or urlsplit(origin).netloc.lower() == host.netloc.lower()
    if not _is_here(host.hostname) or not same_origin or request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise web.HTTPForbidden(text="The playground answers to its own page only.")
    return await handler(request)


@web.middleware
async def forbid_stale_files(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The start page and the extensions are always read anew; a browser asks before it uses its copy of the rest."""
    response = await handler(request)
    changing = request.path == "/" or request.path.startswith("/extensions/")
    if not response.prepared:
        response.headers.setdefault("Cache-Control", "no-store" if changing else "no-cache")
    return response


def on(host: Callable[[], Host]) -> Any:
    """A middleware that makes ``host()`` the current host of whatever answers the request."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        with use(host()):
            return await handler(request)

    return handle


def _is_here(name: str | None) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False
