"""IMAGE tensors to PNG bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ..errors import InputError

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
