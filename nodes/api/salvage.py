"""What can be had of a JSON object that breaks off, is damaged somewhere, or would fill the memory."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from .long_texts import MOST_TEXT, TooMuch, shorten

MOST_PARTS = 200_000
"""How many members and entries JSON may have to be decoded whole: a kilobyte on the wire can be a million of them, and
each takes up to a hundred bytes of memory. Pictures in base64 are one each.
"""

TOO_MUCH = f"more than {MOST_PARTS:,} parts or texts"

_PART = re.compile(rb"[{\[,]")


def has_too_many_parts(body: bytes) -> bool:
    return sum(map(body.count, (b"{", b"[", b","))) > MOST_PARTS


def _has_too_many_quotes(body: bytes) -> bool:
    # Each part has two texts at most; more are inside texts, where nobody needs many.
    return body.count(b'"') > 8 * MOST_PARTS


def read_json(body: bytes) -> Any:
    """What ``body`` says, its long texts as LongText. Raises ValueError for what is no JSON, TooMuch among them, and
    RecursionError.
    """
    if has_too_many_parts(body) or _has_too_many_quotes(body):
        raise TooMuch
    short = shorten(body)
    if len(short.text) > MOST_TEXT:
        raise TooMuch
    return short.restored(json.loads(short.text))


def _head(body: bytes) -> bytes:
    """``body``, as far as it does not have too many parts."""
    if _has_too_many_quotes(body):
        body = body[: next(itertools.islice(_QUOTE.finditer(body), 8 * MOST_PARTS, None)).start()]
    if not has_too_many_parts(body):
        return body
    return body[: next(itertools.islice(_PART.finditer(body), MOST_PARTS, None)).start()]


_QUOTE = re.compile(b'"')
_decoder = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class _BrokenOff(Exception):
    pass


def complete_members(body: bytes) -> dict[str, Any]:
    """The members of the outermost object that are complete, up to the first that is not, or to what is too much. Long
    texts are LongText.

    Of an incomplete ``data`` list its complete entries are kept. Never raises; empty where nothing can be had.
    """
    try:
        short = shorten(_head(body))
    except ValueError:
        return {}
    found: dict[str, Any] = short.restored(_complete(short.text[:MOST_TEXT].decode("utf-8-sig", "replace")))
    return found


def _complete(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scan = _Scan(text)
    try:
        scan.expect("{")
        while True:
            key = scan.value()
            scan.expect(":")
            if key == "data" and scan.at("["):
                scan.fill(found.setdefault("data", []))
            else:
                found[str(key)] = scan.value()
            scan.expect(",")
    except _BrokenOff:
        return found


class _Scan:
    """Reads ``text`` from its beginning, token after token. Everything raises _BrokenOff where it does not go on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def at(self, token: str) -> bool:
        match = _SPACE.match(self._text, self._place)
        self._place = match.end() if match else self._place
        return self._text.startswith(token, self._place)

    def expect(self, token: str) -> None:
        if not self.at(token):
            raise _BrokenOff
        self._place += len(token)

    def value(self) -> Any:
        self.at("")
        try:
            value, end = _decoder.raw_decode(self._text, self._place)
        except (ValueError, RecursionError):
            raise _BrokenOff from None
        if end == len(self._text) and isinstance(value, (int, float)):
            raise _BrokenOff  # the rest of the number may be missing
        self._place = end
        return value

    def fill(self, entries: list[Any]) -> None:
        """Read a list into ``entries``, one complete entry after the other."""
        self.expect("[")
        if self.at("]"):
            self.expect("]")
            return
        while True:
            entries.append(self.value())
            if self.at("]"):
                break
            self.expect(",")
        self.expect("]")
