"""EXIF: the texts that a graph or a description is kept in, and what a camera wrote beside them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from numbers import Rational
from typing import TYPE_CHECKING, Any

from .decoding import wide
from .pieces import Hidden, Text

if TYPE_CHECKING:
    from PIL import Image

HEAD = b"Exif\0\0"
INNER, PLACE, SMALL_PICTURE = 0x8769, 0x8825, 1
"""Where further tags are: those of the photograph, of GPS, and of the small picture."""

SHOWN = frozenset((0x0112, 0x011A, 0x011B, 0x0128, 0xA001))
"""How the picture is turned, its resolution, and its colour space."""

COMMENT = 0x9286
WIDE = {0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor", 0x9C9E: "XPKeywords", 0x9C9F: "XPSubject"}
"""What Windows writes, in UTF-16."""
OWNER = {0x013B: "Artist", 0x013C: "HostComputer", 0x9C9D: "XPAuthor", 0xA430: "CameraOwnerName"}
SERIAL = {0xA431: "BodySerialNumber", 0xA435: "LensSerialNumber", 0xC62F: "CameraSerialNumber"}
DESCRIBING = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x8298: "Copyright"}
NAMES = {**DESCRIBING, **WIDE, **OWNER, **SERIAL, COMMENT: "UserComment"}
KEPT = {*DESCRIBING, *WIDE, COMMENT} - {*OWNER}
"""Texts that are meant to be read by others."""

NAMED = re.compile(r"\s*([A-Za-z]\w*)\s*:(?=\s*[{\[])")
"""How ComfyUI keeps JSON in any tag: its name comes first."""

ASCII, UNICODE = b"ASCII\0\0\0", b"UNICODE\0"
CHARACTER_SETS = (ASCII, UNICODE, b"JIS\0\0\0\0\0", bytes(8))
"""How a comment begins, in eight bytes."""


def pieces(content: bytes) -> Iterator[Text | Hidden]:
    """The texts of a block, and all else that is to be read in it. Those that ComfyUI wrote are called as it named
    them, and the others by their tags.
    """
    exif = _loaded(content)
    if exif is None:
        yield Hidden("its EXIF", content)
        return
    for folder in (None, INNER, SMALL_PICTURE):
        for tag, value in (exif if folder is None else exif.get_ifd(folder)).items():
            text = _text(tag, value)
            if text is None:
                continue
            name, head = _name_of(tag, text)
            if name and folder != SMALL_PICTURE:
                yield Text(name, text[len(head) :])
            else:
                yield Hidden(f"its EXIF {_called(tag)}", _bytes(value))


def traits(content: bytes) -> Iterator[tuple[str, str]]:
    """What a block tells of the person behind it: codes, and what is there."""
    exif = _loaded(content)
    if exif is None:
        return
    if exif.get_ifd(PLACE):
        yield "location", "its EXIF tells where it was taken (GPS)"
    tags = {**exif, **exif.get_ifd(INNER)}
    for code, named, what in (
        ("personal_name", OWNER, "names a person or a computer"),
        ("serial_number", SERIAL, "has serial numbers"),
    ):
        there = [name for tag, name in named.items() if tags.get(tag)]
        if there:
            yield code, f"its EXIF {what} ({', '.join(there)})"


def rewritten(content: bytes, rewrite: Callable[[str, str], str]) -> bytes:
    """A block with what shows the picture, and each text as ``rewrite`` gives it; nothing where that is nothing."""
    from PIL import Image

    old = _loaded(content)
    if old is None:
        return b""
    new = Image.Exif()
    new.endian = old.endian
    inner = _remade(old.get_ifd(INNER), rewrite)
    for tag, value in {**_remade(old, rewrite), **({INNER: inner} if inner else {})}.items():
        new[tag] = value
    return new.tobytes()[len(HEAD) :] if len(new) else b""


def _remade(tags: Mapping[int, Any], rewrite: Callable[[str, str], str]) -> dict[int, Any]:
    made: dict[int, Any] = {}
    for tag, value in tags.items():
        text = _text(tag, value)
        if tag in SHOWN:
            # Anything may stand in a tag.
            if isinstance(value, (int, Rational)):
                made[tag] = value
        elif text is not None:
            name, head = _name_of(tag, text)
            new = rewrite(name, text[len(head) :]) if name else ""
            if new:
                made[tag] = _packed(tag, head + new, value)
    return made


def _loaded(content: bytes) -> Image.Exif | None:
    from PIL import Image

    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif.load(HEAD + content)
            for folder in (INNER, PLACE, SMALL_PICTURE):
                exif.get_ifd(folder)
        except Exception:
            # It may be made to break any reader of it.
            return None
    return exif


def _name_of(tag: int, text: str) -> tuple[str, str]:
    """The name of a text, and what of it stands in the text itself; none for what is not to be kept."""
    named = NAMED.match(text)
    if named:
        return named[1].lower(), named[0]
    return (f"EXIF {tag:#x}" if tag in KEPT else "", "")


def _called(tag: int) -> str:
    return NAMES.get(tag, f"{tag:#x}")


def _text(tag: int, value: Any) -> str | None:
    content = _bytes(value)
    if not content:
        return None
    if tag in WIDE:
        return wide(content)[0]
    if content.startswith(CHARACTER_SETS) and tag == COMMENT:
        head, content = content[:8], content[8:]
        if head == UNICODE:
            return wide(content)[0]
    return content.decode("utf-8", "replace").rstrip("\0")


def _bytes(value: Any) -> bytes:
    """What is written in a tag, nothing for numbers. Pillow takes a text for Latin-1, whatever it is."""
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace") if isinstance(value, str) else b""


def _packed(tag: int, text: str, old: Any) -> str | bytes:
    if tag in WIDE:
        return text.encode("utf-16-le", "replace") + b"\0\0"
    if tag == COMMENT:
        if _bytes(old).startswith(UNICODE) or not text.isascii():
            return UNICODE + text.encode(wide(_bytes(old)[8:])[1], "replace")
        return ASCII + text.encode()
    return text if text.isascii() else text.encode("utf-8", "replace")
