"""Files that are no picture of a kind that is read here, and what they are instead."""

from __future__ import annotations

import re

from ..errors import AnswerError

_OTHERS = tuple(
    (re.compile(start, re.DOTALL), name)
    for start, name in (
        (rb"BM.{4}\0{4}", "a BMP picture"),
        (rb"II\*\0|MM\0\*", "a TIFF picture"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
        (rb".{4}ftyp(hei|hev|mif|msf)", "a HEIC picture"),
        (rb".{4}ftyp|\x1a\x45\xdf\xa3", "a video"),
        (rb"8BPS", "a file of Photoshop (PSD)"),
        (rb"%PDF-", "a PDF"),
    )
)
"""How files begin that may come where a server is asked for nothing else, and what to call them."""


def unread(data: bytes) -> AnswerError:
    """What to say of ``data``."""
    other = next((name for start, name in _OTHERS if start.match(data)), None)
    if other is None:
        return AnswerError("The server sent something that is not a PNG, JPEG, WebP, GIF, AVIF or SVG picture.")
    return AnswerError(
        f"The server sent {other}, which is not read here: PNG, JPEG, WebP, GIF, AVIF and SVG are.",
        hint="Open its file with another program. For the next one, set output_format to png in Request Options.",
    )
