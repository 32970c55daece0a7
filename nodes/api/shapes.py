"""Where servers put the pictures of an answer. At OpenAI they are in ``data``, each as ``url`` or ``b64_json``, or in
the last events of a stream; gateways to other makers' models have names of their own.

Sources: openai-python 3.57.0, types/image_gen_completed_event.py and image_edit_completed_event.py; the documentation
of OpenRouter, fal, Replicate, Stability, MiniMax, DeepInfra, SiliconFlow and Venice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from .long_texts import LongText, TooMuch, decode_base64, is_data_url
from .salvage import LISTS, read_json

_GROUPS = (*LISTS, "image", "output", "outputs", "result", "results", "artifacts", "predictions", "image_urls")
"""Members of an answer that may hold its pictures, the likeliest first."""

INSIDE = ("b64_json", "b64", "base64", "image_base64", "bytesBase64Encoded", "svg")
"""Names of a picture that is in the answer itself."""

LINKS = ("url", "image_url")
"""Names of a picture's address, which may be a data URL, or an object that has it as ``url``."""

_DEEPEST = 4


def entries(content: Any, depth: int = _DEEPEST) -> list[Any] | None:
    """What an answer lists as its pictures; None where it speaks of none."""
    if isinstance(content, list):
        return content
    if isinstance(content, str):
        return [content] if is_picture_text(content) else None
    if not isinstance(content, Mapping) or not depth:
        return None
    nested = [entries(content[name], depth - 1) for name in _GROUPS if content.get(name)]
    full = next((found for found in nested if found), None)
    if full is None and any(isinstance(content.get(name), (str, Mapping)) for name in (*INSIDE, *LINKS)):
        return [content]
    return full or next((content[name] for name in LISTS if isinstance(content.get(name), list)), None)


def inside(entry: Mapping[str, Any]) -> str | None:
    """The base64 or the data URL of an entry; None where it has neither."""
    found = next((entry[name] for name in INSIDE if isinstance(entry.get(name), str) and entry[name]), None)
    return found or next((text for text in _addresses(entry) if is_data_url(text)), None)


def link(entry: Mapping[str, Any]) -> str | None:
    """The address of an entry's picture, None where it has none."""
    text = next((text for text in _addresses(entry) if not is_data_url(text)), None)
    return text.whole() if isinstance(text, LongText) else text


