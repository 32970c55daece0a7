"""What can be had of a JSON object that breaks off, is damaged somewhere, or would fill the memory."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from typing import Any

from .long_texts import MOST_TEXT, TooMuch, long_texts, shorten

MOST_PARTS = 200_000
"""How many members and entries JSON may have to be decoded whole: a kilobyte on the wire can be a million of them, and
each takes up to a hundred bytes of memory. Pictures in base64 are one each.
"""

LISTS = ("data", "images")
"""Members of an answer that list its pictures."""

TOO_MUCH = f"more than {MOST_PARTS:,} parts or texts"

_PART = re.compile(r"[{\[,]")


def has_too_many_parts(body: bytes) -> bool:
    count = _parts(body, 0, len(body))
    if count <= MOST_PARTS or _has_too_many_quotes(body):
        return count > MOST_PARTS
    return count - sum(_parts(body, *place) for place in long_texts(body)) > MOST_PARTS


def _parts(body: bytes, start: int, end: int) -> int:
    return sum(body.count(sign, start, end) for sign in (b"{", b"[", b","))


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
    return short.restored(_loads(short.text))


_ESCAPE = re.compile(rb'\\(["\\/bfnrt]|u[0-9a-fA-F]{4})?')


def _loads(text: bytes) -> Any:
    """What JSON says whose texts are not escaped well: with the end of a line in them, or a backslash too many."""
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError:
        mended = _without_odd_escapes(text)
        if mended == text:
            raise
        return json.loads(mended, strict=False)


def _without_odd_escapes(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: escape[0] if escape[1] else b"", text)


def _head(body: bytes) -> bytes:
    """``body``, as far as it does not have too many quotes."""
    if not _has_too_many_quotes(body):
        return body
    return body[: next(itertools.islice(_QUOTE.finditer(body), 8 * MOST_PARTS, None)).start()]


_QUOTE = re.compile(b'"')
_decoder = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\n\r]*")


class _BrokenOff(Exception):
    pass


def complete_members(body: bytes) -> dict[str, Any]:
    """The members of the outermost object that are complete, up to the first that is not, or to what is too much. Long
    texts are LongText, and their parts no parts. Whatever list has the pictures, it is called ``data``.

    Of an incomplete list its complete entries are kept, and of the others the addresses and base64 that can be
    told by their names. Never raises; empty where nothing can be had.
    """
    try:
        short = shorten(_head(body))
    except ValueError:
        return {}
    text = _without_odd_escapes(short.text[:MOST_TEXT]).decode("utf-8-sig", "replace")
    found: dict[str, Any] = short.restored(_complete(text))
    return found


def _complete(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bare: list[Any] = []
    beyond = next(itertools.islice(_PART.finditer(text), MOST_PARTS, None), None)
    scan = _Scan(text[: beyond.start()] if beyond else text)
    try:
        if scan.at("["):
            scan.fill(bare)
        scan.expect("{")
        while True:
            key = scan.value()
            scan.expect(":")
            if key in LISTS and scan.at("["):
                scan.fill(found.setdefault("data", []))
            else:
                found[str(key)] = scan.value()
            scan.expect(",")
    except _BrokenOff:
        if "data" not in found or scan.is_in_data:
            _add_named(text[scan.place :], found)
        objects = [entry for entry in bare if isinstance(entry, dict) and entry]
        return found | {"data": objects} if objects else found


_DATA = re.compile(r'"(?:data|images)"\s*:\s*\[')
_METADATA = re.compile(r'\]\s*,\s*"metadata"\s*:\s*')
_NAMED = re.compile(
    r'"(?P<name>url|b64_json|image_url|b64)"\s*:\s*"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"(?=\s*[,}])|(?P<next>\}\s*,\s*\{)',
    re.DOTALL,
)
"""A picture of an entry, or where the next entry begins."""

MOST_NAMED = 1000
"""Entries of which something is told by its name."""


def _add_named(text: str, found: dict[str, Any]) -> None:
    """Add to ``found`` what can be told by its name in ``text``, which cannot be decoded."""
    if "data" not in found:
        opening = _DATA.search(text)
        if opening is None:
            return
        text = text[opening.end() :]
    data, *after = _METADATA.split(text, maxsplit=1)
    if after and "metadata" not in found:
        with contextlib.suppress(ValueError, RecursionError):
            found["metadata"] = _decoder.raw_decode(after[0])[0]
    entries: list[dict[str, str]] = [{}]
    # Of an entry that breaks off nothing is told by its name.
    for part in itertools.islice(_NAMED.finditer(data, 0, data.rfind("}") + 1), MOST_PARTS):
        if entries[-1] and (part["next"] or part["name"] in entries[-1]):
            if len(entries) == MOST_NAMED:
                break
            entries.append({})
        if part["name"]:
            entries[-1][part["name"]] = _decoder.decode(f'"{part["text"]}"')
    named = [entry for entry in entries if entry]
    if named:
        found["data"] = [*found.get("data", ()), *named]


class _Scan:
    """Reads ``text`` from its beginning, token after token. Everything raises _BrokenOff where it does not go on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.place = 0
        self.is_in_data = False
        """Whether a list is being filled."""

    def at(self, token: str) -> bool:
        match = _SPACE.match(self._text, self.place)
        self.place = match.end() if match else self.place
        return self._text.startswith(token, self.place)

    def expect(self, token: str) -> None:
        if not self.at(token):
            raise _BrokenOff
        self.place += len(token)

    def value(self) -> Any:
        self.at("")
        try:
            value, end = _decoder.raw_decode(self._text, self.place)
        except (ValueError, RecursionError):
            raise _BrokenOff from None
        if end == len(self._text) and isinstance(value, (int, float)):
            raise _BrokenOff  # the rest of the number may be missing
        self.place = end
        return value

    def fill(self, entries: list[Any]) -> None:
        """Read a list into ``entries``, one complete entry after the other."""
        self.expect("[")
        self.is_in_data = True
        # Not all writers know that no comma may follow the last one.
        while not self.at("]"):
            entries.append(self.value())
            if not self.at("]"):
                self.expect(",")
        self.expect("]")
        self.is_in_data = False
