"""JPEG: segments that begin with a marker, and scans that end where the next marker stands."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

from . import icc
from .pieces import AFTER_THE_END, XMP, Exif, Hidden, Piece, Shown, Text

HEAD = b"\xff\xd8"
MAX_CONTENT = 0xFFFD

EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/"
JFIF_HEAD, PROFILE_HEAD, ADOBE_HEAD = b"JFIF\0", b"ICC_PROFILE\0", b"Adobe"

APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
COMMENT, SCAN, END = 0xFE, 0xDA, 0xD9
HUFFMAN, ARITHMETIC, QUANTISATION, LINES, INTERVAL = 0xC4, 0xCC, 0xDB, 0xDC, 0xDD
FRAMES = frozenset(range(0xC0, 0xD0)) - {HUFFMAN, 0xC8, ARITHMETIC}
DRAWN_BY = FRAMES | {SCAN, HUFFMAN, ARITHMETIC, QUANTISATION, LINES, INTERVAL}
"""Markers of segments that a picture is decoded by (ITU T.81, table B.1)."""

BEHIND_A_SCAN = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])")


def pieces(data: bytes) -> Iterator[Piece]:
    """Raises ValueError, IndexError and struct.error for damage. A file may end in the middle of a scan."""
    yield Shown(data[:2])
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            raise ValueError("there is no segment where one is due")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1  # only fills
            continue
        if marker == END:
            yield Shown(data[at : at + 2])
            if data[at + 2 :]:
                yield Hidden(AFTER_THE_END, data[at + 2 :])
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            yield Shown(data[at : at + 2])
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if marker == SCAN:
            behind = BEHIND_A_SCAN.search(data, end)
            end = behind.start() if behind else len(data)
        yield from _segment(marker, data[at:end], length)
        at = end


def _segment(marker: int, whole: bytes, length: int) -> Iterator[Piece]:
    content = whole[4:]
    if marker == COMMENT:
        yield Text("comment", content.decode("utf-8", "replace"))
    elif marker == APP1 and content.startswith(EXIF_HEAD):
        yield Exif(content[len(EXIF_HEAD) :])
    elif marker == APP1 and content.startswith(XMP_HEAD):
        yield Hidden(XMP, content)
    elif marker == APP0 and content.startswith(JFIF_HEAD):
        yield Shown(_packed_segment(APP0, content[:12] + b"\0\0"))  # without the small picture in it
    elif marker == APP14 and content.startswith(ADOBE_HEAD):
        yield Shown(_packed_segment(APP14, content[:12]))
    elif marker == APP2 and content.startswith(PROFILE_HEAD):
        yield Shown(whole)
    elif APP0 <= marker <= APP15:
        yield Hidden(f"its segment APP{marker - APP0}", content)
    elif marker not in DRAWN_BY:
        yield Hidden(f"its segment {marker:#04x}", content)
    else:
        head, scan = whole[4 : 2 + length], whole[2 + length :]
        used = min(_used(marker, head), len(head))
        if head[used:]:
            yield Hidden(f"its segment {marker:#04x}", head[used:])
        yield Shown(_packed_segment(marker, head[:used]) + scan)


def _used(marker: int, content: bytes) -> int:
    """How many bytes of a segment are read by anybody. Raises IndexError for damage."""
    if marker in (LINES, INTERVAL):
        return 2
    if marker == SCAN:
        return 4 + 2 * content[0]
    if marker in FRAMES:
        return 6 + 3 * content[5]
    if marker not in (QUANTISATION, HUFFMAN):
        return len(content)
    at = 0
    while at < len(content):
        if marker == QUANTISATION:
            is_table, size = content[at] & 15 < 4 and content[at] >> 4 < 2, 65 + 64 * (content[at] >> 4)
        else:
            is_table, size = content[at] & 15 < 4 and content[at] >> 4 < 2, 17 + sum(content[at + 1 : at + 17])
        if not is_table or at + size > len(content):
            break
        at += size
    return at


def purged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """``pieces``, where what is shown by nobody in a colour profile is Hidden. Bytes between the end of the last scan
    and the marker behind it are not told from pixels.
    """
    every = [*pieces]
    parts = {at: piece.data for at, piece in enumerate(every) if isinstance(piece, Shown) and _is_profile(piece.data)}
    # Marker, length, name, number and count come before what each segment has of it.
    heads = {at: data[: 4 + len(PROFILE_HEAD) + 2] for at, data in parts.items()}
    # Each has its number before the count, by which readers put them together.
    in_order = sorted(parts, key=lambda at: heads[at][-2:-1])
    profile = b"".join(parts[at][len(heads[at]) :] for at in in_order)
    clean, told = icc.cleaned(profile) if profile else (b"", b"")
    if told:
        yield Hidden("its colour profile", told)
    start = 0
    cleaned = {}
    for at in in_order:
        end = start + len(parts[at]) - len(heads[at])
        cleaned[at] = Shown(heads[at] + clean[start:end])
        start = end
    for at, piece in enumerate(every):
        yield cleaned.get(at, piece)


def _is_profile(segment: bytes) -> bool:
    return segment[1] == APP2 and segment[4:].startswith(PROFILE_HEAD)


def joined(pieces: Iterable[Piece]) -> bytes:
    """The file. Raises ValueError for a text or EXIF that is too long for the format."""
    return b"".join(map(_packed, pieces))


def _packed(piece: Piece) -> bytes:
    if isinstance(piece, Text):
        return _packed_segment(COMMENT, piece.text.encode("utf-8", "replace"))
    if isinstance(piece, Exif):
        return _packed_segment(APP1, EXIF_HEAD + piece.content)
    return piece.data if isinstance(piece, Shown) else b""


def _packed_segment(marker: int, content: bytes) -> bytes:
    if len(content) > MAX_CONTENT:
        raise ValueError("what it carries is too long for a JPEG")
    return b"\xff" + bytes((marker,)) + struct.pack(">H", len(content) + 2) + content
