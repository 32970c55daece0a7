"""Heads of answers that h11 would refuse, and all that comes after them, are mended: a paid picture must not be lost
over a line that nobody needs. RFC 9112 has how they should be.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

_Read = Callable[..., Awaitable[bytes]]

MOST = 2**20
"""Bytes of a head that are waited for; what is longer goes on as it is."""

_BEGINNINGS = (b"HTTP/", b"ICY ")
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"(?:HTTP/\d(?:\.\d)?|ICY)[ \t]+(\d{3})(?!\d)([^\r\n]*)")
_KNOWN = re.compile(rb"HTTP/1\.[01] \d{3}(?: [^\0]*)?")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(rb"\d{1,18}")
_STREAMS = re.compile(r"\.(connect_tcp|connect_unix_socket|start_tls)\.complete$")


async def mend(event: str, info: dict[str, Any]) -> None:
    """For the extension ``trace`` of a request: each stream that is opened gives the first head that h11 can read."""
    if _STREAMS.search(event):
        stream: Any = info["return_value"]
        stream.read = Mended(stream.read)


class Mended:
    """Reads like ``read``, but for the head of an answer, which comes as a whole, and mended. What stands before it, as
    a proxy's greeting, goes on at once.
    """

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._is_over = False

    async def __call__(self, max_bytes: int, timeout: float | None = None) -> bytes:
        held = ready = b""
        while not self._is_over:
            piece = await self._read(max_bytes, timeout)
            held += piece
            if not held.startswith(_BEGINNINGS) and not any(each.startswith(held) for each in _BEGINNINGS):
                return ready + held
            self._is_over = not piece or len(held) > MOST
            while not self._is_over and (end := _END.search(held)):
                head, held = held[: end.end()], held[end.end() :]
                status = _STATUS.match(head)
                # Of an announcement the answer is yet to come.
                self._is_over = status is None or not status[1].startswith(b"1")
                ready += mended(head)
            if self._is_over:
                return ready + held
        return await self._read(max_bytes, timeout)


def mended(head: bytes) -> bytes:
    """``head``, up to its empty line, without what cannot be read: names that are none, zeros, lengths that are none or
    differ, and encodings on the way but chunks. What is no head stays as it is.
    """
    first, *lines = re.split(rb"\r?\n", head.rstrip(b"\r\n"))
    status = _STATUS.match(first)
    if status is None:
        return head
    if not _KNOWN.fullmatch(first):
        first = b"HTTP/1.1 " + status[1] + status[2].replace(b"\0", b"")
    kept = [first]
    lengths = set()
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or b"\0" in value:
            continue
        if name.lower() == b"content-length":
            lengths |= {part.strip() for part in value.split(b",")}
        elif name.lower() != b"transfer-encoding":
            kept.append(name + b": " + value)
        elif value.lower().rpartition(b",")[2].strip() == b"chunked":
            kept.append(b"Transfer-Encoding: chunked")
    if len(lengths) == 1 and _LENGTH.fullmatch(length := lengths.pop()):
        kept.append(b"Content-Length: " + length)
    return b"\r\n".join(kept) + b"\r\n\r\n"
