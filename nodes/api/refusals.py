"""Error answers, whatever their shape, as the pack's exceptions.

Sources: docs.lumenfall.ai/api-reference/errors and the error reference of Lumenfall's agent skill. Codes
decide, then the status; never the ``type``, in which the vendor's own pages disagree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..errors import (
    ApiError,
    AuthenticationFailed,
    Charged,
    ContentPolicyViolation,
    InsufficientBalance,
    InvalidRequest,
    LumenfallError,
    ModelUnavailable,
    NotFound,
    PayloadTooLarge,
    ProvidersExhausted,
    RateLimited,
    ServerFault,
)
from .advice import FORBIDDEN, find_advice
from .metadata import read_metadata, request_id
from .salvage import read_json
from .shapes import begins_as_picture

_BY_CODE: dict[str, type[ApiError]] = {
    "AUTHENTICATION_FAILED": AuthenticationFailed,
    "INVALID_API_KEY": AuthenticationFailed,
    "INSUFFICIENT_BALANCE": InsufficientBalance,
    "INSUFFICIENT_QUOTA": InsufficientBalance,
    "BILLING_HARD_LIMIT_REACHED": InsufficientBalance,
    "INVALID_REQUEST": InvalidRequest,
    "CONTENT_POLICY_VIOLATION": ContentPolicyViolation,
    "MODERATION_BLOCKED": ContentPolicyViolation,
    "MODEL_NOT_FOUND": ModelUnavailable,
    "MODEL_DISABLED": ModelUnavailable,
    "RATE_LIMITED": RateLimited,
    "RATE_LIMIT_EXCEEDED": RateLimited,
    "ALL_PROVIDERS_EXHAUSTED": ProvidersExhausted,
    "UPSTREAM_ERROR": ServerFault,
    "INTERNAL_ERROR": ServerFault,
}

_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    402: InsufficientBalance,
    403: AuthenticationFailed,
    404: NotFound,
    405: NotFound,
    413: PayloadTooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    501: NotFound,
}

NOT_BEGUN = {"RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE", "OVERLOADED", "SERVER_OVERLOADED"}
"""Codes of a server that has not begun, and may be asked again. Any other 503 may come after the work."""

# RFC 9110 and 6585: the request was not processed. 408, 409, 424, 499 and what no standard names may come after the
# work, and so may 302 and 303, which lead from a POST to its result.
_NOT_PROCESSED = frozenset(
    {301, 307, 308, *range(400, 408), *range(410, 418), 421, 422, 425, 426, 428, 429, 431, 451, 501, 505, 511}
)

# Of gateways in the style of one-api, which say it with status 503 and sometimes without a code.
_NO_PROVIDER = re.compile(r"no available (channel|provider)", re.IGNORECASE)

_LONGEST_QUOTE = 600

PROXY_ADVICE = "Check the user and password in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the server in NO_PROXY."


def is_doubtful(error: LumenfallError) -> bool:
    """Whether a refusal may come after the work, or be charged all the same, whatever it says: by its status that of
    the server itself, and 403 and redirects, which others on the way give too; and whatever its status one by policy,
    one that says that nothing was begun, or that puts it off.
    """
    if error.status is None:
        return False
    is_by_status = error.status == 403 or not 400 <= error.status < 500
    is_by_word = isinstance(error, ContentPolicyViolation) or says_nothing_was_begun(error) or is_put_off(error)
    return is_by_status or is_by_word


def says_nothing_was_begun(error: LumenfallError) -> bool:
    """Whether a refusal says so itself: there is nobody who could have worked on it."""
    return isinstance(error, ModelUnavailable) and not is_put_off(error)


def is_put_off(error: LumenfallError) -> bool:
    """Whether a refusal asks for the request to be sent again later."""
    return error.code in NOT_BEGUN


@dataclass(frozen=True)
class Refusal:
    """The parts of an error body that could be read."""

    message: str
    code: str | None
    names: tuple[str, ...] = ()
    """What else it is called: by its type, where it has no code, and by the code of an error inside it."""


def find_refusal(body: Any) -> Refusal | None:
    """The error in a decoded JSON body, or None.

    Known shapes: ``{"error": {"message", "code"}}``, ``{"error": {"error_code"}}``, ``{"error": "text"}``, flat
    ``{"error_code", "message"}``, ``{"detail": ...}``, ``{"errors": [...]}``, and a list of one of them (Google).
    """
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, Mapping):
        return None
    refusal = _find(body)
    return refusal and replace(refusal, message=_shorten(refusal.message))


def _find(body: Mapping[str, Any]) -> Refusal | None:
    error = body.get("error")
    if isinstance(error, str) and error:
        return Refusal(error, _code(body))
    if isinstance(error, Mapping) and error:
        message = str(error.get("message") or error.get("detail") or "no message")
        return Refusal(message, _code(error) or _code(body), _names(error))
    if body.get("error_code"):
        return Refusal(str(body.get("message") or body.get("error_message") or "no message"), _code(body))
    title = body.get("title") if isinstance(body.get("status"), int) else None  # RFC 9457
    said = body.get("message") or body.get("msg") or title
    if body.get("data") is None and (body.get("detail") or said):
        return Refusal(_detail(body.get("detail")) or str(said), _code(body) or _type(body.get("detail")))
    complaints = body.get("errors")
    if isinstance(complaints, list) and complaints and isinstance(complaints[0], Mapping):
        first = complaints[0]
        return Refusal(str(first.get("message") or first.get("detail") or first.get("title")), _code(first))
    return None


def error_for(status: int, headers: Mapping[str, str], body: bytes, content: Any = None) -> ApiError:
    """The exception for an error answer: an error status, or a 200 whose body is an error. ``content`` is the body
    decoded, where it is no plain JSON.

    It is charged where the body names a cost; not charged where the code, or else the status, or else the text, says
    that nothing was made; else that is not known: a cost of nothing is no word on that, for the bill may come later;
    nor is one that cannot be a cost, which however contradicts the others.
    """
    content = _json(body) if content is None else content
    refusal = find_refusal(content) or Refusal(_describe(headers, body, content), None)
    code = refusal.code.upper() if refusal.code else None
    named = _BY_CODE.get(code or "")
    if not named and code not in NOT_BEGUN and status not in _BY_STATUS and _NO_PROVIDER.search(refusal.message):
        named = ModelUnavailable
    by_proxy = not named and (status == 407 or "proxy-authenticate" in headers)
    advice = find_advice([refusal.code])
    if not advice and status in _NOT_PROCESSED and not by_proxy:
        # Nothing was made, whatever is meant: a prompt that is quoted changes nothing of what is said of money.
        is_vague = named in (None, ModelUnavailable, InvalidRequest)
        advice = find_advice(refusal.names, refusal.message if is_vague else "")
    named = advice.kind if advice else named
    if status == 403 and not named and not by_proxy:
        advice = FORBIDDEN
    kind = named or _BY_STATUS.get(status) or (ServerFault if status >= 500 else ApiError)
    if by_proxy:
        # What it refuses says nothing of the server's key.
        kind = ApiError
    charged = Charged.NO if status in _NOT_PROCESSED and not named else Charged.UNKNOWN
    if code in NOT_BEGUN or (named and named.default_charged is Charged.NO):
        charged = Charged.NO
    metadata = read_metadata(content)
    # What an account would need is named with a refusal too.
    cost = None if kind is InsufficientBalance else metadata.cost or None
    if cost:
        charged = Charged.YES
    elif metadata.is_cost_odd and charged is Charged.NO and kind is not InsufficientBalance:
        charged = Charged.UNKNOWN
    message = refusal.message
    who = "proxy" if by_proxy else "server"
    hint = None
    if 300 <= status < 400:
        hint = f"Redirects are not followed: set the base URL to where it leads{_target(headers)}."
    elif status == 511:
        hint = "The network wants a login first: open a page in a browser on this machine, and then run again."
    elif by_proxy:
        hint = PROXY_ADVICE
    elif code in NOT_BEGUN or kind is RateLimited:
        hint = _pause(headers)
    elif advice:
        hint = advice.hint
        code = code if advice is FORBIDDEN and code else advice.code
    return kind(
        f"The {who} refused ({status}): {message}{'' if message.endswith(('.', '!', '?')) else '.'}",
        hint=hint,
        code=code or _code_without_body(kind, status),
        request_id=request_id(headers),
        status=status,
        charged=charged,
        cost=cost,
        currency=metadata.cost_currency,
    )


def _pause(headers: Mapping[str, str]) -> str:
    """How long to wait, where the server says that, and it is long."""
    seconds = headers.get("retry-after", "").strip()
    if not re.fullmatch(r"\d{1,6}", seconds) or int(seconds) <= 60:
        return RateLimited.default_hint
    return f"The server asks to wait for {math.ceil(int(seconds) / 60)} minutes; then queue again."


def _target(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without what may be secret in it, and without the path of the endpoint."""
    try:
        parts = urlsplit(headers.get("location", ""))
        where = parts.hostname and f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return ""
    path = re.sub(r"/images/(generations|edits|variations)/?$", "", parts.path)
    return f" ({where or ''}{path[:100]})" if (where or path) and path.isprintable() else ""


