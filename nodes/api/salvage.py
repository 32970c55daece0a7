"""What can be had of a JSON object that breaks off, is damaged somewhere, or would fill the memory."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

MOST_PARTS = 200_000
"""How many members and entries JSON may have to be decoded whole: a kilobyte on the wire can be a million of them, and
each takes up to a hundred bytes of memory. Pictures in base64 are one each.
"""

_PART = re.compile(rb"[{\[,]")


def has_too_many_parts(body: bytes) -> bool:
    return sum(map(body.count, (b"{", b"[", b","))) > MOST_PARTS


def _head(body: bytes) -> bytes:
    """``body``, as far as it does not have too many parts."""
    if not has_too_many_parts(body):
        return body
    return body[: next(itertools.islice(_PART.finditer(body), MOST_PARTS, None)).start()]


_decoder = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class _BrokenOff(Exception):
    pass


def complete_members(body: bytes) -> dict[str, Any]:
    """The members of the outermost object that are complete, up to the first that is not, or to MOST_PARTS.

    Of an incomplete ``data`` list its complete entries are kept. Never raises; empty where nothing can be had.
    """
    found: dict[str, Any] = {}
    scan = _Scan(_head(body).decode("utf-8-sig", "replace"))
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
