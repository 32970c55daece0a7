"""Picture files: uploads to Pillow images and masks, finished pictures to bytes."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from .refusal import Refusal, invalid

MEGABYTE = 1 << 20
MAX_PICTURE_BYTES = 50 * MEGABYTE  # OpenAI's limit for GPT Image; Lumenfall documents none
MAX_MASK_BYTES = 4 * MEGABYTE  # must be *under* it, as must pictures for variations
MAX_PIXELS = 64_000_000
MAX_AVIF_SIDE = 1600  # the gateway converts to AVIF only up to here (docs.lumenfall.ai/unified-model-behavior)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
READABLE = ("PNG", "JPEG", "WEBP", "GIF")

# output_format: MIME type. Pillow calls the formats the same, in capitals.
MIME_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "svg": "image/svg+xml",
}
LOSSY = ("jpeg", "webp", "avif")


def decode(data: bytes, name: str) -> Image.Image:
    """An upload as an RGB or RGBA image. ``name`` is what a refusal calls it."""
    if len(data) > MAX_PICTURE_BYTES:
        raise Refusal("PAYLOAD_TOO_LARGE", f"The {name} is larger than {MAX_PICTURE_BYTES // MEGABYTE} MB.")
    try:
        with Image.open(io.BytesIO(data), formats=READABLE) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise invalid(f"The {name} has more than {MAX_PIXELS // 1_000_000} megapixels.")
            return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise invalid(f"The {name} is not a readable PNG, JPEG, WebP or GIF file.") from error


def decode_mask(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where to paint, ``[H, W]``: alpha 0, or white in a mask that has no alpha. Both are documented conventions."""
    if not data.startswith(PNG_SIGNATURE):
        raise invalid("The mask is not a valid PNG file.")
    if len(data) >= MAX_MASK_BYTES:
        raise invalid("The mask must be smaller than 4 MB.")
    mask = decode(data, "mask")
    if mask.size != size:
        raise invalid(f"The mask is {mask.width}x{mask.height}, not {size[0]}x{size[1]} like the image.")
    has_alpha = mask.mode == "RGBA"
    values = np.asarray(mask.getchannel("A") if has_alpha else mask.convert("L"))
    region: NDArray[np.bool_] = values == 0 if has_alpha else values >= 128
    return region


def decode_markup(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where strokes are, ``[H, W]`` (openai-python 3.57.0, types/image_edit_params.py)."""
    markup = decode(data, "markup")
    if markup.size != size:
        raise invalid(f"The markup is {markup.width}x{markup.height}, not {size[0]}x{size[1]} like the image.")
    if markup.mode != "RGBA":
        raise invalid("The markup has no transparent pixels.")
    strokes: NDArray[np.bool_] = np.asarray(markup.getchannel("A")) > 0
    return strokes


def encode(picture: Image.Image, output_format: str, compression: int | None, frames: int = 1) -> bytes:
    """The bytes of a finished picture. ``compression`` is OpenAI's ``output_compression``, in effect the quality; of
    several ``frames`` each shows the picture a little further to the right.
    """
    if output_format == "svg":
        return _vector(picture)
    if output_format == "avif" and max(picture.size) > MAX_AVIF_SIDE:
        raise invalid(f"AVIF is limited to pictures of at most {MAX_AVIF_SIDE} pixels a side.")
    options: dict[str, Any] = {"compress_level": 1} if output_format == "png" else {}
    if frames > 1:
        steps = range(1, frames)
        options = {"save_all": True, "append_images": [_shifted(picture, step / frames) for step in steps]}
    if output_format in LOSSY and compression is not None:
        options["quality"] = compression
    file = io.BytesIO()
    try:
        (picture.convert("RGB") if output_format == "jpeg" else picture).save(file, output_format.upper(), **options)
    except (OSError, KeyError) as error:  # a Pillow that was built without this codec
        raise invalid(f"The output_format '{output_format}' is not available here.") from error
    return file.getvalue()


def _shifted(picture: Image.Image, share: float) -> Image.Image:
    return ImageChops.offset(picture, round(picture.width * share), 0)


def _vector(picture: Image.Image) -> bytes:
    """A drawing that holds the picture: a painter of dunes draws no curves."""
    width, height = picture.size
    inside = base64.b64encode(encode(picture, "png", None)).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{inside}"/></svg>'
    ).encode()
