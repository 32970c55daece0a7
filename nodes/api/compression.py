"""Undoing a Content-Encoding as far as it goes. Paid answers ask for none; a proxy may compress them all the same."""

from __future__ import annotations

import contextlib
import zlib

# What zlib calls the formats: gzip, and deflate with its header or, as some servers send it, without.
_WINDOW_BITS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
_PIECE = 2**14
"""Bytes that are undone at once; zlib makes at most a thousand times as many of them."""


def unpack(packed: bytes, encoding: str, limit: int) -> tuple[bytes, str | None]:
    """``packed`` without its Content-Encoding, and why that is not the whole content (None: it is).

    Damaged or cut, it gives what comes before the damage, or ``packed`` itself where nothing can be had. Stops soon
    after ``limit`` bytes.
    """
    broken = None
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity") or not packed:
            continue
        if name not in _WINDOW_BITS:
            return packed, f"it is compressed in an unknown way, {name[:20]}"
        packed, fault = _inflate(packed, name, limit)
        broken = broken or fault
    return packed, broken


def _inflate(packed: bytes, name: str, limit: int) -> tuple[bytes, str | None]:
    for bits in _WINDOW_BITS[name]:
        content, fault = _read(packed, bits, limit)
        # Without a header almost anything inflates to some rubbish, so that counts only if it is whole.
        if fault is None or (content and bits > 0):
            return content, fault and f"its {name} compression {fault}"
    return packed, f"it claims a {name} compression that it does not have"


def _read(packed: bytes, bits: int, limit: int) -> tuple[bytes, str | None]:
    unpacker = zlib.decompressobj(bits)
    content = bytearray()
    for start in range(0, len(packed), _PIECE):
        piece = packed[start : start + _PIECE]
        before = unpacker.copy()
        try:
            content += unpacker.decompress(piece)
        except zlib.error:
            return bytes(content) + _before_the_damage(before, piece), "is damaged"
        if len(content) > limit:
            return bytes(content), f"hides more than {limit // 2**20} MiB"
        if unpacker.eof:
            has_more = unpacker.unused_data or start + _PIECE < len(packed)
            return bytes(content), "ends too early" if has_more and bits < 0 else None
    return bytes(content), "is cut off"


def _before_the_damage(unpacker: zlib._Decompress, piece: bytes) -> bytes:
    content = bytearray()
    with contextlib.suppress(zlib.error):
        for place in range(len(piece)):
            content += unpacker.decompress(piece[place : place + 1])
    return bytes(content)
