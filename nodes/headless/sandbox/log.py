"""Everything that arrived: what tests assert on, and what the native API lists as requests."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from .refusal import Refusal, invalid

PAGE, MAX_PAGE = 20, 100

# W3C Trace Context: version, trace, span, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(eq=False)
class Received:
    """One request as it came over the wire, and what became of it.

    ``fields`` is the JSON body, or the text fields of a form (a list where a name was repeated); ``files`` has the
    bytes of uploads by field name. ``status`` stays None as long as no whole answer has left.
    """

    method: str
    path: str
    endpoint: str  # such as images/edits or models/{id}; empty when the address leads nowhere
    headers: dict[str, str]  # names in lower case
    query: dict[str, str]
    request_id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex[:24]}")
    content_type: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)
    status: int | None = None
    model: str = "unknown"
    provider: str = "sandbox"
    cost: Decimal = Decimal(0)
    error: Refusal | None = None
    arrived: float = field(default_factory=time.time)
    finished: float | None = None
    purged: bool = False

    @classmethod
    def from_request(cls, request: web.Request, endpoint: str) -> Received:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return cls(request.method, request.path, endpoint, headers, dict(request.query))

    @property
    def is_dry_run(self) -> bool:
        return self.query.get("dryRun") == "true"

    @property
    def trace_id(self) -> str | None:
        match = _TRACEPARENT.fullmatch(self.headers.get("traceparent", ""))
        return match[1] if match and int(match[1], 16) else None

    async def read(self, request: web.Request) -> None:
        """Take in the body, whatever it is. Raises a refusal when it is not what its content type says."""
        self.content_type = request.content_type
        try:
            if self.content_type == "multipart/form-data":
                await self._read_form(request)
            elif self.content_type == "application/json":
                await self._read_json(request)
        except web.HTTPRequestEntityTooLarge as error:
            raise Refusal("PAYLOAD_TOO_LARGE", "The request is too large.") from error

    async def _read_json(self, request: web.Request) -> None:
        try:
            body = json.loads(await request.read())
        except ValueError as error:
            raise invalid("The body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise invalid("The body must be a JSON object.")
        self.fields = body

    async def _read_form(self, request: web.Request) -> None:
        try:
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name is None:
                    raise invalid("Every part of the form needs a name.")
                data = bytes(await part.read())
                if part.filename is None:
                    self._add_field(part.name, data.decode())
                else:
                    self.files.setdefault(part.name, []).append(data)
        except (ValueError, BadHttpMessage) as error:
            raise invalid("The form data is malformed.") from error

    def _add_field(self, name: str, text: str) -> None:
        earlier = self.fields.get(name, [])
        listed = earlier if isinstance(earlier, list) else [earlier]
        self.fields[name] = [*listed, text] if listed else text

    def entry(self) -> dict[str, Any]:
        """The request object of ``GET /v1/requests``."""
        if self.error is not None:
            status = "rejected" if self.error.status < 500 else "upstream_failure"
        else:
            status = "processing" if self.finished is None else "completed"
        return {
            "id": self.request_id,
            "object": "request",
            "created_at": datetime.fromtimestamp(self.arrived, timezone.utc).isoformat(),
            "model": self.model,
            "modality": "image",
            "endpoint": f"/{self.endpoint}",
            "status": status,
            "cost": float(self.cost),
            "currency": "usd",
            "duration_ms": None if self.finished is None else round((self.finished - self.arrived) * 1000),
            "error_code": self.error.code if self.error else None,
            "error_message": self.error.message if self.error else None,
            "trace_id": self.trace_id,
            "user": self.fields.get("user"),
        }


def page(received: Sequence[Received], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of the log, newest first, after the request that ``starting_after`` names.

    ``created_after`` and ``created_before`` are in ISO 8601.
    """
    limit = query.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MAX_PAGE):
        raise invalid(f"limit must be a whole number from 1 to {MAX_PAGE}.")
    earliest, latest = _time(query, "created_after", 0.0), _time(query, "created_before", float("inf"))
    rest = list(reversed(received))
    if after := query.get("starting_after"):
        rest = rest[rest.index(find(received, after)) + 1 :]
    rest = [one for one in rest if earliest < one.arrived < latest]
    shown = rest[: int(limit)]
    following = None
    if len(shown) < len(rest):
        following = f"/v1/requests?{urlencode({**query, 'limit': limit, 'starting_after': shown[-1].request_id})}"
    entries = [one.entry() for one in shown]
    return {"object": "list", "data": entries, "next_page_url": following, "previous_page_url": None}


def _time(query: Mapping[str, str], name: str, default: float) -> float:
    if name not in query:
        return default
    try:
        # Python 3.10 does not read the Z.
        when = datetime.fromisoformat(query[name].replace("Z", "+00:00"))
    except ValueError:
        raise invalid(f"{name} must be a time in ISO 8601.") from None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def find(received: Sequence[Received], request_id: str) -> Received:
    for one in received:
        if one.request_id == request_id:
            return one
    raise Refusal("NOT_FOUND", f"There is no request '{request_id}'.")
