"""What stands in the chunks that a PNG is drawn by, and is drawn by nobody."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby

from . import icc
from .pieces import Hidden, Piece, Shown

LENGTHS = {
    **{b"IHDR": 13, b"IEND": 0, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"cICP": 4, b"mDCV": 24, b"cLLI": 8},
    **{b"acTL": 8, b"fcTL": 26, b"PLTE": 768, b"tRNS": 256, b"bKGD": 6, b"sBIT": 4},
}
"""The most bytes that each kind of chunk can use (PNG, third edition)."""

LENGTHS_BY_COLOUR = {b"tRNS": {0: 2, 2: 6, 4: 0, 6: 0}, b"bKGD": {0: 2, 2: 6, 3: 1, 4: 2, 6: 6}}
"""The same where it depends on the kind of colour in the head."""

SEVERAL = (b"IDAT", b"fcTL", b"fdAT")
SEQUENCE = {b"IDAT": 0, b"fdAT": 4}
"""Bytes before the pixels in each kind of chunk that has some."""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the kind of colour in the head."""

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Where each pass of an interlaced picture begins, and its steps."""

MAX_PIXELS = 2**28
"""Bytes of pixels; more are not looked at."""

PROFILE_NAME = b"ICC Profile"


def purged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """``pieces`` of a PNG, where what is drawn by nobody is Hidden."""
    seen: set[bytes] = set()
    head = frame = b""
    for kind, group in groupby(pieces, lambda piece: piece.data[4:8] if isinstance(piece, Shown) else b""):
        for piece in _pixels(kind, [*group], frame or head) if kind in SEQUENCE else group:
            if not isinstance(piece, Shown):
                yield piece
                continue
            content = piece.data[8:-4]
            if kind in seen and kind not in SEVERAL:
                yield Hidden(f"its second chunk {kind.decode('latin-1')}", content)
                continue
            seen.add(kind)
            if kind == b"IHDR":
                head = content
            elif kind == b"fcTL":
                frame = head and content[4:12] + head[8:]
            if kind == b"PLTE" and head[9:10] != b"\3":
                yield Hidden("its palette, which draws nothing", content)
            elif kind == b"iCCP":
                yield from _profile(piece)
            elif len(content) > (used := _used(kind, head, len(content))):
                yield Hidden(f"its chunk {kind.decode('latin-1')}", content[used:])
                if used or kind == b"IEND":
                    yield Shown(_chunk(kind, content[:used]))
            else:
                yield piece


def _used(kind: bytes, head: bytes, length: int) -> int:
    """How many bytes of a chunk can be used."""
    most = LENGTHS.get(kind, length)
    return LENGTHS_BY_COLOUR.get(kind, {}).get(head[9], most) if len(head) > 9 else most


def _pixels(kind: bytes, chunks: list[Piece], head: bytes) -> list[Piece]:
    """``chunks``, one after another, packed anew where there is more in them than the picture's pixels."""
    start = SEQUENCE[kind]
    parts = [chunk.data[8:-4] for chunk in chunks if isinstance(chunk, Shown)]
    try:
        pixels, hidden = _unpacked(b"".join(part[start:] for part in parts), _size(head))
    except (zlib.error, struct.error, KeyError):
        return chunks
    if not hidden:
        return chunks
    packed = zlib.compress(pixels)
    share = -(-len(packed) // len(parts))
    # As many chunks as there were: those of frames are numbered.
    new = [part[:start] + packed[at * share : (at + 1) * share] for at, part in enumerate(parts)]
    return [Hidden("what comes after its pixels", hidden), *(Shown(_chunk(kind, part)) for part in new)]


def _unpacked(stream: bytes, size: int) -> tuple[bytes, bytes]:
    """``size`` bytes of pixels, and what else is there."""
    if size > MAX_PIXELS:
        return b"", b""
    stream, wrong = _without_damage(stream, size)
    unpacking = zlib.decompressobj()
    pixels = unpacking.decompress(stream, size) if size else b""
    if len(pixels) < size:
        return pixels, b""
    if wrong:
        return pixels, wrong
    rest = unpacking.unconsumed_tail
    try:
        more = unpacking.decompress(rest, 2**20) if not unpacking.eof else b""
    except zlib.error:
        return pixels, rest  # no decoder comes that far
    return pixels, more + (unpacking.unused_data if unpacking.eof else b"")


def _without_damage(stream: bytes, size: int) -> tuple[bytes, bytes]:
    """``stream`` as far as it can be unpacked to ``size`` bytes, and the rest of it."""
    good, bad = 0, len(stream) + 1
    middle = len(stream)
    while good < middle < bad:
        try:
            zlib.decompressobj().decompress(stream[:middle], max(size, 1))
            good = middle
        except zlib.error:
            bad = middle
        middle = (good + bad) // 2
    return stream[:good], stream[good:]


def _size(head: bytes) -> int:
    """How many bytes the pixels take that ``head`` tells of, each row with the byte before it."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head[:13])
    bits = depth * CHANNELS[colour]

    def rows(across: int, down: int) -> int:
        return down * (1 + -(-across * bits // 8)) if across and down else 0

    if not interlaced:
        return rows(width, height)
    return sum(
        rows(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7 if width > x and height > y
    )


def _profile(piece: Shown) -> Iterator[Piece]:
    name, _, rest = piece.data[8:-4].partition(b"\0")
    try:
        unpacking = zlib.decompressobj()
        profile = unpacking.decompress(rest[1:], 2**24)
    except zlib.error:
        yield Hidden("its colour profile", piece.data[8:-4])
        return
    clean, told = icc.cleaned(profile)
    said = [told, unpacking.unused_data, b"" if name == PROFILE_NAME else name]
    yield from (Hidden("its colour profile", each) for each in said if each)
    if clean == profile and not any(said[1:]):
        yield piece
    else:
        yield Shown(_chunk(b"iCCP", PROFILE_NAME + b"\0\0" + zlib.compress(clean)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