def _type(detail: Any) -> str | None:
    """What one of FastAPI's complaints is called, where that is a code that is known (fal)."""
    entries = detail if isinstance(detail, list) else []
    types = [str(entry.get("type")) for entry in entries if isinstance(entry, Mapping)]
    return next((name for name in types if name.upper() in _BY_CODE), None)


def _detail(detail: Any) -> str:
    """FastAPI's ``detail``: text, or a list of ``{"loc", "msg"}``."""
    if isinstance(detail, list):
        return "; ".join(str(entry.get("msg")) for entry in detail if isinstance(entry, Mapping))
    return str(detail or "")


def _code(body: Mapping[str, Any]) -> str | None:
    found = body.get("code") or body.get("error_code")
    # LiteLLM repeats the status there.
    return found if isinstance(found, str) and re.fullmatch(r"(?!\d+$)[A-Za-z0-9_.-]{1,64}", found) else None


def _names(error: Mapping[str, Any]) -> tuple[str, ...]:
    inner = [error.get(name) for name in ("inner_error", "innererror")]
    found = [
        None if _code(error) else error.get("type"),
        *(each.get("code") for each in inner if isinstance(each, Mapping)),
    ]
    return tuple(name for name in found if isinstance(name, str))


def _code_without_body(kind: type[ApiError], status: int) -> str:
    return f"HTTP_{status}" if kind in (ApiError, ServerFault) else kind.default_code


