"""The shelf of finished pictures, served by plain GET without a key, for a while."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass

from aiohttp import web

from .refusal import Refusal


@dataclass
class Medium:
    data: bytes
    content_type: str
    expires: float  # on the monotonic clock
    takes_ranges: bool = True

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:32]}"'


class Shelf:
    """Pictures by name. ``lifetime`` is in seconds: Lumenfall keeps links alive for about an hour."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._media: dict[str, Medium] = {}

    def put(self, name: str, data: bytes, content_type: str) -> None:
        self._media[name] = Medium(data, content_type, time.monotonic() + self.lifetime)

    def expire(self, name: str) -> None:
        if name in self._media:
            self._media[name].expires = 0

    def ignore_ranges(self, name: str) -> None:
        """Serve this picture as a whole only, from now on."""
        if name in self._media:
            self._media[name].takes_ranges = False

    def purge(self, request_id: str) -> int:
        """Remove the pictures of a request, and say how many there were."""
        names = [name for name in self._media if name.startswith(request_id)]
        for name in names:
            del self._media[name]
        return len(names)

    def serve(self, request: web.Request) -> web.Response:
        """The picture, or the part of it that a Range header asks for."""
        medium = self._media.get(request.match_info["name"])
        if medium is None:
            raise Refusal("NOT_FOUND", "There is no such picture.")
        if medium.expires <= time.monotonic():
            raise Refusal("NOT_FOUND", "The link has expired.", status=410)
        total = len(medium.data)
        headers = {"ETag": medium.etag}
        start, stop = 0, total
        if medium.takes_ranges:
            headers["Accept-Ranges"] = "bytes"
            # A header in another form, or about another version, must be ignored (RFC 9110, 13.1.5 and 14.2).
            with contextlib.suppress(ValueError):
                if request.headers.get("If-Range", medium.etag) == medium.etag:
                    start, stop, _ = request.http_range.indices(total)
            if "Range" in request.headers and start >= stop:
                return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
        partial = stop - start < total
        if partial:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        return web.Response(
            status=206 if partial else 200,
            body=medium.data[start:stop],
            content_type=medium.content_type,
            headers=headers,
        )


SHELF = web.AppKey("shelf", Shelf)
