"""The bytes of any answer as IMAGE tensors.

A file's own bytes tell its format, since names and headers of answers are often wrong, and whether it is whole, since
decoders forgive more than a paid picture can bear.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from enum import Enum

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image, ImageFile, ImageOps, ImageSequence, UnidentifiedImageError

from ..errors import AnswerError, DecoderFault
from . import vectors
from .unread import unread

MAX_BYTES = 256 * 2**20
"""Largest file that is decoded. An uncompressed 16-bit RGBA picture of 32 megapixels still fits."""

MAX_PIXELS = 2**27
"""Most pixels, all frames together, that are decoded: 134 megapixels, above any upscaler's 10K square."""

MAX_FRAMES = 256
"""Most frames of an animated answer."""

_DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, LookupError, ArithmeticError, RuntimeError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
    Warning,  # where a host makes errors of them
)
"""What Pillow's decoders raise for damaged files; found by cutting and changing files of all formats. Anything else is
a fault of the pack's, or of a package.
"""

ORIENTATION, UPRIGHT = 0x0112, 1
"""How a picture is turned, in EXIF."""


def decode(data: bytes) -> torch.Tensor:
    """An answer's bytes as float32 ``[frames, H, W, C]`` in 0..1; C is 4 where the file has transparency.

    The values equal those that ComfyUI's LoadImage gives: 8-bit divided by 255, EXIF rotation applied, colour
    never multiplied by alpha. Beyond that, colours of an embedded profile other than sRGB are converted to sRGB, and
    16-bit grey is scaled, not clipped; SVG is drawn (:func:`.vectors.draw`). Raises AnswerError for what is not
    a whole picture within MAX_BYTES, MAX_PIXELS and MAX_FRAMES; the limits are checked before decoding. Raises
    DecoderFault where the fault is not the file's.
    """
    kind = sniff(data)
    if kind is None:
        raise unread(data)
    if len(data) > MAX_BYTES:
        raise AnswerError(f"The picture file has {len(data):,} bytes, more than the {MAX_BYTES:,} that are decoded.")
    wrong = damage(data, kind)
    if wrong:
        raise AnswerError(f"The {kind.value} picture is damaged or incomplete: {wrong}.")
    with _faults_told(kind):
        if kind is ImageFormat.SVG:
            data, kind = vectors.draw(data), ImageFormat.PNG
        try:
            arrays = _frames(data, kind)
        except _DAMAGE as error:
            if isinstance(error, AnswerError):
                raise
            raise AnswerError(f"The {kind.value} picture is damaged or incomplete ({_reason(error)}).") from error
        channels = max(array.shape[-1] for array in arrays)
        whole = [array for array in arrays if array.shape[:2] == arrays[0].shape[:2]]
        # No view of another tensor, which would hold its memory (:func:`.sizes.fit_to_first`).
        frames = [torch.from_numpy(_with_channels(array, channels)[None]) for array in whole]
        return torch.cat(frames) if len(frames) > 1 else frames[0]


@contextlib.contextmanager
def _faults_told(kind: ImageFormat) -> Iterator[None]:
    """Raises DecoderFault for what is not the picture's fault."""
    again = "Then run again: the picture is paid for, and comes for nothing."
    if kind is not ImageFormat.SVG and not readable(kind.extension):
        raise DecoderFault(
            f"Pillow {PIL.__version__} cannot open {kind.value} pictures.",
            code="OLD_DEPENDENCY",
            hint=f"Run pip install -U Pillow in ComfyUI's Python, and start ComfyUI again. {again}",
        )
    try:
        yield
    except (AnswerError, DecoderFault):
        raise
    except MemoryError as error:
        raise DecoderFault(
            f"There is not enough memory to decode the {kind.value} picture.",
            code="OUT_OF_MEMORY",
            hint=f"Make room, for example by ending other programs. {again}",
        ) from error
    except Exception as error:
        raise DecoderFault(
            f"The {kind.value} picture could not be decoded by a fault of this pack, or of Pillow {PIL.__version__}, "
            f"NumPy {np.__version__} or torch {torch.__version__}, not of the picture ({_reason(error)}).",
            hint=f"Update the pack and these packages, and start ComfyUI again. {again}",
        ) from error


def _frames(data: bytes, kind: ImageFormat) -> list[npt.NDArray[np.float32]]:
    with Image.open(io.BytesIO(data), formats=[kind.value]) as picture:
        _check_limits(picture)
        # The further pictures of an MPO (a JPEG with previews or a gain map) are no frames.
        frames = [picture] if picture.format == "MPO" else ImageSequence.Iterator(picture)
        return [_pixels(frame) for frame in frames]


