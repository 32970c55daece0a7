"""Tensors to image files and back, masks, and bringing pictures to one size.

Shapes are ComfyUI's: IMAGE is float32 ``[B, H, W, C]`` in 0..1 with 1, 3 or 4 channels, MASK is float32
``[B, H, W]`` in 0..1 where 1 means *change this*.
"""

from .codec import as_float, decode, encode, fingerprint, split_alpha, to_uint8
from .formats import ImageFormat, readable, sniff
from .masks import composite, encode_mask, fit_mask
from .sizes import central_square, fit_to_first, match_channels, resize

__all__ = [
    "ImageFormat",
    "as_float",
    "central_square",
    "composite",
    "decode",
    "encode",
    "encode_mask",
    "fingerprint",
    "fit_mask",
    "fit_to_first",
    "match_channels",
    "readable",
    "resize",
    "sniff",
    "split_alpha",
    "to_uint8",
]
