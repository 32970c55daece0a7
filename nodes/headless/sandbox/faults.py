"""What can go wrong on the way, by name.

A fault strikes the next request to its endpoint that is not a dry run, once; a list of them is used up in order.
It either answers *instead* of the work, and nothing is billed; or it spoils an answer that was already made, and that
answer stays billed. ``hang`` and the resets are of the second kind: the worst case, in which a client that sends again
pays twice. A request that is refused anyway leaves a fault of the second kind for the next one.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from PIL import Image

from .media import SHELF
from .refusal import Refusal

STOPPING = web.AppKey("stopping", asyncio.Event)

Instead = Callable[["Fault", web.Request], web.Response]
SpoilFiles = Callable[[list[bytes]], list[bytes]]
SpoilText = Callable[[str], str]
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
    sending: Sending | None = None

    @property
    def billed(self) -> bool:
        return self.instead is None


def parse(text: str) -> list[Fault]:
    """``NAME`` or ``NAME:COUNT``, as on the command line. Raises ValueError."""
    name, colon, count = text.partition(":")
    if name not in FAULTS:
        close = difflib.get_close_matches(name, FAULTS, n=1)
        raise ValueError(f"unknown fault '{name}'" + (f", did you mean '{close[0]}'?" if close else ""))
    if colon and not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError(f"'{text}' needs a count of 1 or more after the colon")
    return [FAULTS[name]] * (int(count) if colon else 1)


# --- instead of an answer ---


def _refusing(code: str, message: str, *, for_now: bool = False) -> Instead:
    def refuse(fault: Fault, request: web.Request) -> web.Response:
        raise Refusal(code, message, retry_after=fault.retry_after if for_now else None)

    return refuse


def _html(fault: Fault, request: web.Request) -> web.Response:
    page = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
    return web.Response(status=503, text=page, content_type="text/html")


def _flat(fault: Fault, request: web.Request) -> web.Response:
    return web.json_response({"error_code": "UPSTREAM_ERROR", "message": "The provider failed."}, status=502)


def _error_in_200(fault: Fault, request: web.Request) -> web.Response:
    response = Refusal("UPSTREAM_ERROR", "The provider failed.").answer()
    response.set_status(200)
    return response


def _expire(fault: Fault, request: web.Request) -> web.Response:
    shelf = request.app[SHELF]
    shelf.expire(request.match_info["name"])
    return shelf.serve(request)


def redirect(request: web.Request) -> web.Response:
    """To the same picture with a higher ``hop``; the server answers every address with a ``hop`` like this."""
    hop = request.query.get("hop", "0")
    target = request.url.with_query(hop=int(hop) + 1 if hop.isdecimal() else 1)
    return web.Response(status=302, headers={"Location": str(target)})


# --- an answer that was made, spoilt ---


def _cut_files(files: list[bytes]) -> list[bytes]:
    return [data[: len(data) // 2] for data in files]


def _text_files(files: list[bytes]) -> list[bytes]:
    return [b"<!doctype html><title>Not a picture</title>"] * len(files)


def _halve_every_second(files: list[bytes]) -> list[bytes]:
    return [_halved(data) if place % 2 else data for place, data in enumerate(files)]


def _halved(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        file = io.BytesIO()
        picture.reduce(2).save(file, picture.format)
    return file.getvalue()


def _with_data(change: Callable[[list[Any]], Any]) -> SpoilText:
    def spoil(text: str) -> str:
        body = json.loads(text)
        return json.dumps(body | {"data": change(body["data"])})

    return spoil


def _bad_base64(data: list[Any]) -> list[Any]:
    # Decoders that skip foreign characters are left with one character, which is no base64 either.
    return [{"b64_json": "@@@@A"} for _ in data]


async def _reset(request: web.Request, response: web.Response) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        # Lingering for zero seconds makes closing a TCP reset rather than an orderly end.
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return response


async def _reset_half_way(request: web.Request, response: web.Response) -> web.StreamResponse:
    body = response.body if isinstance(response.body, bytes) else b""
    begun = web.StreamResponse(status=response.status, headers=response.headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])
    await _reset(request, response)
    return begun


async def _hang(request: web.Request, response: web.Response) -> web.StreamResponse:
    await request.app[STOPPING].wait()
    return await _reset(request, response)


_TABLE = (
    Fault(
        "status-429",
        "429 with Retry-After",
        instead=_refusing("RATE_LIMITED", "Too many requests.", for_now=True),
    ),
    Fault("status-500", "500", instead=_refusing("INTERNAL_ERROR", "Something broke.")),
    Fault(
        "status-502",
        "502, all providers failed",
        instead=_refusing("ALL_PROVIDERS_EXHAUSTED", "All providers failed: sandbox (timeout)."),
    ),
    Fault(
        "status-503",
        "503 with Retry-After and the usual envelope",
        instead=_refusing("SERVICE_UNAVAILABLE", "Overloaded, the request was not started.", for_now=True),
    ),
    Fault("html-503", "503 with a web page, as proxies send it", instead=_html),
    Fault("flat-error", "502 with error_code and message at the top", instead=_flat),
    Fault("error-in-200", "200 with an error inside", instead=_error_in_200),
    Fault("cut-json", "a complete answer with half of the JSON", spoil_text=lambda text: text[: len(text) // 2]),
    Fault("empty-data", "success without pictures", spoil_text=_with_data(lambda data: [])),
    Fault("null-data", "success with null for pictures", spoil_text=_with_data(lambda data: None)),
    Fault("bad-base64", "pictures in broken base64", spoil_text=_with_data(_bad_base64)),
    Fault("cut-picture", "pictures that end half-way", spoil_files=_cut_files),
    Fault("not-a-picture", "web pages instead of pictures", spoil_files=_text_files),
    Fault("fewer-pictures", "one picture less, but never none", spoil_files=lambda files: files[:-1] or files),
    Fault("mixed-sizes", "every second picture at half its size", spoil_files=_halve_every_second),
    Fault("reset-before-headers", "connection reset in place of the answer", sending=_reset),
    Fault("reset-mid-body", "connection reset half-way through the answer", sending=_reset_half_way),
    Fault("hang", "no answer at all", sending=_hang),
    Fault("expired-link", "a picture's link expires as it is used", endpoint="media/", instead=_expire),
    Fault("download-reset", "a download is reset half-way", endpoint="media/", sending=_reset_half_way),
    Fault(
        "redirect-loop",
        "a download is redirected without end",
        endpoint="media/",
        instead=lambda fault, request: redirect(request),
    ),
)
FAULTS = {fault.name: fault for fault in _TABLE}
