"""The core image nodes of ComfyUI that the pack's graphs use, with the same ids, inputs and pixels.

Matches ComfyUI 0.33 (its ``nodes.py`` and ``comfy_extras/nodes_mask.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...table import NODE_DISPLAY_NAME_MAPPINGS
from ..folders import Folders
from .files import LoadImage, LoadImageMask, PreviewImage, SaveImage
from .masks import GrowMask, ImageToMask, InvertMask, MaskToImage, SolidMask
from .pictures import EmptyImage, ImageBatch, ImageScale, ImageScaleBy

CORE_TITLES = {
    "LoadImage": "Load Image",
    "LoadImageMask": "Load Image (as Mask)",
    "SaveImage": "Save Image",
    "PreviewImage": "Preview Image",
    "ImageScale": "Upscale Image",
    "ImageScaleBy": "Upscale Image By",
    "ImageBatch": "Batch Images",
    "EmptyImage": "Empty Image",
    "InvertMask": "Invert Mask",
    "ImageToMask": "Convert Image to Mask",
    "MaskToImage": "Convert Mask to Image",
    "SolidMask": "Create Solid Mask",
    "GrowMask": "Grow Mask",
}
TITLES = {**CORE_TITLES, **NODE_DISPLAY_NAME_MAPPINGS}
"""What people see of each class, those of this pack too."""


def table(folders: Folders) -> dict[str, type[Any]]:
    """Class id -> node class; those that touch files are bound to ``folders``."""
    bound = [
        type(node.__name__, (node,), {"folders": folders})
        for node in (LoadImage, LoadImageMask, SaveImage, PreviewImage)
    ]
    pure = [
        *(ImageScale, ImageScaleBy, ImageBatch, EmptyImage),
        *(InvertMask, ImageToMask, MaskToImage, SolidMask, GrowMask),
    ]
    return {node.__name__: node for node in (*bound, *pure)}


def free(nodes: Mapping[str, type[Any]]) -> dict[str, type[Any]]:
    """Those of ``nodes`` that write and show nothing, so that an estimate may run them."""
    return {name: node for name, node in nodes.items() if not getattr(node, "OUTPUT_NODE", False)}
