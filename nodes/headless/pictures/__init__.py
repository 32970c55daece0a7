"""The texts in a picture file, and the file written anew with other texts and the same pixels: nothing is decoded."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..problems import NoWorkflow
from . import exif, jpeg, png, webp
from .decoding import readable
from .pieces import ABOUT_PEOPLE, ITS_TEXT, XMP, Exif, Hidden, Piece, Shown, Text

PNG, JPEG = png.HEAD, jpeg.HEAD

Texts = dict[str, str]
Rewrite = Callable[[str, str], str]
"""What becomes of a text, by its name; nothing where it goes."""

XMP_TRAITS = (
    ("location", "its XMP tells where it was taken (GPS)", re.compile(rb"GPS(?:Latitude|Longitude|Position)")),
    (
        "personal_name",
        "its XMP names a person",
        re.compile(rb"dc:creator|OwnerName|xmpRights:Owner"),
    ),
    ("serial_number", "its XMP has serial numbers", re.compile(rb"SerialNumber")),
)
IPTC_AUTHOR = re.compile(rb"\x1c\x02[\x50\x7a]")
"""By-line, and who wrote the caption (IIM, record 2)."""


def texts(data: bytes) -> Texts:
    """The texts of a PNG, WebP or JPEG by their names, as far as they can be read. Those of EXIF are called by their
    tags, and by their own names where it is ComfyUI that wrote them (``prompt:...``). Of two with one name the last
    counts, as it does for the browser.
    """
    found: Texts = {}
    with contextlib.suppress(NoWorkflow):
        found.update((piece.name, piece.text) for piece in _read(data) if isinstance(piece, Text))
    return found


def remains(data: bytes) -> Iterator[tuple[str, str]]:
    """What else is to be read in the file, which nobody sees: where it is, and the text. Damage ends it."""
    pieces: list[Piece] = []
    with contextlib.suppress(NoWorkflow):
        pieces.extend(_with_exif(_purged(data)))
    last = {piece.name: piece for piece in pieces if isinstance(piece, Text)}
    for piece in pieces:
        if isinstance(piece, Hidden):
            yield from ((piece.name, text) for text in readable(piece.content))
        elif isinstance(piece, Text) and last[piece.name] is not piece:
            yield f"an earlier text {piece.name}", piece.text


def traits(data: bytes) -> Iterator[tuple[str, str]]:
    """What the file tells of the person behind it: a code, and where that is. Damage ends it."""
    with contextlib.suppress(NoWorkflow):
        for piece in _purged(data):
            yield from _traits(piece)


def _traits(piece: Piece) -> Iterator[tuple[str, str]]:
    if isinstance(piece, Exif):
        yield from exif.traits(piece.content)
    elif isinstance(piece, Hidden):
        if piece.content.startswith(exif.HEAD):
            yield from exif.traits(piece.content[len(exif.HEAD) :])
        elif piece.name.startswith(ITS_TEXT) and ABOUT_PEOPLE.search(piece.name.removeprefix(ITS_TEXT)):
            yield _of_a_person(piece.name)
        elif piece.name == XMP:
            yield from ((code, what) for code, what, tag in XMP_TRAITS if tag.search(piece.content))
        elif IPTC_AUTHOR.search(piece.content):
            yield "personal_name", f"{piece.name} names a person"


def _of_a_person(name: str) -> tuple[str, str]:
    if re.search("gps|latitude|longitude|location", name, re.IGNORECASE):
        return "location", f"{name} tells where it was taken"
    if "serial" in name.lower():
        return "serial_number", f"{name} is a serial number"
    return "personal_name", f"{name} names a person or a computer"


def rewritten(data: bytes, rewrite: Rewrite) -> bytes:
    """The file with what shows the picture, and of the rest nothing but each text as ``rewrite`` gives it. Raises
    NoWorkflow for damage.
    """
    pieces = [*_purged(data)]
    left = Counter(piece.name for piece in _read(data) if isinstance(piece, Text))

    def last(name: str, text: str) -> str:
        left[name] -= 1
        return "" if left[name] else rewrite(name, text)

    with _told():
        joined: bytes = _format(data).joined(_remade(pieces, last))
    return joined


def _remade(pieces: list[Piece], rewrite: Rewrite) -> Iterator[Piece]:
    for piece in pieces:
        if isinstance(piece, Shown):
            yield piece
        elif isinstance(piece, Text):
            text = rewrite(piece.name, piece.text)
            if text:
                yield Text(piece.name, text)
        elif isinstance(piece, Exif):
            block = exif.rewritten(piece.content, rewrite)
            if block:
                yield Exif(block)


def _read(data: bytes) -> Iterator[Piece]:
    """The pieces, with those of EXIF for the block."""
    return _with_exif(_pieces(data))


def _with_exif(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if isinstance(piece, Exif):
            yield from exif.pieces(piece.content)
        else:
            yield piece


def _pieces(data: bytes) -> Iterator[Piece]:
    with _told():
        yield from _format(data).pieces(data)


def _purged(data: bytes) -> Iterator[Piece]:
    """The pieces, where what stands among the shown and is shown by nobody is Hidden. Slow for large pictures."""
    with _told():
        yield from _format(data).purged(_pieces(data))


def _format(data: bytes) -> Any:
    return png if data.startswith(PNG) else jpeg if data.startswith(JPEG) else webp


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (struct.error, IndexError, ValueError, zlib.error) as error:
        raise NoWorkflow(f"The picture is damaged: {error}") from error