def _addresses(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in LINKS:
        value = entry.get(name)
        address = value.get("url") if isinstance(value, Mapping) else value
        if isinstance(address, str) and address:
            yield address


def is_address(text: str) -> bool:
    """Whether a text is the address of something in the web."""
    return text[:100].lstrip().lower().startswith(("http://", "https://"))


def is_picture_text(text: str) -> bool:
    """Whether a text that has no name is a picture: its address, or its file."""
    return is_address(text) or is_picture_file(text)


def is_picture_file(text: str) -> bool:
    """Whether a text is a picture's file: in base64, as a data URL, or the SVG itself."""
    if text[:100].lstrip().lower().startswith("data:image/") or is_svg_text(text):
        return True
    try:
        return begins_as_picture(decode_base64(text[:_SAMPLE]))
    except ValueError:
        return False


_SAMPLE = 2048
"""Letters of base64, a multiple of four: an SVG file may begin with an XML declaration and comments."""

_BEGINNING = 2**14
"""Bytes of a file that are looked at."""


def is_svg_text(text: str) -> bool:
    """Whether a text is an SVG file, as it is, or in a data URL without base64."""
    if is_data_url(text) and "image/svg" in text[:100].lower():
        return ";base64" not in text[:100].lower().partition(",")[0]
    return _begins_as_svg(text[:_BEGINNING].encode("utf-8", "replace"))


def svg_of(text: str) -> bytes:
    """The file that :func:`is_svg_text` sees."""
    whole = text.whole() if isinstance(text, LongText) else text
    return unquote_to_bytes(whole.partition(",")[2]) if is_data_url(whole) else whole.encode("utf-8")


_SVG = re.compile(rb"<([\w.-]+:)?svg[\s>/]")
_PROLOGUES = (b"<?xml", b"<!--", b"<!DOCTYPE svg")
_WIDE = (b"\xff\xfe<\0", b"\xfe\xff\0<", b"<\0", b"\0<")
"""As XML in UTF-16 begins."""


def _begins_as_svg(body: bytes) -> bool:
    start = body[:_BEGINNING]
    # Of wide characters all that are marks of XML are those of ASCII, beside a zero.
    start = start.replace(b"\0", b"").lstrip(b"\xff\xfe") if start.startswith(_WIDE) else start
    start = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _SVG.match(start):
        return True
    # A page may hold drawings, too.
    return start.startswith(_PROLOGUES) and _SVG.search(start) is not None and b"<html" not in start.lower()


def without_blanks(body: bytes) -> bytes:
    """``body`` without the blanks before it, by which a server keeps the connection alive."""
    return body.lstrip(b" \t\r\n")


def begins_as_picture(body: bytes) -> bool:
    """Whether ``body`` begins as a picture's file does."""
    if body.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")) or body[:4] + body[8:12] == b"RIFFWEBP":
        return True
    return body[4:12] in (b"ftypavif", b"ftypavis") or _begins_as_svg(body)


@dataclass(frozen=True)
class Shaped:
    """An answer in OpenAI's shape: its pictures are in ``data``."""

    content: dict[str, Any]
    is_whole: bool = True
    """Whether all of it could be read."""


def read_shape(body: bytes) -> Shaped | None:
    """An answer of any shape but a picture's own bytes: JSON, also behind comments, a stream of events, JSON of several
    lines. None where it is none, or breaks off. Raises TooMuch.
    """
    return _from_json(body) or _from_json(body[_comments(body) :]) or _from_lines(body)


def _from_json(body: bytes) -> Shaped | None:
    content = unfolded(_json(body)) if body else None
    listed = entries(content)
    if isinstance(content, dict):
        return Shaped(content if listed is None else {**content, "data": listed})
    return None if listed is None else Shaped({"data": listed})


def unfolded(content: Any) -> Any:
    """What a text says that is JSON itself, as an answer, or a part of one, is by gateways that pack it twice."""
    if not isinstance(content, str) or content[:1] not in ("{", "["):
        return content
    text = content.whole() if isinstance(content, LongText) else content
    found = _json(text.encode("utf-8", "replace"))
    return found if isinstance(found, (dict, list)) else content


def bare_text(body: bytes) -> str | None:
    """The picture that a body is without any JSON: its base64, data URL or address. None where it is none."""
    start = body[:_SAMPLE].decode("utf-8", "replace").strip()
    if (
        start.startswith(("{", "[", "<"))
        or not is_picture_text(start)
        or (is_address(start) and len(start.split()) > 1)
    ):
        return None
    return body.decode("utf-8", "replace").strip()


_COMMENTS = re.compile(rb"\s*(:[^\r\n]*[\r\n]+\s*)+")
"""By which a server keeps the connection alive while it works (WHATWG's HTML, section 9.2.6)."""


def _comments(body: bytes) -> int:
    """How many bytes of comments ``body`` begins with; all of it where with none."""
    match = _COMMENTS.match(body)
    return match.end() if match else len(body)


MOST_LINES = 10_000
_LINE = re.compile(rb"[^\r\n]+")
_MOST_TRIES = 100
"""Ends of lines at which an event of several may end."""
_NO_DATA = (b":", b"event:", b"id:", b"retry:")


def _from_lines(body: bytes) -> Shaped | None:
    """A stream of events, or JSON of several lines. Previews of pictures are left out."""
    answer: dict[str, Any] = {}
    pictures: list[Any] = []
    others: list[Any] = []
    is_whole, is_stream, count, kind, begun, tries = True, False, 0, "", b"", 0
    for number, line in enumerate(_LINE.finditer(body.removeprefix(b"\xef\xbb\xbf"))):
        text = line[0].strip()
        if number >= MOST_LINES:
            raise TooMuch
        if text.startswith(b"event:"):
            kind = text.removeprefix(b"event:").strip().decode("utf-8", "replace")
        if not text or text.startswith(_NO_DATA):
            continue
        if not text.startswith((b"data:", b"{", b"[")):
            return None
        is_stream = is_stream or text.startswith(b"data:")
        text = text.removeprefix(b"data:").strip()
        if text == b"[DONE]":
            continue
        event = None if begun and not text.startswith((b"{", b"[")) else _json(text)
        if event is None and is_stream:
            # One event may have several lines.
            begun += text + b"\n"
            tries += text.endswith((b"}", b"]"))
            event = _json(begun) if text.endswith((b"}", b"]")) and tries <= _MOST_TRIES else None
            if event is None:
                continue
        else:
            is_whole = is_whole and event is not None and not begun
        count, begun = count + (event is not None), b""
        if isinstance(event, Mapping):
            if event.get("partial_image_index") is not None or str(event.get("type", kind)).endswith(".partial_image"):
                continue
            told = {name: value for name, value in event.items() if name not in (*_GROUPS, *INSIDE)}
            answer.update({name: value for name, value in told.items() if value is not None or name not in answer})
        found = entries(event) or []
        pictures += found
        others += [] if found else [event]
    is_any = count > 0 if is_stream else count > 1
    unnamed = {} if pictures else {"events": others}
    return Shaped({**answer, **unnamed, "data": pictures}, is_whole and not begun) if is_any else None


def _json(text: bytes) -> Any:
    try:
        return read_json(text)
    except TooMuch:
        raise
    except (ValueError, RecursionError):
        return None
