"""Pictures that stand where none of the known names leads: looked for only where an answer that claims success has no
other, since what is paid for must not be lost over a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .long_texts import LongText, is_data_url
from .shapes import is_address, is_picture_file, unfolded

_MOST = 10_000
"""Parts of an answer that are looked at."""

_DEEPEST = 12

_NOT_MADE = re.compile(
    r"input|request|prompt|param|reference|source|original|init_|mask|thumb|preview|partial|logo|icon|avatar",
    re.IGNORECASE,
)
"""Names of what was sent, and of what is shown beside a picture."""

_KINDS = r"\.(?:png|jpe?g|webp|gif|avif|svg)"
_FILE = re.compile(rf"(?:https?:/)?/[^\s\"'<>]*{_KINDS}(?:[?#&][^\s\"'<>]*)?", re.IGNORECASE)
"""The address of a picture's file. One that does not end so may be a job's, or a page's, unless its name tells."""

_LINK = re.compile(r"(image|img|picture)s?[_.]?(ur[il]|link|href)", re.IGNORECASE)
"""Names of a picture's address, with that of the object around it."""

_IN_PROSE = re.compile(r"data:image/[\w.+-]+;base64,[\w+/=-]+|!\[[^\[\]]{0,1000}\]\((https?://[^\s()\[\]]{1,2000})\)")
"""A picture in the words of a chat: a data URL, or a link in Markdown."""


def unnamed_entries(content: Any) -> list[dict[str, str]]:
    """The pictures anywhere in ``content``, each as an entry of OpenAI's."""
    known: set[tuple[str, int]] = set()
    found: list[dict[str, str]] = []
    for entry in _entries(content):
        marks = {(text, text.end - text.start if isinstance(text, LongText) else 0) for text in entry.values()}
        if marks.isdisjoint(known):
            found.append(entry)
        known |= marks
    return found


def _entries(content: Any) -> Iterator[dict[str, str]]:
    waiting, seen, count = [(content, "", 0)], set(), 0
    while waiting and count < _MOST:
        part, around, depth = waiting.pop()
        count += 1
        if isinstance(part, str):
            yield from _in_text(part, around)
        elif isinstance(part, (Mapping, list)) and id(part) not in seen and depth < _DEEPEST:
            seen.add(id(part))
            members = list(part.items()) if isinstance(part, Mapping) else [(around, value) for value in part]
            members = [(str(name), value) for name, value in members[:_MOST] if not _NOT_MADE.search(str(name))]
            members = [(name, unfolded(value)) for name, value in members]
            if isinstance(part, Mapping):
                # The texts of one object tell of one picture: its file, its address, or both.
                texts = [(f"{around}.{name}", value) for name, value in members if isinstance(value, str)]
                found = [entry for name, value in texts for entry in _in_text(value, name)]
                yield from [{name: text for entry in reversed(found) for name, text in entry.items()}] if found else []
                members = [(name, value) for name, value in members if not isinstance(value, str)]
            waiting += [(value, name, depth + 1) for name, value in reversed(members)]


def _in_text(text: str, name: str) -> Iterator[dict[str, str]]:
    """``name`` is that of the text, behind that of the object that it is in."""
    if is_picture_file(text):
        yield {"b64_json": text}
    elif not isinstance(text, LongText) and (
        _FILE.fullmatch(text.strip()) or (is_address(text) and _LINK.search(name))
    ):
        yield {"url": text.strip()}
    elif not is_data_url(text) and ("data:image/" in text or "![" in text):
        whole = text.whole() if isinstance(text, LongText) else text
        for match in _IN_PROSE.finditer(whole):
            yield {"url": match[1]} if match[1] else {"b64_json": match[0]}
