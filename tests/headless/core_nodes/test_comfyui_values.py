"""The core nodes against what ComfyUI 0.33.0 made of the same inputs, in graphs as they come in API format."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless

CASES = json.loads((Path(__file__).parent / "comfyui_values.json").read_text(encoding="utf-8"))
"""Of each output: its value; or its shape and the hash of its float32; or, where it was resampled, which depends on the
processor in its last bits, its shape and its pixels in 8 bit. A text may be given by its hash.
"""


def picture(batch: int, height: int, width: int, channels: int, start: int = 0) -> torch.Tensor:
    """IMAGE [B,H,W,C] of values that no 8 bit can hold."""
    steps = (torch.arange(batch * height * width * channels) * 37 + start * 11) % 256
    return steps.reshape(batch, height, width, channels) / 255 * 0.9973 + 0.0011


class Give:
    """The picture or mask that a case names."""

    RETURN_TYPES = ("*",)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"what": ("OBJECT",)}}

    def give(self, what: dict[str, list[int]]) -> tuple[torch.Tensor]:
        if "picture" in what:
            return (picture(*what["picture"]),)
        batch, height, width, start = what["mask"]
        return (picture(batch, height, width, 1, start)[..., 0],)


class Keep:
    RETURN_TYPES = ()
    FUNCTION = "keep"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": ("*",)}}

    def keep(self, value: Any) -> dict[str, Any]:
        return {"ui": {"kept": [value]}}


def made(tmp_path: Path, kind: str, inputs: dict[str, Any], outputs: int) -> list[Any]:
    """What our node gives."""
    nodes = {**table(Folders(tmp_path, tmp_path, tmp_path)), "Give": Give, "Keep": Keep}
    graph: dict[str, Any] = {"node": {"class_type": kind, "inputs": {}}}
    for name, value in inputs.items():
        if isinstance(value, dict) and value.keys() & {"picture", "mask"}:
            graph[name] = {"class_type": "Give", "inputs": {"what": value}}
            value = [name, 0]
        graph["node"]["inputs"][name] = value
    graph |= {f"out{slot}": {"class_type": "Keep", "inputs": {"value": ["node", slot]}} for slot in range(outputs)}

    async def run() -> Any:
        return await execute(await build(graph, nodes), Headless())

    result = asyncio.run(run())
    assert not result.errors
    return [result.ui[f"out{slot}"]["kept"][0] for slot in range(outputs)]


@pytest.mark.parametrize("kind", sorted({case["class"] for case in CASES}))
def test_it_gives_what_comfyui_gives(tmp_path: Path, kind: str) -> None:
    for case in (case for case in CASES if case["class"] == kind):
        outputs = made(tmp_path, kind, case["inputs"], len(case["outputs"]))
        for value, expected in zip(outputs, case["outputs"], strict=True):
            if "value" in expected:
                assert (value, type(value)) == (expected["value"], type(expected["value"]))
                continue
            if "text_sha256" in expected:
                assert hashlib.sha256(value.encode()).hexdigest() == expected["text_sha256"]
                continue
            assert (list(value.shape), value.dtype) == (expected["shape"], torch.float32), case["inputs"]
            if "sha256" in expected:
                pixels = value.contiguous().numpy().tobytes()
                assert hashlib.sha256(pixels).hexdigest() == expected["sha256"], case["inputs"]
            if "pixels" in expected:
                known = np.frombuffer(base64.b64decode(expected["pixels"]), np.uint8).astype(int)
                assert abs((value * 255).round().int().numpy().ravel() - known).max() <= 1, case["inputs"]
