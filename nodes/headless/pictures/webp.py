"""WebP: chunks in a RIFF file, the first of which tells what kinds follow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator

from . import icc
from .pieces import XMP, Exif, Hidden, Piece, Shown

EXIF_HEAD = b"Exif\0\0"
SHOWN = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ICCP"))
PIXELS = {b"VP8 ", b"VP8L"}
LENGTHS = {b"VP8X": 10, b"ANIM": 6}
"""Bytes of chunks of a set size."""

SPARE = 8
"""Bytes at the end of pixels that a decoder may never ask for."""

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


def purged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """``pieces``, where what is shown by nobody is Hidden: a second of a kind, and what follows the pixels. Decodes
    them.
    """
    seen: set[bytes] = set()
    for piece in pieces:
        if not isinstance(piece, Shown):
            yield piece
            continue
        ((kind, content),) = _chunks(piece.data)
        if kind == FRAME:
            inner = [*_only_once(_chunks(content[FRAME_HEAD:]), set())]
            yield from (each for each in inner if isinstance(each, Hidden))
            shown = b"".join(each.data for each in inner if isinstance(each, Shown))
            yield Shown(_chunk(FRAME, content[:FRAME_HEAD] + shown))
        else:
            yield from _only_once([(kind, content)], seen)


def _only_once(chunks: Iterable[tuple[bytes, bytes]], seen: set[bytes]) -> Iterator[Piece]:
    for kind, content in chunks:
        # Pixels are there once, whichever way they are packed.
        if kind in seen or (kind in PIXELS and seen & PIXELS):
            yield Hidden(f"its second chunk {kind.decode('latin-1').strip()}", content)
            continue
        seen.add(kind)
        used = content
        if kind in LENGTHS:
            used = content[: LENGTHS[kind]]
        elif kind in PIXELS:
            used = content[: _end_of_pixels(kind, content)]
        elif kind == b"ICCP":
            used, told = icc.cleaned(content)
            if told:
                yield Hidden("its colour profile", told)
        if len(used) < len(content):
            yield Hidden("what comes after its pixels", content[len(used) :])
        yield Shown(_chunk(kind, used))


def _end_of_pixels(kind: bytes, content: bytes) -> int:
    """How many bytes of a chunk are needed to decode it. Cut earlier it cannot be, or makes another picture."""
    whole = _decoded(kind, content)
    if whole is None or _decoded(kind, content[:-SPARE]) != whole:
        return len(content)
    needed, enough = 0, len(content) - SPARE
    while needed < enough:
        middle = (needed + enough) // 2
        if _decoded(kind, content[:middle]) == whole:
            enough = middle
        else:
            needed = middle + 1
    return enough


def _decoded(kind: bytes, content: bytes) -> bytes | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_riff(_chunk(kind, content)))) as picture:
            return picture.tobytes()
    except Exception:
        return None


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


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
    return _riff(b"".join(chunks))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
