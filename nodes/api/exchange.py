"""One HTTP request and its answer, of which nothing that has arrived gets lost."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import io
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..errors import Charged, ConnectionFailed
from .credentials import Server
from .heads import mend
from .long_texts import in_utf8
from .proxies import PEER
from .shapes import begins_as_picture, without_blanks


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, not understood yet. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    broken: str | None = None
    """Why the body is not whole, in a few words; None where it is."""
    peer: str | None = None
    """The address that it came from; None where a proxy was between."""

    @property
    def dated(self) -> float | None:
        """When the server says that it answered, in seconds since 1970; None where it does not."""
        try:
            return email.utils.parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class NotSent(Exception):
    """The request failed before its body was begun, so the server has nothing that it could work on."""


class _TooLarge(Exception):
    pass


Tell = Callable[[int, int], None]
"""Hears how many bytes of a request's body were handed to the network, and how many it has."""

SLOWEST = 16_000
"""Bytes a second of the slowest upload that is waited for; each takes from no time that the answer may have."""

PIECE = 2**16
"""Bytes that are written at once: the time-out of writing is for each. httpx would hand over a whole file."""


LARGE = 2 * 10**6
"""Bytes from which on it is told how far an upload is."""


def told_upload(sent: int, size: int) -> str | None:
    """How far an upload is, for people; None where it is small, or over."""
    return f"uploading {sent / 1e6:.1f} of {size / 1e6:.1f} MB" if size >= LARGE and sent < size else None


class _Watched(httpx.AsyncByteStream):
    """The body of a request, and whether anybody has asked for its first byte: the connection does so when it stands,
    with a proxy's tunnel and encryption, and the headers are written.
    """

    def __init__(self, body: httpx.AsyncByteStream, size: int, tell: Tell) -> None:
        self._body = body
        self._tell = tell
        self.size = size
        self.count = 0
        self.is_begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_begun = True
        async for chunk in self._body:
            for start in range(0, len(chunk), PIECE):
                piece = chunk[start : start + PIECE]
                yield piece
                self.count += len(piece)
                self._tell(self.count, self.size)

    async def aclose(self) -> None:
        await self._body.aclose()


@dataclass
class _Arrival:
    response: httpx.Response | None = None
    body: io.BytesIO = field(default_factory=io.BytesIO)
    """Gives what it holds without a second copy of it."""


async def exchange(
    client: httpx.AsyncClient,
    server: Server,
    method: str,
    url: str,
    *,
    deadline: float,
    limit: int,
    tell: Tell = lambda *_: None,
    **content: Any,
) -> Reply:
    """Send a request and take in what comes: for at most ``deadline`` seconds, beside what the upload takes, and
    ``limit`` bytes. ``tell`` hears how the upload goes on.

    Raises NotSent for a fault of the network before the body was begun; ConnectionFailed where at least a piece of it
    was never handed over; httpx.HTTPError, OSError or asyncio.TimeoutError from then on until the headers have arrived.
    Whatever goes wrong later is named in the reply's ``broken``. The server's key is cut out of the reply, unless that
    is a picture.
    """
    arrival = _Arrival()
    broken = None
    sent = None
    try:
        request = client.build_request(method, url, extensions={"trace": mend}, **content)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        size = int(request.headers.get("content-length", 0))
        request.stream = sent = _Watched(request.stream, size, tell)
        await asyncio.wait_for(_take_in(client, request, arrival, limit), deadline + size / SLOWEST)
    except Exception as error:
        if arrival.response is None:
            if _is_of_the_network(error) and not (sent and sent.is_begun):
                raise NotSent(cause(error)) from error
            if _is_of_the_network(error) and sent and sent.count + PIECE < sent.size:
                raise _cut_short(sent.count, sent.size) from error
            raise
        broken = _reason(error, deadline, limit)
    response = arrival.response
    assert response is not None
    headers = {name.lower(): server.redact(value.encode()).decode() for name, value in response.headers.items()}
    packed = arrival.body.getvalue()
    answer, fault = unpack(packed, packing(headers.get("content-encoding", ""), packed), limit)
    # A picture may hold the prompt, and in it a key that somebody pasted there: without it, it would be damaged.
    body = answer if begins_as_picture(without_blanks(answer)) else server.redact(_legible(answer))
    return Reply(response.status_code, headers, body, broken or fault, response.extensions.get(PEER))


async def _take_in(client: httpx.AsyncClient, request: httpx.Request, arrival: _Arrival, limit: int) -> None:
    response = await client.send(request, stream=True)
    arrival.response = response
    try:
        # Raw: httpx would drop everything where the compression is damaged.
        async for chunk in response.aiter_raw():
            arrival.body.write(chunk)
            if arrival.body.tell() > limit:
                raise _TooLarge
    finally:
        await response.aclose()


