"""What a picture's file is by its own bytes: its format, since names and headers of answers are often wrong, and
whether it is whole, since decoders forgive more than a paid picture can bear.
"""

from __future__ import annotations

import zlib
from enum import Enum

from PIL import Image, ImageFile


class ImageFormat(Enum):
    """The formats an image API answers with. The value is Pillow's name of the format."""

    PNG = "PNG"
    JPEG = "JPEG"
    GIF = "GIF"
    WEBP = "WEBP"
    AVIF = "AVIF"

    @property
    def extension(self) -> str:
        """File name ending with its dot."""
        return ".jpg" if self is ImageFormat.JPEG else f".{self.value.lower()}"


_AVIF_BRANDS = (b"avif", b"avis")
_PNG_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_TAIL = 64


def readable(extension: str) -> bool:
    """Whether the installed Pillow can open files with this ending; AVIF came with 11.3."""
    return extension in Image.registered_extensions()


def sniff(data: bytes) -> ImageFormat | None:
    """The format of ``data``, or None where it is none of ours."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith((b"GIF87a", b"GIF89a")):
        return ImageFormat.GIF
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if data[4:8] == b"ftyp" and any(brand in data[8:40] for brand in _AVIF_BRANDS):
        return ImageFormat.AVIF
    return None


def damage(data: bytes, kind: ImageFormat) -> str | None:
    """What is missing or wrong, in a few words; None where nothing is seen."""
    if kind is ImageFormat.PNG:
        return _damage_of_png(data)
    if kind is ImageFormat.GIF and not data.rstrip(b"\0\r\n").endswith(b";"):
        # Cut between two frames, it would decode without a complaint.
        return "its end is missing"
    # Other code in this process may have told Pillow to forgive cut files.
    if (
        kind is ImageFormat.JPEG
        and ImageFile.LOAD_TRUNCATED_IMAGES
        and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    ):
        return "its end is missing"
    return None


def is_doubtful(data: bytes) -> bool:
    """Whether a file that decodes ends as none does that an encoder wrote: filled up to its length, or by a web page.
    WebP and AVIF have no checksums, and whatever follows a part of them is taken for picture.
    """
    tail = data[-_TAIL:]
    return len(data) > 4 * _TAIL and (tail == tail[:1] * _TAIL or b"</html" in data[-1024:].lower())


def _damage_of_png(data: bytes) -> str | None:
    place = 8
    while place + 12 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data):
            break
        if name in _PNG_NEEDED and zlib.crc32(data[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return "a checksum in it is wrong"
        if name == b"IEND":
            return None
        place = end
    return "its end is missing"