def _json(body: bytes) -> Any:
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return None


def _describe(headers: Mapping[str, str], body: bytes, content: Any) -> str:
    """What can be told of a body that holds no known error."""
    if begins_as_picture(body):
        return "a picture came"
    text = body[:20_000].decode("utf-8", "replace").strip()
    is_answer = isinstance(content, (Mapping, list)) and ("data" in content or _LINK.search(text))
    if text in ("", "{}") or is_answer:
        return "no explanation"
    return web_page(headers, body) or _shorten(text)


def web_page(headers: Mapping[str, str], body: bytes) -> str | None:
    """What is to be said of a body that is a web page; None where it is none."""
    text = body[:20_000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title:
        return f"a web page titled {_shorten(title.group(1))!r}, which usually comes from a proxy in between"
    if "html" in headers.get("content-type", ""):
        return "a web page, which usually comes from a proxy in between"
    return None


# Links to pictures need no key, and messages are shown, logged and shared.
_LINK = re.compile(r"\b(https?):/?/?([^\s/?#\"'<>\\]*)[^\s\"'<>]*|\bdata:[^\s\"'<>]*", re.IGNORECASE)


def _without_link(match: re.Match[str]) -> str:
    return f"(a link to {match[2]})" if match[2] else "(a link)"


def _shorten(text: str) -> str:
    text = _LINK.sub(_without_link, text)
    # A lone surrogate, which JSON may hold, could be neither shown nor logged.
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
