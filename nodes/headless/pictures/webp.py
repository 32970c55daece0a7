"""WebP: chunks in a RIFF file, the first of which tells what kinds follow."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from .pieces import XMP, Exif, Hidden, Piece, Shown

EXIF_HEAD = b"Exif\0\0"
SHOWN = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ICCP"))
FRAME, FRAME_HEAD = b"ANMF", 16
HAS_EXIF, HAS_XMP = 0x08, 0x04
"""Bits in the first byte of VP8X."""


def pieces(data: bytes) -> Iterator[Piece]:
    """Raises struct.error for damage."""
    # To the end of the file, whatever size it tells at its beginning: so does the browser.
    for kind, content in _chunks(data[12:]):
        if kind == b"EXIF":
            yield Exif(content[len(EXIF_HEAD) :] if content.startswith(EXIF_HEAD) else content)
        elif kind == b"XMP ":
            yield Hidden(XMP, content)
        elif kind == FRAME:
            inner = [*_chunks(content[FRAME_HEAD:])]
            shown = b"".join(_chunk(*each) for each in inner if each[0] in SHOWN)
            yield Shown(_chunk(FRAME, content[:FRAME_HEAD] + shown))
            yield from (_hidden(*each) for each in inner if each[0] not in SHOWN)
        elif kind in SHOWN:
            yield Shown(_chunk(kind, content))
        else:
            yield _hidden(kind, content)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _hidden(kind: bytes, content: bytes) -> Hidden:
    return Hidden(f"its chunk {kind.decode('latin-1').strip()}", content)


def joined(pieces: Iterable[Piece]) -> bytes:
    """The file."""
    chunks = []
    has_exif = False
    for piece in pieces:
        if isinstance(piece, Exif):
            has_exif = True
            chunks.append(_chunk(b"EXIF", piece.content))
        elif isinstance(piece, Shown):
            chunks.append(piece.data)
    if chunks and chunks[0].startswith(b"VP8X"):
        flags = chunks[0][8] & ~(HAS_EXIF | HAS_XMP) | (HAS_EXIF if has_exif else 0)
        chunks[0] = chunks[0][:8] + bytes((flags,)) + chunks[0][9:]
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