def split_alpha(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``[B, H, W, 3 or 4]`` as colour ``[B, H, W, 3]`` and MASK ``[B, H, W]`` = 1 - alpha, 0 where opaque."""
    if images.shape[-1] == 4:
        return images[..., :3], 1.0 - images[..., 3]
    # NumPy's zeros take no memory until somebody writes on them.
    return images, torch.from_numpy(np.zeros(images.shape[:3], np.float32))


def _check_limits(picture: Image.Image) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > MAX_FRAMES:
        raise AnswerError(f"The picture has {frames} frames, more than the {MAX_FRAMES} that are decoded.")
    pixels = picture.width * picture.height * frames
    if pixels > MAX_PIXELS:
        raise AnswerError(
            f"The picture has {pixels:,} pixels ({picture.width} x {picture.height}, {frames} frames), "
            f"more than the {MAX_PIXELS:,} that are decoded."
        )


def _pixels(frame: Image.Image) -> npt.NDArray[np.float32]:
    # Before anything is forgiven: turning loads the pixels, and hides what is wrong with them.
    frame.load()
    frame = _upright(frame)
    if frame.mode.startswith("I;16"):
        grey = np.asarray(frame, dtype=np.float32) / np.float32(65535.0)
        return np.repeat(grey[..., None], 3, axis=-1)
    frame = _in_srgb(frame)
    mode = "RGBA" if frame.has_transparency_data else "RGB"
    frame = frame if frame.mode == mode else frame.convert(mode)
    # In one pass: of a large picture each further copy takes as long as this.
    pixels: npt.NDArray[np.float32] = np.divide(np.asarray(frame), np.float32(255.0), dtype=np.float32)
    return pixels


def _upright(frame: Image.Image) -> Image.Image:
    # A damaged EXIF block is no reason to lose the picture.
    with contextlib.suppress(Exception):
        if frame.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
            return ImageOps.exif_transpose(frame)
    return frame


def _in_srgb(frame: Image.Image) -> Image.Image:
    """The frame with the colours that its embedded profile means. An sRGB profile, or none, leaves it as it is; a
    damaged one is no reason to lose the picture.
    """
    profile = frame.info.get("icc_profile")
    if profile and frame.mode == "P":
        frame = frame.convert("RGBA" if frame.has_transparency_data else "RGB")
    if not profile or frame.mode not in ("RGB", "RGBA", "L", "LA", "CMYK"):
        return frame
    try:
        from PIL import ImageCms

        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(found).lower():
            return frame
        colour = frame.convert(frame.mode.removesuffix("A")) if frame.mode in ("RGBA", "LA") else frame
        converted = ImageCms.profileToProfile(colour, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None and colour is not frame:
            converted.putalpha(frame.getchannel("A"))
    except Exception:
        return frame
    return converted or frame


def _reason(error: Exception) -> str:
    return "it is not readable" if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"


def _with_channels(frame: npt.NDArray[np.float32], channels: int) -> npt.NDArray[np.float32]:
    missing = channels - frame.shape[-1]
    return np.pad(frame, ((0, 0), (0, 0), (0, missing)), constant_values=1.0) if missing else frame


class ImageFormat(Enum):
    """The formats an image API answers with. The value is Pillow's name of the format, which knows no SVG."""

    PNG = "PNG"
    JPEG = "JPEG"
    GIF = "GIF"
    WEBP = "WEBP"
    AVIF = "AVIF"
    SVG = "SVG"

    @property
    def extension(self) -> str:
        """File name ending with its dot."""
        return ".jpg" if self is ImageFormat.JPEG else f".{self.value.lower()}"


_AVIF_BRANDS = (b"avif", b"avis")
_PNG_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_TAIL = 64


def readable(extension: str) -> bool:
    """Whether files with this ending can be opened, or drawn, with what is installed; AVIF came with Pillow 11.3."""
    if extension == ImageFormat.SVG.extension:
        return vectors.can_draw()
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
    return ImageFormat.SVG if vectors.is_svg(data) else None


def damage(data: bytes, kind: ImageFormat) -> str | None:
    """What is missing or wrong, in a few words; None where nothing is seen."""
    if kind is ImageFormat.PNG:
        return _damage_of_png(data)
    if kind is ImageFormat.SVG:
        return vectors.damage(data)
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
