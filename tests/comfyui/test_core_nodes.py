"""Our core nodes beside those of a real ComfyUI: one graph, run by both."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from tests.comfyui.conftest import EXAMPLES, ComfyUI
from tests.headless.core_nodes.test_advanced import header

# Floats are compared as they are: what is written as linear light is not touched.
LINEAR = {"format": "exr", "format.bit_depth": "32-bit float", "format.input_color_space": "linear"}
SRGB16 = {"format": "png", "format.bit_depth": "16-bit", "format.input_color_space": "sRGB"}

SCALE = {"upscale_method": "bicubic", "megapixels": 0.07, "resolution_steps": 8}
STITCH = {"direction": "down", "match_image_size": True, "spacing_width": 5, "spacing_color": "red"}
FRAME = {"direction": "left", "match_image_size": False, "spacing_width": 2, "spacing_color": "black"}
PLACE = {"x": 30, "y": 20, "resize_source": False}

GRAPH: dict[str, tuple[str, dict[str, Any]]] = {
    "balloon": ("LoadImage", {"image": "balloon.png"}),
    "pattern": ("LoadImage", {"image": "pattern.png"}),
    "small": ("ImageScaleToTotalPixels", {"image": ["balloon", 0], **SCALE}),
    "size": ("GetImageSize", {"image": ["small", 0]}),
    "disc": ("SolidMask", {"value": 0.3, "width": 70, "height": 90}),
    "grown": ("GrowMask", {"mask": ["balloon", 1], "expand": 3, "tapered_corners": True}),
    "batch": ("BatchImagesNode", {"images.image0": ["small", 0], "images.image1": ["pattern", 0]}),
    "alpha": ("JoinImageWithAlpha", {"image": ["batch", 0], "alpha": ["grown", 0]}),
    "parts": ("SplitImageWithAlpha", {"image": ["alpha", 0]}),
    "below": ("ImageStitch", {"image1": ["batch", 0], "image2": ["pattern", 0], **STITCH}),
    "framed": ("ImageStitch", {"image1": ["alpha", 0], "image2": ["pattern", 0], **FRAME}),
    "placed": (
        "ImageCompositeMasked",
        {"destination": ["below", 0], "source": ["parts", 0], "mask": ["disc", 0], **PLACE},
    ),
    "on": ("PrimitiveBoolean", {"value": True}),
    "resized": (
        "ImageCompositeMasked",
        {
            **{"destination": ["framed", 0], "source": ["balloon", 0], "mask": ["parts", 1]},
            **{"x": 1, "y": 2, "resize_source": ["on", 0]},
        },
    ),
    "width": ("PreviewAny", {"source": ["size", 0]}),
    "count": ("PreviewAny", {"source": ["size", 2]}),
    "number": ("PrimitiveFloat", {"value": 2.5}),
    "shown": ("PreviewAny", {"source": ["number", 0]}),
    "tensor": ("PreviewAny", {"source": ["alpha", 0]}),
    "words": ("PrimitiveStringMultiline", {"value": '{"a": [1,\n"\u00e9"]}'}),
    "both": ("StringConcatenate", {"string_a": ["width", 0], "string_b": ["shown", 0], "delimiter": ", "}),
    "placed.exr": (
        "SaveImageAdvanced",
        {"images": ["placed", 0], "filename_prefix": "core/%width%x%height%", **LINEAR},
    ),
    "resized.exr": ("SaveImageAdvanced", {"images": ["resized", 0], "filename_prefix": "core/r%batch_num%", **LINEAR}),
    "light.exr": (
        "SaveImageAdvanced",
        {"images": ["small", 0], "filename_prefix": "core/l", **LINEAR, "format.input_color_space": "sRGB"},
    ),
    "alpha.png": ("SaveImageAdvanced", {"images": ["alpha", 0], "filename_prefix": "core/a", **SRGB16}),
    "below.png": ("SaveImage", {"images": ["below", 0], "filename_prefix": "core/b"}),
    "words.json": ("SaveText", {"text": ["words", 0], "filename_prefix": "core/w", "format": "json"}),
    "both.txt": ("SaveText", {"text": ["both", 0], "filename_prefix": "core/w", "format": "txt"}),
    "compared": ("ImageCompare", {"image_a": ["small", 0], "image_b": ["batch", 0], "compare_view": {"__value__": []}}),
}


def content(file: bytes, name: str) -> Any:
    """What is to be equal: not how a file was compressed, nor what the host writes about itself."""
    if name.endswith(".exr"):
        attributes, rest = header(file)
        lines = int.from_bytes(attributes["dataWindow"][12:], "little") + 1
        return attributes["channels"], attributes["chromaticities"], rest[8 * lines :]
    if name.endswith(".png"):
        with Image.open(io.BytesIO(file)) as picture:
            return picture.mode, picture.size, picture.tobytes()
    return file


def files(ui: dict[str, Any]) -> list[dict[str, str]]:
    return [file for kind in ("images", "files", "a_images", "b_images") for file in ui.get(kind, ())]


def test_both_run_the_same_graph_to_the_bit(comfyui: ComfyUI, tmp_path: Path) -> None:
    unknown = {kind for kind, _ in GRAPH.values()} - comfyui.json("/object_info").keys()
    if unknown:
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(unknown))}")
    graph = {node_id: {"class_type": kind, "inputs": inputs} for node_id, (kind, inputs) in GRAPH.items()}
    theirs = comfyui.run(graph)
    assert theirs["status"]["status_str"] == "success", theirs["status"]["messages"]

    folders = Folders(EXAMPLES / "input", tmp_path / "output", tmp_path / "temp")

    async def run() -> Any:
        return await execute(await build(graph, table(folders)), Headless())

    ours = asyncio.run(run())
    assert not ours.errors
    assert ours.ui.keys() == theirs["outputs"].keys()
    compared = 0
    for node_id, shown in theirs["outputs"].items():
        assert list(ours.ui[node_id].get("text", [])) == shown.get("text", []), node_id
        for mine, other in zip(files(dict(ours.ui[node_id])), files(shown), strict=True):
            if other["type"] == "output":  # others have random names
                assert mine == other
            place = f"filename={other['filename']}&subfolder={other['subfolder']}&type={other['type']}"
            wanted = content(comfyui.get(f"/view?{place}"), other["filename"])
            assert content(folders.locate(mine).read_bytes(), mine["filename"]) == wanted, node_id
            compared += 1
    assert compared == 14
