"""Pictures that stand where none of the known names leads: looked for only where an answer that claims success has no
other, since what is paid for must not be lost over a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .long_texts import LongText, is_data_url
from .shapes import is_picture_file

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
"""The address of a picture's file. One that does not end so may be a job's, or a page's."""

_IN_PROSE = re.compile(r"data:image/[\w.+-]+;base64,[\w+/=-]+|!\[[^\[\]]{0,1000}\]\((https?://[^\s)]{1,2000})\)")
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
    waiting, seen, count = [(content, 0)], set(), 0
    while waiting and count < _MOST:
        part, depth = waiting.pop()
        count += 1
        if isinstance(part, str):
            yield from _in_text(part)
        elif isinstance(part, (Mapping, list)) and id(part) not in seen and depth < _DEEPEST:
            seen.add(id(part))
            members = list(part.items()) if isinstance(part, Mapping) else [("", value) for value in part]
            values: list[Any] = [value for name, value in members[:_MOST] if not _NOT_MADE.search(str(name))]
            if isinstance(part, Mapping):
                # The texts of one object tell of one picture: its file, its address, or both.
                texts = [entry for value in values if isinstance(value, str) for entry in _in_text(value)]
                yield from [{name: text for entry in reversed(texts) for name, text in entry.items()}] if texts else []
                values = [value for value in values if not isinstance(value, str)]
            waiting += [(value, depth + 1) for value in reversed(values)]


def _in_text(text: str) -> Iterator[dict[str, str]]:
    if is_picture_file(text):
        yield {"b64_json": text}
    elif _FILE.fullmatch(text.strip()) and not isinstance(text, LongText):
        yield {"url": text.strip()}
    elif not is_data_url(text) and ("data:image/" in text or "![" in text):
        whole = text.whole() if isinstance(text, LongText) else text
        for match in _IN_PROSE.finditer(whole):
            yield {"url": match[1]} if match[1] else {"b64_json": match[0]}
