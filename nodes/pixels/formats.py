"""Which image format a file is, told by its first bytes: names and headers of answers are often wrong."""

from __future__ import annotations

from enum import Enum

from PIL import Image


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
