"""The core image nodes of ComfyUI that the pack's graphs use, with the same ids, inputs and pixels.

Matches ComfyUI 0.33 (its ``nodes.py`` and ``comfy_extras``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...table import NODE_DISPLAY_NAME_MAPPINGS
from ..folders import Folders
from .advanced import SaveImageAdvanced
from .compositing import ImageCompositeMasked, JoinImageWithAlpha, SplitImageWithAlpha
from .files import LoadImage, LoadImageMask, PreviewImage, SaveImage
from .joining import BatchImagesNode, ImageStitch
from .masks import GrowMask, ImageToMask, InvertMask, MaskToImage, SolidMask
from .pictures import EmptyImage, GetImageSize, ImageBatch, ImageScale, ImageScaleBy, ImageScaleToTotalPixels
from .showing import ImageCompare, PreviewAny
from .texts import (
    PrimitiveBoolean,
    PrimitiveFloat,
    PrimitiveInt,
    PrimitiveString,
    PrimitiveStringMultiline,
    SaveText,
    StringConcatenate,
)
from .vectors import SaveSVGNode

CORE_TITLES = {
    "LoadImage": "Load Image",
    "LoadImageMask": "Load Image (as Mask)",
    "SaveImage": "Save Image",
    "SaveImageAdvanced": "Save Image (Advanced)",
    "SaveSVGNode": "Save SVG",
    "SaveText": "Save Text",
    "PreviewImage": "Preview Image",
    "ImageScale": "Upscale Image",
    "ImageScaleBy": "Upscale Image By",
    "ImageScaleToTotalPixels": "Scale Image to Total Pixels",
    "GetImageSize": "Get Image Size",
    "ImageBatch": "Batch Images",
    "BatchImagesNode": "Batch Images",
    "ImageStitch": "Stitch Images",
    "ImageCompare": "Compare Images",
    "EmptyImage": "Empty Image",
    "JoinImageWithAlpha": "Join Image with Alpha",
    "SplitImageWithAlpha": "Split Image with Alpha",
    "ImageCompositeMasked": "Image Composite Masked",
    "InvertMask": "Invert Mask",
    "ImageToMask": "Convert Image to Mask",
    "MaskToImage": "Convert Mask to Image",
    "SolidMask": "Create Solid Mask",
    "GrowMask": "Grow Mask",
    "PrimitiveString": "Text",
    "PrimitiveStringMultiline": "Text (Multiline)",
    "PrimitiveInt": "Int",
    "PrimitiveFloat": "Float",
    "PrimitiveBoolean": "Boolean",
    "StringConcatenate": "Concatenate Text",
    "PreviewAny": "Preview as Text",
}
TITLES = {**CORE_TITLES, **NODE_DISPLAY_NAME_MAPPINGS}
"""What people see of each class, those of this pack too."""


_WITH_FILES = (
    *(LoadImage, LoadImageMask, SaveImage, SaveImageAdvanced, SaveSVGNode, SaveText),
    *(PreviewImage, ImageCompare),
)
_PURE = (
    *(ImageScale, ImageScaleBy, ImageScaleToTotalPixels, GetImageSize, EmptyImage),
    *(ImageBatch, BatchImagesNode, ImageStitch),
    *(JoinImageWithAlpha, SplitImageWithAlpha, ImageCompositeMasked),
    *(InvertMask, ImageToMask, MaskToImage, SolidMask, GrowMask),
    *(PrimitiveString, PrimitiveStringMultiline, PrimitiveInt, PrimitiveFloat, PrimitiveBoolean),
    *(StringConcatenate, PreviewAny),
)


def table(folders: Folders, wanted: Collection[str] | None = None) -> dict[str, type[Any]]:
    """Class id -> node class, of all or of those ``wanted``; those that touch files are bound to ``folders``."""
    with_files, pure = (
        [node for node in nodes if wanted is None or node.__name__ in wanted] for nodes in (_WITH_FILES, _PURE)
    )
    bound = [type(node.__name__, (node,), {"folders": folders}) for node in with_files]
    return {node.__name__: node for node in (*bound, *pure)}


def free(nodes: Mapping[str, type[Any]]) -> dict[str, type[Any]]:
    """Those of ``nodes`` that write nothing, so that an estimate may run them."""
    return {name: node for name, node in nodes.items() if node is PreviewAny or not getattr(node, "OUTPUT_NODE", False)}
