"""What a picture file is made of, whatever its format."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """What the picture is seen by: its pixels, colours, frames and size. ``data`` is as it stands in the file."""

    data: bytes


@dataclass(frozen=True)
class Text:
    """A text with a name."""

    name: str
    text: str


@dataclass(frozen=True)
class Exif:
    """A block of EXIF, which is TIFF: tags, some of them texts."""

    content: bytes


@dataclass(frozen=True)
class Hidden:
    """Whatever else is in the file: nobody sees it, and no cleaned copy has it. ``name`` is for people."""

    name: str
    content: bytes


Piece = Shown | Text | Exif | Hidden

AFTER_THE_END = "what comes after its end"
XMP = "its XMP"

ITS_TEXT = "its text "
"""How a text with a name is called that is not to be shared."""

ABOUT_PEOPLE = re.compile(
    r"^(?:author|artist|creator|by-?line|owner|owner ?name|camera ?owner ?name|photographer|host ?computer|"
    r"user ?name)s?$|:(?:artist|hostcomputer|cameraownername|xpauthor)$|gps|latitude|longitude|^location$|"
    r"serial ?number",
    re.IGNORECASE,
)
"""Names of texts that tell of the person behind a picture, also as ImageMagick writes EXIF (``exif:Artist``)."""
