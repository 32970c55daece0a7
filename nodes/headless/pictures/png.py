"""PNG, animated ones among them: chunks with a kind, a length and a checksum."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator

from . import png_pixels
from .pieces import ABOUT_PEOPLE, AFTER_THE_END, ITS_TEXT, XMP, Exif, Hidden, Piece, Shown, Text

HEAD = b"\x89PNG\r\n\x1a\n"

MAX_UNFOLDED = 16 * 2**20
"""Bytes that the packed texts of one picture may unfold to, all together."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf")
"""Chunks with a name and a text; the last is ComfyUI's own, in animated pictures."""

SHOWN = frozenset(
    (
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"pHYs", b"sBIT"),
        *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT"),
    )
)
"""Chunks that a browser draws by (PNG, third edition)."""

XMP_NAME = "XML:com.adobe.xmp"
PROFILE = "Raw profile type "
"""So begin the names of texts in which ImageMagick keeps EXIF, IPTC and XMP, as digits."""


def pieces(data: bytes) -> Iterator[Piece]:
    """Raises ValueError, struct.error and zlib.error for damage."""
    at = len(HEAD)
    room = MAX_UNFOLDED
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        whole = data[at : at + 12 + length]
        at += 12 + length
        if kind in TEXTS:
            if len(content) < length:
                raise ValueError("it ends in the middle of a text")
            unfolded, content = _unfolded(kind, content, room)
            room -= unfolded
            yield from _text(kind, content)
        elif kind == b"eXIf":
            yield Exif(content)
        elif kind in SHOWN:
            yield Shown(whole)
        else:
            yield Hidden(f"its chunk {kind.decode('latin-1')}", content)
        if kind == b"IEND":
            break
    if data[at:]:
        yield Hidden(AFTER_THE_END, data[at:])


def purged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """``pieces``, where what is drawn by nobody is Hidden. Unpacks the pixels."""
    return png_pixels.purged(pieces)


def joined(pieces: Iterable[Piece]) -> bytes:
    """The file."""
    return HEAD + b"".join(map(_packed, pieces))


def _packed(piece: Piece) -> bytes:
    if isinstance(piece, Text):
        return _packed_text(piece.name, piece.text)
    return (
        _chunk(b"eXIf", piece.content) if isinstance(piece, Exif) else piece.data if isinstance(piece, Shown) else b""
    )


def _text(kind: bytes, content: bytes) -> Iterator[Piece]:
    key, _, rest = content.partition(b"\0")
    name = key.decode("latin-1")
    if kind in (b"tEXt", b"comf"):
        text = _plain_text(rest)
    elif kind == b"zTXt":
        text = _plain_text(rest[1:])
    else:
        *translation, body = rest[2:].split(b"\0", 2)
        text = body.decode("utf-8", "replace")
        if any(translation):
            yield Hidden(f"the translated name of its text {name}", b" ".join(translation))
    if name == XMP_NAME:
        yield Hidden(XMP, text.encode("utf-8", "replace"))
    elif ABOUT_PEOPLE.search(name):
        yield Hidden(f"{ITS_TEXT}{name}", text.encode("utf-8", "replace"))
    elif name.startswith(PROFILE):
        # A name and a length come first, each on a line.
        digits = re.sub(r"\s", "", "".join(text.split("\n")[3:]))
        profile = bytes.fromhex(digits) if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits) else text.encode()
        yield Hidden(f"{ITS_TEXT}{name}", profile)
    else:
        yield Text(name, text)


def _plain_text(content: bytes) -> str:
    """Latin-1 by the standard, but some write UTF-8, and the browser reads it so."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _unfolded(kind: bytes, content: bytes, room: int) -> tuple[int, bytes]:
    """The content of a chunk with its text unpacked, and how many bytes that took of ``room``."""
    key, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        head, packed = key + b"\0" + rest[:1], rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        # Whether it is packed and how; then language and translated name, each with an end of its own.
        *translation, packed = rest[2:].split(b"\0", 2)
        head = b"\0".join((key, rest[:2] + b"\0".join(translation), b""))
    else:
        return 0, content
    unfolding = zlib.decompressobj()
    text = unfolding.decompress(packed, room + 1)
    if len(text) > room:
        raise ValueError(f"its texts unfold to more than {MAX_UNFOLDED >> 20} MB")
    return len(text), head + text


def _packed_text(name: str, text: str) -> bytes:
    key = name.encode("latin-1", "replace")
    try:
        return _chunk(b"tEXt", key + b"\0" + text.encode("ascii"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
