"""Colour profiles (ICC): a table of tags, some of which say in words whose or what the profile is."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from .decoding import readable

HEAD = 128
TAG = struct.Struct(">4sII")

COLOURS = frozenset(
    (
        *(b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad", b"chrm", b"cicp"),
        *(b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"D2B1", b"D2B2", b"B2D0", b"B2D1", b"B2D2"),
        *(b"gamt", b"lumi", b"tech", b"view", b"meas", b"rig0", b"ciis", b"aarg", b"aagg", b"aabg", b"vcgt"),
    )
)
"""Tags that colours are computed by, or that are numbers in a set form."""

KNOWN = (
    *("sRGB", "No copyright, use freely", "IEC ", "Copyright (c) 1998 Hewlett-Packard Company", "Public Domain"),
    *("Display P3", "Adobe RGB (1998)", "Copyright Apple Inc.", "Copyright 1999 Adobe Systems", "CC0", "Google"),
    *("Reference Viewing Condition", "Copyright 2000 Adobe Systems", "Dot Gain", "ProPhoto", "Rec", "GIMP"),
)
"""How the words of profiles begin that everybody has."""

ODD = re.compile(r"[\w-]{16,}|[\\@]|(?<![:/\w])/\w")
"""What stands in no such words: keys, addresses of people, and paths."""

WORDS = (b"text", b"mluc", b"desc", b"data", b"dict", b"utf8", b"ut16", b"zut8")
"""Kinds of content that are words: no colour is computed by them."""

SET_LENGTHS = {b"XYZ ": 20, b"sig ": 12}
"""Bytes of contents of a set size, for one colour."""


def cleaned(profile: bytes) -> tuple[bytes, bytes]:
    """The profile with zeros for all that no colour depends on, of the same length, and what was there: the words of
    ordinary profiles stay, but are told too.
    """
    if len(profile) < HEAD + 4:
        return bytes(len(profile)), profile
    tags = list(_tags(profile))
    kept, told = bytearray(len(profile)), bytearray(profile)
    table = HEAD + 4 + TAG.size * len(tags)
    kept[:table], told[:table] = profile[:table], bytes(table)
    for kind, start, end in tags:
        content = profile[start:end]
        is_colour = kind in COLOURS and content[:4] not in WORDS
        used = min(SET_LENGTHS.get(content[:4], end - start), end - start)
        if not is_colour:
            used = end - start if _is_known(content) else 8
        kept[start:end] = content[:used] + bytes(end - start - used)
        if is_colour:
            told[start : start + used] = bytes(used)
    kept[100:HEAD] = bytes(HEAD - 100)  # reserved
    if kept != profile:
        kept[84:100] = bytes(16)  # its checksum
    return bytes(kept), bytes(told).strip(b"\0")


def _tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each."""
    (count,) = struct.unpack_from(">I", profile, HEAD)
    for at in range(min(count, 100, (len(profile) - HEAD - 4) // TAG.size)):
        kind, start, length = TAG.unpack_from(profile, HEAD + 4 + at * TAG.size)
        if HEAD <= start <= start + length <= len(profile) and length >= 8:
            yield kind, start, start + length


def _is_known(content: bytes) -> bool:
    names = (name.encode(encoding) for name in KNOWN for encoding in ("latin-1", "utf-16-be"))
    is_known = len(content) <= 256 and any(name in content for name in names)
    return is_known and not any(map(ODD.search, readable(content)))
