"""What is done for every request: foreign pages are refused, and browsers told what to keep."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...host import Host, use

PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@web.middleware
async def refuse_other_origins(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 for requests that a page of another site makes, and for names that are not this machine's: behind one
    that was made to point here could be a page of anybody's.
    """
    host = urlsplit(f"//{request.headers.get('Host', '')}")
    origin = request.headers.get("Origin")
    same_origin = origin is None or urlsplit(origin).netloc.lower() == host.netloc.lower()
    # As strict as the pack's own routes: another port of this machine is another page.
    is_own = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    if not _is_here(host.hostname) or not same_origin or not is_own:
        raise web.HTTPForbidden(text="The playground answers to its own page only.")
    return await handler(request)


@web.middleware
async def control_caches(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What ComfyUI tells caches (its middleware/cache_middleware.py): scripts, styles and the start page are always
    read anew, pictures kept for a day. Of all the rest it says nothing, so that browsers keep old files for a while.
    """
    response = await handler(request)
    name = request.path.rpartition("/")[2]
    is_index = name.startswith("index") and name.endswith(".json")
    if response.prepared:
        return response
    if is_index or name == "" or name.endswith((".js", ".css")):
        response.headers.setdefault("Cache-Control", "no-store")
    elif name.lower().endswith(PICTURES) and response.status == 200:
        response.headers.setdefault("Cache-Control", "public, max-age=86400")
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
