"""Estimate Cost inside a real ComfyUI."""

from __future__ import annotations

from typing import Any

import pytest

from tests.comfyui.conftest import ComfyUI

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "balloon.png"}},
    "2": {
        "class_type": "LumenfallVariations",
        "inputs": {
            **{"image": ["1", 0], "model": "gpt-image-2", "size": "auto", "n": 2},
            **{"similarity": "close", "seed": 4711},
        },
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "test"}},
    "9": {"class_type": "LumenfallEstimate", "inputs": {}},
}


def estimated(comfyui: ComfyUI, prompt: dict[str, Any]) -> Any:
    """What the node shows when it is run alone."""
    posted = comfyui.post("/prompt", {"prompt": prompt, "partial_execution_targets": ["9"]})
    entry = comfyui.finished(posted["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    return entry["outputs"]["9"]["lumenfall_estimate"][0]


def test_run_alone_it_tells_the_price_before_and_after_the_run(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    before = estimated(comfyui, GRAPH)
    assert before["total"] == pytest.approx(0.106) and not before["approximate"]
    assert len(comfyui.sandbox.bill) == billed

    paid = {node_id: node for node_id, node in GRAPH.items() if node_id != "9"}
    assert comfyui.run(paid)["status"]["status_str"] == "success"
    assert float(comfyui.sandbox.bill[-1].cost) == pytest.approx(0.106) and len(comfyui.sandbox.bill) == billed + 1

    # The same prompt again: ComfyUI must not answer it from its cache.
    after = estimated(comfyui, GRAPH)
    assert (after["total"], after["lines"][0]["replayed"], after["lines"][0]["source"]) == (0.0, 2, "store")


def test_what_local_models_make_is_stood_in_for(comfyui: ComfyUI) -> None:
    empty = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
    found = estimated(comfyui, {**GRAPH, "1": empty})
    assert found["approximate"] and found["total"] == pytest.approx(0.106)
    assert "TypeError" not in comfyui.log and "Traceback" not in comfyui.log
