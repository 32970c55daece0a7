"""JPEG: segments that begin with a marker, and scans that end where the next marker stands."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

from .pieces import AFTER_THE_END, XMP, Exif, Hidden, Piece, Shown, Text

HEAD = b"\xff\xd8"
MAX_CONTENT = 0xFFFD

EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/"
JFIF_HEAD, PROFILE_HEAD, ADOBE_HEAD = b"JFIF\0", b"ICC_PROFILE\0", b"Adobe"

APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
COMMENT, SCAN, END = 0xFE, 0xDA, 0xD9

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
        yield _segment(marker, data[at:end])
        at = end


def _segment(marker: int, whole: bytes) -> Piece:
    content = whole[4:]
    if marker == COMMENT:
        return Text("comment", content.decode("utf-8", "replace"))
    if marker == APP1 and content.startswith(EXIF_HEAD):
        return Exif(content[len(EXIF_HEAD) :])
    if marker == APP1 and content.startswith(XMP_HEAD):
        return Hidden(XMP, content)
    if marker == APP0 and content.startswith(JFIF_HEAD):
        return Shown(_packed_segment(APP0, content[:12] + b"\0\0"))  # without the small picture in it
    if marker == APP14 and content.startswith(ADOBE_HEAD):
        return Shown(_packed_segment(APP14, content[:12]))
    is_profile = marker == APP2 and content.startswith(PROFILE_HEAD)
    if APP0 <= marker <= APP15 and not is_profile:
        return Hidden(f"its segment APP{marker - APP0}", content)
    return Shown(whole)


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
