"""Masks: checked and fitted before they cost money, shown, and written so that every server reads them alike."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from ..errors import InputError
from .codec import as_float, png, to_uint8

THRESHOLD = 0.5
"""From this value on a pixel is asked to change. Servers want *fully* transparent, so there is no halfway."""

_TINT = (0.2, 0.9, 0.75)

_PAINT_HINT = (
    "Paint the part to change: right-click the Load Image node and choose Open in MaskEditor, or wire any MASK "
    "in which 1 means change."
)


def fit_mask(
    mask: torch.Tensor, images: torch.Tensor, *, invert: bool = False, any_shape: bool = False
) -> tuple[torch.Tensor, list[str]]:
    """A MASK ``[H, W]`` or ``[1 or B, H, W]`` made to fit IMAGE ``[B, H, W, C]``, and notes on what was done.

    Returns float32 ``[B, H, W]`` in 0..1, with ``invert`` 1 - mask. Raises InputError for a mask that asks for no
    change, belongs to another number of pictures or, unless ``any_shape``, has other proportions.
    """
    count, height, width = images.shape[:3]
    if mask.ndim < 2 or 0 in mask.shape:
        raise InputError(f"A MASK must be batch x height x width, not {' x '.join(map(str, mask.shape))}.")
    mask = as_float(mask).nan_to_num(nan=0.0).clamp(0.0, 1.0).reshape(-1, *mask.shape[-2:])
    if mask.shape[1:] == (64, 64) and not mask.any() and (height, width) != (64, 64):
        raise InputError(
            "The mask is the empty 64x64 one that Load Image gives for a picture without transparency.",
            code="EMPTY_MASK",
            hint=_PAINT_HINT,
        )
    if mask.shape[0] not in (1, count):
        raise InputError(
            f"There are {mask.shape[0]} masks for {count} picture{'s' * (count != 1)}.",
            code="MASK_BATCH",
            hint="Give one mask for all pictures, or one for each.",
        )
    notes = []
    if invert:
        mask = 1.0 - mask
    if mask.shape[1:] != (height, width):
        if not any_shape:
            check_proportions(mask, images)
        notes.append(f"The mask was scaled from {mask.shape[2]}x{mask.shape[1]} to the picture's {width}x{height}.")
        mask = interpolate(mask[:, None], size=(height, width), mode="bilinear", antialias=True)[:, 0].clamp(0.0, 1.0)
    for number, single in enumerate(mask, start=1):
        if not (single >= THRESHOLD).any():
            which = f"Mask {number}" if mask.shape[0] > 1 else "The mask"
            reason = "is all zero" if not single.any() else f"has no pixel at or above {THRESHOLD}"
            turned = " once inverted" if invert else ""
            hint = "Turn invert off, or leave out a part of the mask." if invert else _PAINT_HINT
            raise InputError(f"{which} {reason}{turned}, so nothing would change.", code="EMPTY_MASK", hint=hint)
    return mask.expand(count, -1, -1), notes


def check_proportions(mask: torch.Tensor, images: torch.Tensor) -> None:
    """Raise InputError for a MASK ``[..., H, W]`` that would be distorted, scaled to fit IMAGE ``[B, H, W, C]``."""
    height, width = images.shape[1:3]
    if not _same_shape(mask.shape[-1], mask.shape[-2], width, height):
        raise InputError(
            f"The mask is {mask.shape[-1]}x{mask.shape[-2]} and the picture {width}x{height}: scaled to fit, it "
            "would be distorted.",
            code="MASK_SHAPE",
            hint="Wire the mask that belongs to this picture, or crop or pad it to the same proportions first.",
        )


def highlight(image: torch.Tensor, mask: torch.Tensor) -> Image.Image:
    """A drawing of one picture ``[H, W, C]`` that shows in a tint what ``mask`` ``[H, W]`` will change."""
    share = mask[..., None]
    colour = image[..., :3]
    drawn = colour * (1.0 - share) * 0.45 + (colour * 0.6 + torch.tensor(_TINT) * 0.4) * share
    return Image.fromarray(to_uint8(drawn))


def _same_shape(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Whether two sizes have the same proportions, but for rounding to whole pixels."""
    expected = width * other_height / other_width
    return abs(expected - height) <= max(1.0, height * 0.02)


def encode_mask(mask: torch.Tensor) -> bytes:
    """One MASK ``[H, W]`` as the PNG that goes on the wire.

    Changed pixels are white with alpha 0, kept ones black with alpha 255, so that a server that reads alpha
    (OpenAI's rule, and Lumenfall's reference) and one that reads white (Lumenfall's guide) see the same mask.
    """
    change = (mask >= THRESHOLD).cpu().numpy()
    pixels = np.zeros((*change.shape, 4), dtype=np.uint8)
    pixels[change, :3] = 255
    pixels[~change, 3] = 255
    return png(Image.fromarray(pixels))
