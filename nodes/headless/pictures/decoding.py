"""Texts from bytes of which nobody says how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]")
RUNS = (
    (re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{12,}"), "utf-8"),
    (re.compile(rb"(?:[\t\n\r\x20-\x7e\xa0-\xff]\x00){8,}"), "utf-16-le"),
    (re.compile(rb"(?:\x00[\t\n\r\x20-\x7e\xa0-\xff]){8,}"), "utf-16-be"),
)
"""What may be a text among other bytes, long enough not to be one by chance."""


def wide(content: bytes) -> tuple[str, str]:
    """What is written in UTF-16, and its byte order: writers hold to none, not even to that of the block."""
    order = MARKS.get(content[:2])
    if order:
        content = content[2:]
    else:
        # One half of the letters of most texts is zero.
        order = "utf-16-be" if content[::2].count(0) >= content[1::2].count(0) else "utf-16-le"
    return content[: len(content) // 2 * 2].decode(order, "replace").rstrip("\0"), order


def readable(content: bytes) -> Iterator[str]:
    """The texts in ``content``: all of it where it is one, else what runs on for a while."""
    plain = content.decode("utf-8", "replace").strip("\0")
    if not CONTROL.search(plain):
        yield plain
        return
    for run, encoding in RUNS:
        yield from (found[0].decode(encoding, "replace") for found in run.finditer(content))
