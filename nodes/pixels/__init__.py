"""Tensors to image files and back, masks, and bringing pictures to one size.

Shapes are ComfyUI's: IMAGE is float32 ``[B, H, W, C]`` in 0..1 with 1, 3 or 4 channels, MASK is float32
``[B, H, W]`` in 0..1 where 1 means *change this*.
"""

from .active import objection
from .canvas import Borders, extend, new_area
from .codec import MAX_PIXELS, ImageFormat, decode, is_doubtful, readable, sniff, split_alpha
from .cores import on_every_core
from .crops import MIN_CONTEXT, Crop, plan_crop, surroundings
from .encoding import as_float, encode, fingerprint, fingerprint_of, to_uint8
from .markup import check_markup, strokes
from .masks import (
    AUTO,
    THRESHOLD,
    asked,
    check_proportions,
    diagnose,
    encode_mask,
    feather_mask,
    fit_mask,
    highlight,
    islands,
    planes,
    shape_mask,
)
from .sheet import Tile, contact_sheet
from .sizes import central_square, fit_to_first, match_channels, resize
from .stitching import Stitched, composite, stitch
from .thumbnails import stencil, thumbnail
from .vectors import INSTALL

__all__ = [
    "AUTO",
    "INSTALL",
    "MAX_PIXELS",
    "MIN_CONTEXT",
    "THRESHOLD",
    "Borders",
    "Crop",
    "ImageFormat",
    "Stitched",
    "Tile",
    "as_float",
    "asked",
    "central_square",
    "check_markup",
    "check_proportions",
    "composite",
    "contact_sheet",
    "decode",
    "diagnose",
    "encode",
    "encode_mask",
    "extend",
    "feather_mask",
    "fingerprint",
    "fingerprint_of",
    "fit_mask",
    "fit_to_first",
    "highlight",
    "is_doubtful",
    "islands",
    "match_channels",
    "new_area",
    "objection",
    "on_every_core",
    "plan_crop",
    "planes",
    "readable",
    "resize",
    "shape_mask",
    "sniff",
    "split_alpha",
    "stencil",
    "stitch",
    "strokes",
    "surroundings",
    "thumbnail",
    "to_uint8",
]