def _is_of_the_network(error: Exception) -> bool:
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, asyncio.TimeoutError)):
        return True
    # httpx lets those of its SOCKS library through as they are.
    return type(error).__module__.partition(".")[0] == "socksio"


def _reason(error: Exception, deadline: float, limit: int) -> str:
    if isinstance(error, _TooLarge):
        return f"it is larger than {limit / 2**20:.4g} MiB"
    if isinstance(error, asyncio.TimeoutError):
        return f"it did not end within {deadline:.4g} s"
    if isinstance(error, httpx.TimeoutException):
        return "the rest did not come in time"
    return f"the connection broke ({cause(error)})"


def _cut_short(sent: int, size: int) -> ConnectionFailed:
    """A server that answers and closes without taking in all does so too: of its answer nothing is left then."""
    return ConnectionFailed(
        f"The upload ended after {sent / 1e6:.2f} of {size / 1e6:.2f} MB. Nobody can work on a part of a request.",
        hint="A server that refuses the key, or requests as large as this one, closes the connection like that. Check "
        "the key, send smaller pictures, or run it again.",
        charged=Charged.NO,
    )


def cause(error: BaseException) -> str:
    """An error of the network in a few words."""
    return str(error) or type(error).__name__


def _legible(answer: bytes) -> bytes:
    """Text in UTF-16 or UTF-32 as everybody looks at texts here; anything else as it came."""
    try:
        text = in_utf8(answer)
    except ValueError:
        return answer
    return text if text[:1000].lstrip()[:1] in (b"{", b"[", b"<") else answer


def packing(named: str, content: bytes) -> str:
    """The Content-Encoding of ``content``: what it was ``named``, or gzip where somebody on the way lost the name."""
    is_named = named.strip().lower() not in ("", "identity")
    return "gzip" if not is_named and content.startswith(_GZIP) else named


_GZIP, _ZLIB = b"\x1f\x8b\x08", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def _true_name(named: str, content: bytes) -> str:
    """As its first bytes tell, which whoever packs something cannot get wrong."""
    return "gzip" if content.startswith(_GZIP) else "deflate" if content.startswith(_ZLIB) else named


# What zlib calls the formats: gzip, and deflate with its header or, as some servers send it, without.
_WINDOW_BITS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
_PIECE = 2**14
"""Bytes that are undone at once; zlib makes at most a thousand times as many of them."""

_MOST_MEMBERS = 1000
"""Of gzip, which may come in several, one behind the other (RFC 1952, section 2.2)."""


def unpack(packed: bytes, encoding: str, limit: int) -> tuple[bytes, str | None]:
    """``packed`` without its Content-Encoding, and why that is not the whole content (None: it is). Paid requests ask
    for none; a proxy may compress their answers all the same.

    Damaged or cut, it gives what comes before the damage, or ``packed`` itself where nothing can be had. Stops soon
    after ``limit`` bytes.
    """
    broken = None
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity") or not packed:
            continue
        name = _true_name(name, packed)
        if name not in _WINDOW_BITS:
            return packed, f"it is compressed in an unknown way, {name[:20]}"
        packed, fault = _inflate(packed, name, limit)
        broken = broken or fault
    if packed.startswith(_GZIP) and encoding and not broken:
        # Two on the way have packed it, and named that once.
        return _inflate(packed, "gzip", limit)
    return packed, broken


def _inflate(packed: bytes, name: str, limit: int) -> tuple[bytes, str | None]:
    for bits in _WINDOW_BITS[name]:
        content, fault = _decompressed(packed, bits, limit)
        # Without a header almost anything inflates to some rubbish, so that counts only if it is whole.
        if fault is None or (content and bits > 0):
            return content, fault and f"its {name} compression {fault}"
    return packed, f"it claims a {name} compression that it does not have"


def _decompressed(packed: bytes, bits: int, limit: int) -> tuple[bytes, str | None]:
    unpacker = zlib.decompressobj(bits)
    content = io.BytesIO()
    start = members = 0
    while start < len(packed):
        piece = packed[start : start + _PIECE]
        before = unpacker.copy()
        try:
            content.write(unpacker.decompress(piece))
        except zlib.error:
            content.write(_before_the_damage(before, piece))
            return content.getvalue(), "is damaged"
        if content.tell() > limit:
            return content.getvalue(), f"hides more than {limit // 2**20} MiB"
        start += len(piece)
        if unpacker.eof:
            start -= len(unpacker.unused_data)
            members += 1
            if not packed.startswith(_GZIP, start) or members == _MOST_MEMBERS:
                return content.getvalue(), "ends too early" if start < len(packed) and bits < 0 else None
            unpacker = zlib.decompressobj(bits)
    return content.getvalue(), "is cut off"


def _before_the_damage(unpacker: zlib._Decompress, piece: bytes) -> bytes:
    content = bytearray()
    with contextlib.suppress(zlib.error):
        for place in range(len(piece)):
            content += unpacker.decompress(piece[place : place + 1])
    return bytes(content)
