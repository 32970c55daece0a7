"""`lumenfall convert`: a workflow in API format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.headless.conftest import Command
from tests.templates import TEMPLATES, api, template

LOCAL = "mix-with-local-models"


def bare(graph: dict[str, Any]) -> dict[str, Any]:
    """Without what is only for people."""
    return {name: {"class_type": node["class_type"], "inputs": node["inputs"]} for name, node in graph.items()}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_an_example_becomes_its_twin(name: str, command: Command) -> None:
    printed = command("convert", str(template(name)))
    assert (printed.code, printed.err) == (0, "")
    assert bare(printed.json) == bare(api(name))


def test_it_writes_a_file_where_one_is_named(command: Command, tmp_path: Path) -> None:
    printed = command("convert", str(template("generate")), "--output", "made.json")
    assert (printed.code, printed.out) == (0, "")
    assert bare(json.loads((tmp_path / "made.json").read_text())) == bare(api("generate"))
    assert command("convert", str(template("generate")), "--output", "no/such/folder.json").code == 2


def test_what_only_comfyui_can_name_is_no_graph(command: Command, tmp_path: Path) -> None:
    nodes = [
        {"id": 4, "type": "Odd", "widgets_values": [1, 2], "properties": {"aux_id": "some/pack"}},
        {"id": 5, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
    ]
    (tmp_path / "w.json").write_text(json.dumps({"nodes": nodes, "links": [[1, 4, 0, 5, 0, "IMAGE"]]}))
    printed = command("convert", "w.json")
    assert (printed.code, printed.out) == (3, "") and "Odd (node 4, of some/pack)" in printed.err


def test_what_is_no_workflow_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("{}")
    printed = command("convert", "w.json")
    assert (printed.code, printed.out) == (2, "") and "not a workflow" in printed.err
