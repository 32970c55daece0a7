"""The nodes around Inpaint, inside a real ComfyUI and between its own nodes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from nodes.headless.core_nodes import table
from nodes.headless.folders import Folders
from nodes.host import SVG
from nodes.table import NODE_CLASS_MAPPINGS
from tests.comfyui.conftest import EXAMPLES, ComfyUI
from tests.templates import api, ui

SIZES = {
    "zoom-inpaint": [(1024, 768)],
    "outpaint": [(1792, 768)],
    "edit": [(1024, 768)],
    "upscale": [(2048, 1536)],
    "compare": [(1632, 636), (1024, 1024), (1024, 1024), (1024, 1024)],
}


def pictures(comfyui: ComfyUI, graph: dict[str, Any]) -> list[Image.Image]:
    entry = comfyui.run(graph)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    return [Image.open(io.BytesIO(content)) for content in comfyui.pictures(entry)]


@pytest.mark.parametrize("name", SIZES)
def test_the_examples_run(comfyui: ComfyUI, name: str) -> None:
    made = pictures(comfyui, api(name))
    assert sorted(picture.size for picture in made) == sorted(SIZES[name])
    original = np.asarray(Image.open(EXAMPLES / "input" / "balloon.png"))[..., :3]
    if name == "zoom-inpaint":
        same = (np.asarray(made[0]) == original).all(axis=-1)
        assert same[400:].all() and same[:, :500].all() and not same.all()
    if name == "outpaint":
        left = (1792 - 1024) // 2
        assert (np.asarray(made[0])[:, left + 32 : left + 992] == original[:, 32:992]).all()


def test_between_local_nodes_no_adapter_is_needed(comfyui: ComfyUI) -> None:
    edited = {"model": "gpt-image-2", "size": "auto", "n": 1, "seed": 1, "prompt": "a kite"}
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "balloon.png"}},
        "2": {
            "class_type": "ImageScale",
            "inputs": {"image": ["1", 0], "upscale_method": "area", "width": 256, "height": 192, "crop": "disabled"},
        },
        "3": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}},
        "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["3", 0]}},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["3", 0]}},
        "6": {"class_type": "GrowMask", "inputs": {"mask": ["1", 1], "expand": 4, "tapered_corners": True}},
        "7": {
            "class_type": "LumenfallInpaint",
            "inputs": {
                **{"image": ["5", 0], "mask": ["6", 0], **edited, "keep_unmasked": True},
                **{"region": "zoom to mask", "grow": 2, "feather": 4},
            },
        },
        "8": {
            "class_type": "ImageCompositeMasked",
            "inputs": {
                **{"destination": ["5", 0], "source": ["7", 0], "mask": ["7", 1]},
                **{"x": 0, "y": 0, "resize_source": False},
            },
        },
        "9": {"class_type": "LumenfallEdit", "inputs": {"image": ["8", 0], "image_16": ["2", 0], **edited}},
        "10": {"class_type": "VAEEncode", "inputs": {"pixels": ["9", 0], "vae": ["3", 0]}},
        "11": {"class_type": "VAEDecode", "inputs": {"samples": ["10", 0], "vae": ["3", 0]}},
        "12": {
            "class_type": "LumenfallUpscale",
            "inputs": {"image": ["11", 0], "model": "real-esrgan", "scale_factor": 2.0, "seed": 1},
        },
        "13": {"class_type": "SaveImage", "inputs": {"images": ["12", 0], "filename_prefix": "chain"}},
    }
    (made,) = pictures(comfyui, graph)
    assert made.size == (512, 384)


def test_markup_is_a_mask_or_a_picture(comfyui: ComfyUI) -> None:
    edited = {"model": "gpt-image-2", "size": "auto", "n": 1, "seed": 1, "prompt": "as drawn", "draw_markup": True}
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "balloon.png"}},
        "2": {"class_type": "JoinImageWithAlpha", "inputs": {"image": ["1", 0], "alpha": ["1", 1]}},
        "3": {"class_type": "LumenfallEdit", "inputs": {"image": ["1", 0], **edited, "markup": ["1", 1]}},
        "4": {"class_type": "LumenfallEdit", "inputs": {"image": ["1", 0], **edited, "markup": ["2", 0]}},
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
        "6": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
    }
    assert len(pictures(comfyui, graph)) == 2
    assert len([request for request in comfyui.requests if request.endpoint == "images/edits" and request.cost]) == 2
    graph["4"]["inputs"]["markup"] = ["3", 2]
    del graph["5"]
    with pytest.raises(HTTPError):
        comfyui.queue(graph)


def test_a_mask_that_was_painted_too_small_is_refused_before_it_costs(comfyui: ComfyUI) -> None:
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "balloon.png"}},
        "2": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}},
        "3": {
            "class_type": "LumenfallInpaint",
            "inputs": {
                **{"image": ["1", 0], "mask": ["2", 0], "prompt": "a kite", "model": "gpt-image-2", "size": "auto"},
                **{"n": 1, "seed": 7, "keep_unmasked": True},
            },
        },
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    error = dict(comfyui.run(graph)["status"]["messages"])["execution_error"]
    assert "would be distorted" in error["exception_message"] and comfyui.requests == []


def test_the_sockets_of_edit_appear_as_they_are_used(page: Page) -> None:
    saved = ui("edit")
    page.evaluate("async graph => { await window.app.loadGraphData(graph) }", saved)
    shown = "window.app.graph.getNodeById(3).inputs.map(input => input.name).filter(name => name.startsWith('image'))"
    page.wait_for_function(f"{shown}.join() === 'image,image_2,image_3'")
    slot = "node.inputs.findIndex(input => input.name === 'image_3')"
    node = "const node = window.app.graph.getNodeById(3)"
    page.evaluate(f"() => {{ {node}; window.app.graph.getNodeById(2).connect(0, node, {slot}) }}")
    page.wait_for_function(f"{shown}.join() === 'image,image_2,image_3,image_4'")
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert prompt["3"]["inputs"]["image_3"] == ["2", 0] and prompt["3"]["inputs"]["n"] == 1
    page.evaluate(f"() => {{ {node}; node.disconnectInput({slot}) }}")
    page.wait_for_function(f"{shown}.join() === 'image,image_2,image_3'")


def test_a_vector_picture_is_saved_as_svg(comfyui: ComfyUI, tmp_path: Path) -> None:
    """As it was paid for, but for what Save SVG says in it of the run."""
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import resvg_py"], capture_output=True).returncode:
        pytest.skip("nothing draws SVG there: install resvg-py for it")
    inputs = {"model": "recraft-v4-svg", "prompt": "a fox", "size": "64x64", "n": 1, "seed": 0}
    declared = NODE_CLASS_MAPPINGS["LumenfallOptions"].INPUT_TYPES()["required"]
    chosen = {**{name: spec[1]["default"] for name, spec in declared.items()}, "output_format": "svg"}
    entry = comfyui.run(
        {
            "1": {"class_type": "LumenfallOptions", "inputs": chosen},
            "2": {"class_type": "LumenfallGenerate", "inputs": {**inputs, "options": ["1", 0]}},
            "3": {"class_type": "LumenfallGetSVG", "inputs": {"report": ["2", 2]}},
            "4": {"class_type": "SaveSVGNode", "inputs": {"svg": ["3", 0], "filename_prefix": "fox"}},
        }
    )
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    (saved,) = comfyui.pictures(entry)
    (paid,) = (comfyui.base / "user" / "__lumenfall" / "store").rglob("*.svg")
    metadata = re.search(rb"\n  <metadata>\s+<!\[CDATA\[(.*)\]\]>\s+</metadata>\s+(?=<image)", saved, re.DOTALL)
    assert metadata and saved.replace(metadata[0], b"") == paid.read_bytes()
    # Ours says it in the same way.
    said = json.loads(metadata[1])
    node = table(Folders(tmp_path, tmp_path, tmp_path))["SaveSVGNode"]()
    (ours,) = node.save_svg(SVG([io.BytesIO(paid.read_bytes())]), "fox", said.pop("prompt"), said)["ui"]["images"]
    assert (tmp_path / ours["filename"]).read_bytes() == saved
