"""What can go wrong on the way, by name.

A fault strikes the next request to its endpoint that is not a dry run, once; a list of them is used up in order.
It either answers *instead* of the work, and nothing is billed; or it spoils an answer that was already made, and that
answer stays billed. ``hang`` and the resets are of the second kind: the worst case, in which a client that sends again
pays twice. A request that is refused anyway leaves a fault of the second kind for the next one.
"""

from __future__ import annotations

import difflib
import email.utils
import gzip
import io
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from PIL import Image

from . import sending
from .dialects import DIALECTS
from .drifting import DRIFTS
from .fault import Fault, Instead, SpoilText, page
from .media_faults import MEDIA_FAULTS
from .refusal import Refusal


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


def _page(status: int, title: str) -> Instead:
    return lambda fault, request: page(status, title)


def _json(status: int, body: dict[str, Any]) -> Instead:
    return lambda fault, request: web.json_response(body, status=status)


def _text(status: int, text: str) -> Instead:
    return lambda fault, request: web.Response(status=status, text=text)


def _redirect(fault: Fault, request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": str(request.url.with_path("/elsewhere"))})


def _busy_until_a_date(fault: Fault, request: web.Request) -> web.Response:
    response = Refusal("SERVICE_UNAVAILABLE", "Overloaded, the request was not started.").answer()
    response.headers["Retry-After"] = email.utils.formatdate(time.time() + 1, usegmt=True)
    return response


def _error_in_200(fault: Fault, request: web.Request) -> web.Response:
    response = Refusal("UPSTREAM_ERROR", "The provider failed.").answer()
    response.set_status(200)
    return response


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


def _refused_late(response: web.Response) -> web.Response:
    answer = json.loads(response.text or "")
    error = {"message": "The picture was blocked after it was made.", "code": "MODERATION_BLOCKED"}
    return web.json_response({"error": error, "metadata": answer["metadata"]}, status=400)


def _called_gzip(response: web.Response) -> web.Response:
    response.headers["Content-Encoding"] = "gzip"
    return response


def _cut_gzip(response: web.Response) -> web.Response:
    packed = gzip.compress((response.text or "").encode())
    response.body = packed[: len(packed) // 2]
    return _called_gzip(response)


_UNBILLED = (
    Fault("status-400", "400", instead=_refusing("INVALID_REQUEST", "The parameter 'size' is not supported.")),
    Fault("status-401", "401", instead=_refusing("AUTHENTICATION_FAILED", "The API key was revoked.")),
    Fault("status-402", "402", instead=_refusing("INSUFFICIENT_BALANCE", "Insufficient balance: required 0.05.")),
    Fault("status-403", "403 without a code", instead=_json(403, {"error": "Forbidden"})),
    Fault("status-404", "404, no such model", instead=_refusing("MODEL_NOT_FOUND", "The model was not found.")),
    Fault("status-408", "408", instead=_text(408, "Request Timeout")),
    Fault("status-409", "409", instead=_json(409, {"error": {"message": "Conflict.", "type": "conflict_error"}})),
    Fault("status-499", "499, as a gateway logs a client that left", instead=_text(499, "")),
    Fault("redirect", "307 to another address", instead=_redirect),
    Fault(
        "no-channel",
        "503 of a gateway that has no provider for the model",
        instead=_json(503, {"error": {"message": "No available channel for model x", "type": "new_api_error"}}),
    ),
    Fault("status-413", "413 with a web page", instead=_page(413, "413 Request Entity Too Large")),
    Fault("status-415", "415", instead=_json(415, {"detail": "Unsupported Media Type"})),
    Fault(
        "status-422",
        "422 with a list of complaints",
        instead=_json(422, {"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]}),
    ),
    Fault(
        "status-429",
        "429 with Retry-After",
        instead=_refusing("RATE_LIMITED", "Too many requests.", for_now=True),
    ),
    Fault(
        "retry-after-long",
        "429 with an hour of Retry-After",
        retry_after=3600,
        instead=_refusing("RATE_LIMITED", "Too many requests.", for_now=True),
    ),
    Fault("status-500", "500", instead=_refusing("INTERNAL_ERROR", "Something broke.")),
    Fault("plain-500", "500 with plain text", instead=_text(500, "Internal Server Error")),
    Fault(
        "status-502",
        "502, all providers failed",
        instead=_refusing("ALL_PROVIDERS_EXHAUSTED", "All providers failed: sandbox (timeout)."),
    ),
    Fault("html-502", "502 with a web page", instead=_page(502, "502 Bad Gateway")),
    Fault(
        "flat-error",
        "502 with error_code and message at the top",
        instead=_json(502, {"error_code": "UPSTREAM_ERROR", "message": "The provider failed."}),
    ),
    Fault(
        "status-503",
        "503 with Retry-After and the usual envelope",
        instead=_refusing("SERVICE_UNAVAILABLE", "Overloaded, the request was not started.", for_now=True),
    ),
    Fault("retry-after-date", "503 with a date a second ahead in Retry-After", instead=_busy_until_a_date),
    Fault(
        "html-503",
        "503 with a web page, as proxies send it",
        instead=_page(503, "503 Service Temporarily Unavailable"),
    ),
    Fault("status-504", "504 before any work", instead=_page(504, "504 Gateway Time-out")),
    Fault("status-524", "524 before any work", instead=_page(524, "524: A timeout occurred")),
    Fault(
        "content-policy",
        "400, the provider's moderation",
        instead=_refusing("CONTENT_POLICY_VIOLATION", "The picture was rejected by the provider's content policy."),
    ),
    Fault("error-in-200", "200 with an error inside", instead=_error_in_200),
)

_BILLED = (
    Fault("cut-json", "a complete answer with half of the JSON", spoil_text=lambda text: text[: len(text) // 2]),
    Fault("empty-data", "success without pictures", spoil_text=_with_data(lambda data: [])),
    Fault("null-data", "success with null for pictures", spoil_text=_with_data(lambda data: None)),
    Fault("bad-base64", "pictures in broken base64", spoil_text=_with_data(_bad_base64)),
    Fault("cut-picture", "pictures that end half-way", spoil_files=_cut_files),
    Fault("not-a-picture", "web pages instead of pictures", spoil_files=_text_files),
    Fault("fewer-pictures", "one picture less, but never none", spoil_files=lambda files: files[:-1] or files),
    Fault("mixed-sizes", "every second picture at half its size", spoil_files=_halve_every_second),
    Fault("late-504", "a proxy's 504 in place of the answer", spoil_answer=lambda _: page(504, "504 Gateway Time-out")),
    Fault("charged-400", "400 that names what it cost", spoil_answer=_refused_late),
    Fault("text-success", "200 with a web page", spoil_answer=lambda _: page(200, "Welcome to nginx!")),
    Fault("wrong-gzip", "an answer that is not the gzip it claims to be", spoil_answer=_called_gzip),
    Fault("cut-gzip", "half of a compressed answer", spoil_answer=_cut_gzip),
    Fault("reset-before-headers", "connection reset in place of the answer", sending=sending.reset),
    Fault("reset-mid-body", "connection reset half-way through the answer", sending=sending.reset_half_way),
    Fault(
        "cut-after-first-picture",
        "connection lost when the first of several pictures is through",
        sending=sending.cut_after_first_picture,
    ),
    Fault("hang", "no answer at all", sending=sending.hang),
    Fault("slow-drip", "an answer that comes byte by byte", sending=sending.drip),
    Fault("endless-body", "headers, and then bytes without end", sending=sending.endless),
)

FAULTS = {fault.name: fault for fault in (*_UNBILLED, *_BILLED, *DIALECTS, *DRIFTS, *MEDIA_FAULTS)}
