"""Whether an SVG file is a picture to look at, or would act where a browser opens it: it may hold scripts, HTML and
whatever an entity stands for. Such a file is left where it is, as changing it would make another picture of it.

What it only loads, pictures and fonts from elsewhere, does not act.
"""

from __future__ import annotations

import re
from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"
_HANDLER = re.compile(r"on[a-z]+", re.IGNORECASE)
_IGNORED = re.compile(r"[\x00-\x20]+")
"""What browsers leave out of the beginning of an address, and some of it everywhere in one."""

_ENCODINGS = ("utf-8", "utf8", "us-ascii", "iso-8859-1")
"""Those in which this reads what a browser reads; in others a byte may stand for itself here, and for a part of a
character there.
"""


class _Objection(Exception):
    """Ends the reading: a file may go on for long, and an entity for ever."""


def objection(data: bytes) -> str | None:
    """Why an SVG file should not be handed on, to be written behind *it*; None where it may be.

    ComfyUI's nodes read it as UTF-8, a browser in the encoding that it declares.
    """
    try:
        # A zero is in no XML but UTF-16, of which all that is ASCII passes for UTF-8 with zeros.
        is_utf_8 = "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        is_utf_8 = False
    if not is_utf_8:
        return "is not written in UTF-8, in which ComfyUI reads it"
    parser = expat.ParserCreate()

    def begin(name: str, attributes: dict[str, str]) -> None:
        if _local(name) != "svg":
            raise _Objection("is no SVG")
        parser.StartElementHandler = _look_at
        _look_at(name, attributes)

    parser.StartElementHandler = begin
    parser.XmlDeclHandler = _look_at_declaration
    # A few of them stand for a file without end; and the attributes may be handlers.
    parser.EntityDeclHandler = parser.AttlistDeclHandler = _refuse_declaration
    parser.ProcessingInstructionHandler = _look_at_instruction
    try:
        parser.Parse(data, True)
    except _Objection as found:
        return str(found)
    except expat.ExpatError as error:
        return f"is damaged ({error})"
    return None


def _look_at(name: str, attributes: dict[str, str]) -> None:
    if _local(name).lower() == "script":
        raise _Objection("holds a script")
    for attribute, value in attributes.items():
        if _HANDLER.fullmatch(_local(attribute)):
            raise _Objection(f"holds a script ({attribute[:40]})")
        if attribute.partition(":")[0] == "xmlns" and value.strip() == XHTML:
            raise _Objection("holds HTML")
        if ":" in value and "javascript:" in _IGNORED.sub("", value).lower():
            raise _Objection("holds a script (a javascript: link)")


def _look_at_declaration(_: str, encoding: str | None, __: int) -> None:
    if encoding is not None and encoding.lower() not in _ENCODINGS:
        raise _Objection(f"declares the encoding {encoding[:40]}, and ComfyUI reads UTF-8")


def _refuse_declaration(*_: object) -> None:
    raise _Objection("declares entities or attributes of its own")


def _look_at_instruction(target: str, _: str) -> None:
    if target == "xml-stylesheet":  # which may be a program (XSLT)
        raise _Objection("names a stylesheet, which may act")


def _local(name: str) -> str:
    """Without its prefix, whatever that stands for."""
    return name.rpartition(":")[2]
