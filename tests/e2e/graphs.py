"""Workflows in UI format for the browser tests."""

from __future__ import annotations

from typing import Any

from tests.templates import api, ui

GENERATE, SAVE = 1, 2
"""Ids in :func:`generate`."""


def generate(prompt: str = "a red fox", model: str = "gpt-image-2", seed: int = 1, n: int = 1) -> dict[str, Any]:
    """Generate Image into Save Image."""
    node = {
        "id": GENERATE,
        "type": "LumenfallGenerate",
        "pos": [60, 80],
        "size": [340, 330],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [
            {"name": "images", "type": "IMAGE", "links": [1]},
            {"name": "mask", "type": "MASK", "links": None},
            {"name": "report", "type": "STRING", "links": None},
        ],
        "properties": {"Node name for S&R": "LumenfallGenerate"},
        "widgets_values": [prompt, model, "256x256", n, seed, "fixed"],
    }
    save = {
        "id": SAVE,
        "type": "SaveImage",
        "pos": [480, 80],
        "size": [340, 330],
        "flags": {},
        "order": 1,
        "mode": 0,
        "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
        "outputs": [],
        "properties": {},
        "widgets_values": ["e2e"],
    }
    return {
        "version": 0.4,
        "last_node_id": 2,
        "last_link_id": 1,
        "nodes": [node, save],
        "links": [[1, GENERATE, 0, SAVE, 0, "IMAGE"]],
        "groups": [],
        "config": {},
        "extra": {},
    }


def example(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An example workflow, and its twin in API format."""
    return ui(name), api(name)


def meaning(prompt: dict[str, Any]) -> dict[str, Any]:
    """What a graph in API format says, without titles."""
    return {node_id: (node["class_type"], node["inputs"]) for node_id, node in prompt.items()}
