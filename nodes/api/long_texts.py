"""JSON of which the long texts are left where they lie. An answer is mostly pictures in base64: decoded as text it
would take a multiple of its size, and one wide character anywhere in it four times that.
"""

from __future__ import annotations

import binascii
import codecs
import io
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

LONG = 2**16
"""Bytes of a text that is left where it lies."""

MOST_TEXT = 32 * 2**20
"""Bytes of all that is not. Where it would be more, all but the shortest are left there."""

_SHORT = 64

_SHOWN = 20_000
_PIECE = 2**20


class LongText(str):
    """The beginning of a long text; all of it is in ``body``, as JSON writes it."""

    __slots__ = ("body", "end", "start")

    body: bytes
    start: int
    end: int

    def __new__(cls, body: bytes, start: int, end: int, most: int) -> LongText:
        shown, _ = _unescaped(body[start : min(end, start + most)])
        text = super().__new__(cls, shown.decode("utf-8", "replace"))
        text.body, text.start, text.end = body, start, end
        return text

    def whole(self) -> str:
        return b"".join(self.pieces()).decode("utf-8", "replace")

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece, in UTF-8."""
        place, rest = self.start, b""
        while place < self.end:
            until = min(self.end, place + _PIECE)
            piece, rest = _unescaped(rest + self.body[place:until], is_last=until == self.end)
            yield piece
            place = until


_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LONGEST_ESCAPE = 6
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _unescaped(piece: bytes, *, is_last: bool = False) -> tuple[bytes, bytes]:
    """``piece`` without the escapes of JSON, and what of it may be the beginning of another one."""
    rest = b""
    if not is_last:
        place = piece.find(b"\\", max(0, len(piece) - _LONGEST_ESCAPE))
        piece, rest = (piece, b"") if place < 0 else (piece[:place], piece[place:])
    return _ESCAPE.sub(_meant, piece) if b"\\" in piece else piece, rest


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return chr(int(escape[1], 16)).encode("utf-8", "replace")
    return _LETTERS.get(escape[2], escape[2])


class TooMuch(ValueError):
    """JSON that would fill the memory."""


@dataclass(frozen=True)
class Shortened:
    """``text`` is the JSON in which each long text is a mark of a few bytes."""

    text: bytes
    body: bytes
    marks: dict[str, tuple[int, int]]
    """Where each text begins and ends in ``body``."""

    def restored(self, content: Any) -> Any:
        """What was decoded of ``text``, with its long texts in the place of their marks."""
        outer = [content]
        most = min(_SHOWN, MOST_TEXT // (8 * max(1, len(self.marks))))
        waiting: list[Any] = [outer] if self.marks else []
        while waiting:
            inside = waiting.pop()
            for name, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
                if isinstance(value, (dict, list)):
                    waiting.append(value)
                elif isinstance(value, str) and value in self.marks:
                    inside[name] = LongText(self.body, *self.marks[value], most)
        return outer[0]


def shorten(body: bytes) -> Shortened:
    """``body``, be it JSON or what has arrived of it. Raises ValueError where its encoding is damaged."""
    body = in_utf8(body)
    if len(body) <= LONG:
        return Shortened(body, body, {})
    left = len(body) - sum(end - start for start, end in long_texts(body))
    long = LONG if left <= MOST_TEXT else _SHORT
    mark = secrets.token_hex(8)  # nobody else can write it
    marks: dict[str, tuple[int, int]] = {}
    pieces: list[bytes | memoryview] = []
    kept = 0
    for start, end in _texts(body):
        if end - start <= long:
            continue
        pieces.append(memoryview(body)[kept:start])
        kept = end
        if end < len(body):  # else it is broken off
            name = f"{mark}{len(marks)}"
            marks[name] = (start, end)
            pieces.append(name.encode())
    return Shortened(b"".join([*pieces, memoryview(body)[kept:]]), body, marks)


def long_texts(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each text begins and ends that is always left where it lies."""
    return ((start, end) for start, end in _texts(body) if end - start > LONG)


def _texts(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each text begins and ends, without its quotes; the last one with ``body`` where it is broken off."""
    place = 0
    while (opening := body.find(b'"', place)) >= 0:
        closing = _closing(body, opening + 1)
        yield opening + 1, closing
        place = closing + 1


def _closing(body: bytes, start: int) -> int:
    """Where the text that begins at ``start`` ends, with its quote; the end of ``body`` where it is broken off."""
    place = start
    while (quote := body.find(b'"', place)) >= 0:
        if not _count_before(body, start, quote) % 2:
            return quote
        place = quote + 1
    return len(body)


def _count_before(body: bytes, start: int, end: int) -> int:
    """How many backslashes stand directly before ``end``."""
    count = 0
    while end > start:
        piece = body[max(start, end - 64 - count) : end]  # longer and longer: nobody may keep this busy
        here = len(piece) - len(piece.rstrip(b"\\"))
        count, end = count + here, end - len(piece)
        if here < len(piece):
            break
    return count


def in_utf8(body: bytes) -> bytes:
    """JSON in the encoding that most use. Raises ValueError where its own is damaged."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        return body
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    written = io.BytesIO()
    for start in range(0, len(body), _PIECE):
        text = decoder.decode(body[start : start + _PIECE], start + _PIECE >= len(body))
        written.write(text.removeprefix("\ufeff").encode("utf-8", "surrogatepass"))
    return written.getvalue()


# Some servers write the alphabet of URLs.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PLAIN = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n\v\f"
_AROUND = b"'\"`"
_PRINTED = re.compile(rb"^(\xef\xbb\xbf|\xe2\x80\x8b)*(b?['\"`])?(base64,)?")


def is_data_url(text: str) -> bool:
    return text[:100].lstrip()[:5].lower() == "data:"


def decode_base64(text: str) -> bytes:
    """The content of ``text``, or of the data URL that it is; its padding may be missing. Raises binascii.Error."""
    pieces = text.pieces() if isinstance(text, LongText) else iter([text.encode("utf-8", "replace")])
    if is_data_url(text):
        pieces = _after_comma(pieces)
    content, rest, is_over = io.BytesIO(), b"", False
    for piece in _plain_letters(pieces):
        letters = piece.translate(_PLAIN, _SPACE)
        bare = letters.rstrip(b"=")
        if (bare and is_over) or bare.translate(None, _ALPHABET):
            raise binascii.Error("Only base64 data is allowed")
        is_over = is_over or len(bare) < len(letters)
        rest += bare
        whole = len(rest) // 4 * 4
        content.write(binascii.a2b_base64(rest[:whole]))
        rest = rest[whole:]
    content.write(binascii.a2b_base64(rest + b"=" * (-len(rest) % 4)))
    return content.getvalue()


def _plain_letters(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Without the escapes of an address, and the quotes around what was printed, as Python prints bytes."""
    start, rest = True, b""
    for piece in pieces:
        piece = rest + piece
        rest = b""
        if start:
            piece = _PRINTED.sub(b"", piece)
            start = False
        if b"%" in piece:
            place = piece.find(b"%", max(0, len(piece) - 2))
            piece, rest = (piece, b"") if place < 0 else (piece[:place], piece[place:])
            piece = unquote_to_bytes(piece)
        yield piece.rstrip(_AROUND) if piece.endswith((b"'", b'"')) else piece
    yield rest


def _after_comma(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        _, comma, after = piece.partition(b",")
        if comma:
            yield after
            break
    yield from pieces
