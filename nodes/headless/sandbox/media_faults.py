"""What can go wrong when a finished picture is fetched. None of it costs anything."""

from __future__ import annotations

from aiohttp import web

from . import sending
from .fault import Fault, Instead, Sending, page
from .media import SHELF

PRIVATE_ADDRESS = "http://10.0.0.1/picture.png"


def redirect(request: web.Request) -> web.Response:
    """To the same picture with a higher ``hop``; the server answers every address with a ``hop`` like this."""
    hop = request.query.get("hop", "0")
    target = request.url.with_query(hop=int(hop) + 1 if hop.isdecimal() else 1)
    return web.Response(status=302, headers={"Location": str(target)})


def _expire(fault: Fault, request: web.Request) -> web.Response:
    shelf = request.app[SHELF]
    shelf.expire(request.match_info["name"])
    return shelf.serve(request)


def _half(fault: Fault, request: web.Request) -> web.Response:
    """As a cache answers that was cut off itself: the announced length is right, the picture is not whole."""
    body, content_type = _whole(request)
    return web.Response(body=body[: len(body) // 2], content_type=content_type)


def _filled(filler: bytes) -> Instead:
    """Half a picture, filled up to its length, as a download manager or a virus scanner leaves it."""

    def answer(fault: Fault, request: web.Request) -> web.Response:
        body, content_type = _whole(request)
        rest = len(body) - len(body) // 2
        return web.Response(body=body[: len(body) // 2] + (filler * rest)[-rest:], content_type=content_type)

    return answer


def _whole(request: web.Request) -> tuple[bytes, str]:
    response = request.app[SHELF].serve(request)
    return (response.body if isinstance(response.body, bytes) else b""), response.content_type


def _storage_error(status: int, code: str) -> Instead:
    """As object stores say it."""

    def answer(fault: Fault, request: web.Request) -> web.Response:
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'
        return web.Response(status=status, text=text, content_type="application/xml")

    return answer


async def _reset_and_ignore_ranges(request: web.Request, response: web.Response) -> web.StreamResponse:
    request.app[SHELF].ignore_ranges(request.match_info["name"])
    return await sending.reset_half_way(request, response)


def _instead(name: str, about: str, instead: Instead) -> Fault:
    return Fault(name, about, endpoint="media/", instead=instead)


def _while_sending(name: str, about: str, how: Sending) -> Fault:
    return Fault(name, about, endpoint="media/", sending=how)


MEDIA_FAULTS = (
    _instead("expired-link", "a picture's link expires as it is used", _expire),
    _instead("download-403", "403 for a picture", _storage_error(403, "AccessDenied")),
    _instead("download-404", "404 for a picture", _storage_error(404, "NoSuchKey")),
    _instead("download-429", "429 for a picture", _storage_error(429, "TooManyRequests")),
    _instead("download-500", "500 for a picture", _storage_error(500, "InternalError")),
    _instead("download-503", "503 for a picture", _storage_error(503, "SlowDown")),
    _instead("download-html", "200 with a web page instead of a picture", lambda *_: page(200, "Sign in to continue")),
    _instead("download-cut", "200 with the first half of a picture, announced as all of it", _half),
    _instead("download-zeros", "200 with half a picture, and zeros for the rest", _filled(b"\0")),
    _instead("download-page", "200 with half a picture, and a web page for the rest", _filled(b"<html>Sorry</html>")),
    _instead("download-empty", "200 with no bytes", lambda *_: web.Response(content_type="image/png")),
    _instead("redirect-loop", "a download is redirected without end", lambda _, request: redirect(request)),
    _instead(
        "redirect-private",
        "a download is redirected into a private network",
        lambda *_: web.Response(status=302, headers={"Location": PRIVATE_ADDRESS}),
    ),
    _while_sending("download-reset", "a download is reset half-way", sending.reset_half_way),
    _while_sending(
        "download-ignores-range",
        "a download is reset half-way, and can only be repeated from its beginning",
        _reset_and_ignore_ranges,
    ),
    _while_sending("download-short", "a download ends before its announced length", sending.short),
    _while_sending("download-drip", "a download comes byte by byte", sending.drip),
    _while_sending("download-endless", "a download has no end", sending.endless),
)
