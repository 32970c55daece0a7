"""IMAGE tensors to PNG bytes, and the bytes of any answer to IMAGE tensors.

A file's own bytes tell its format, since names and headers of answers are often wrong, and whether it is whole, since
decoders forgive more than a paid picture can bear.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import Enum

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image, ImageFile, ImageOps, ImageSequence, UnidentifiedImageError

from ..errors import AnswerError, DecoderFault, InputError
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

_PIECE = 2**16
"""Values."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def as_float(image: torch.Tensor) -> torch.Tensor:
    """Any tensor as float32 on the CPU; 8-bit integers are divided by 255."""
    values = image.detach().to(device="cpu", dtype=torch.float32)
    return values / 255.0 if image.dtype == torch.uint8 else values


def to_uint8(image: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Any float tensor as 8-bit values: clamp to 0..1, times 255, round to nearest. NaN becomes 0."""
    if image.dtype == torch.uint8:
        return np.ascontiguousarray(image.detach().cpu().numpy())
    values = np.ascontiguousarray(as_float(image).numpy())
    array = np.empty(values.shape, np.uint8)
    source, target = values.reshape(-1), array.reshape(-1)
    # By pieces that stay in the processor's cache: with a copy of a large picture for each step, it takes eight times
    # as long.
    room = np.empty(min(_PIECE, source.size), np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, source.size, _PIECE):
            piece = room[: source.size - start]
            np.multiply(source[start : start + _PIECE], np.float32(255.0), out=piece)
            np.rint(piece, out=piece)
            np.fmax(piece, np.float32(0.0), out=piece)
            np.fmin(piece, np.float32(255.0), out=piece)
            target[start : start + _PIECE] = piece
    return array


def encode(image: torch.Tensor) -> bytes:
    """One picture ``[H, W, C]`` (C = 1, 3 or 4, any dtype, any device) as a PNG without metadata.

    Raises InputError for another shape.
    """
    if image.ndim != 3 or image.shape[-1] not in _MODES or 0 in image.shape:
        raise InputError(
            f"An IMAGE must be height x width x 1, 3 or 4 channels, not {' x '.join(map(str, image.shape))}.",
            hint="Check the node that the picture comes from.",
        )
    return png(_as_picture(image))


def _as_picture(image: torch.Tensor) -> Image.Image:
    pixels = to_uint8(image)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def png(picture: Image.Image) -> bytes:
    """A Pillow picture as PNG bytes: of photographs as fast as it goes, of anything else as small as usual.

    That is a guess from a sample. None of the pages, sheets, patterns and drawings that were tried grew by more than a
    tenth; one that hides repetitions from the sample behind other matter of the same density would grow many times.
    """
    sample = _sample(picture)
    if sample is not None:
        fast = _saved(sample, **_FAST)
        if len(fast) < _LARGER * len(_saved(sample)):
            file = _saved(picture, **_FAST)
            expected = len(fast) * picture.height / sample.height
            if abs(len(file) - expected) < _TOLERANCE * expected:
                return file
    return _saved(picture)


_FAST = {"compress_level": 1, "compress_type": 3}
"""zlib's run-length strategy looks for no repetitions. Photographs have none: a quarter of the time, no byte more."""

_WINDOW = 2**15
"""Bytes that zlib looks back over: only a strip that is longer shows what repeats at such a distance."""

_LEAST_STRIPS = 4
_SHARE = 0.08
"""Of a picture's rows, that are tried both ways."""

_LARGER = 1.1
"""How many times the usual bytes are worth a quarter of the time."""

_TOLERANCE = 0.15
"""How far the whole may differ from what the sample lets expect. Where it differs more, the sample is of other matter
than the rest: the margins of a page, the photographs between its columns.
"""


def _sample(picture: Image.Image) -> Image.Image | None:
    """Strips of whole rows from everywhere in the picture, in uneven steps so that nothing regular hides between
    them; None where they would be half of it.
    """
    row = picture.width * len(picture.getbands())
    rows = -(-3 * _WINDOW // (2 * row))
    strips = max(_LEAST_STRIPS, round(_SHARE * picture.height / rows))
    if 2 * rows * strips > picture.height:
        return None
    sample = Image.new(picture.mode, (picture.width, rows * strips))
    step = picture.height / strips
    for number in range(strips):
        top = int(step * number + (step - rows) * (number * 0.618 % 1))
        sample.paste(picture.crop((0, top, picture.width, top + rows)), (0, number * rows))
    return sample


def _saved(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    save: Callable[..., None] = picture.save
    save(buffer, format="PNG", **options)
    return buffer.getvalue()


def fingerprint(file: bytes) -> str:
    """SHA-256, in hex, of the pixels in one of our own PNG files: the same for every encoder of the same pixels."""
    with Image.open(io.BytesIO(file), formats=["PNG"]) as picture:
        return _digest(picture)


def fingerprint_of(image: torch.Tensor) -> str:
    """What :func:`fingerprint` gives for the file of a picture ``[H, W, C]`` (C = 1, 3 or 4), without making one."""
    return _digest(_as_picture(image))


def _digest(picture: Image.Image) -> str:
    shape = f"{picture.mode} {picture.width}x{picture.height} "
    return hashlib.sha256(shape.encode() + picture.tobytes()).hexdigest()


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
        frames = [torch.from_numpy(_with_channels(array, channels)) for array in whole]
        return torch.stack(frames) if len(frames) > 1 else frames[0][None]


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
    return images, torch.zeros(images.shape[:3], dtype=torch.float32)


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
