"""What only shows something: what is printed of it, and that no graph is refused for its sake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nodes.headless.core_nodes import free, table
from nodes.headless.folders import Folders
from tests.headless.conftest import Command


@pytest.fixture
def graph(tmp_path: Path) -> dict[str, Any]:
    """A picture that is saved."""
    (tmp_path / "input").mkdir()
    Image.new("RGB", (8, 4), (1, 2, 3)).save(tmp_path / "input" / "a.png")
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "p"}},
        "3": {"class_type": "GetImageSize", "inputs": {"image": ["1", 0]}},
    }


def run(command: Command, tmp_path: Path, graph: dict[str, Any], *arguments: str) -> Any:
    (tmp_path / "w.json").write_text(json.dumps(graph), encoding="utf-8")
    return command("run", "w.json", *arguments)


def test_texts_files_and_compared_pictures_are_printed(command: Command, tmp_path: Path, graph: dict[str, Any]) -> None:
    graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}, "_meta": {"title": "Width"}}
    graph["5"] = {"class_type": "SaveText", "inputs": {"text": ["4", 0], "filename_prefix": "t", "format": "md"}}
    graph["6"] = {"class_type": "ImageCompare", "inputs": {"image_a": ["1", 0], "compare_view": {"__value__": []}}}
    printed = run(command, tmp_path, graph)
    saved, *others = printed.out.splitlines()
    assert (printed.code, Path(saved).name) == (0, "p_00001_.png")
    assert "Width: 8" in others and any(Path(line).name == "t_00001.md" for line in others)
    outputs = run(command, tmp_path, graph, "--json").json["outputs"]
    assert outputs["4"] == {"title": "Width", "class_type": "PreviewAny", "images": [], "texts": ["8"]}
    (text,) = outputs["5"]["files"]
    assert Path(text).read_text() == "8" and "texts" not in outputs["5"]
    (compared,) = outputs["6"]["images"]
    with Image.open(compared) as picture:
        assert (picture.size, picture.info) == ((8, 4), {})


@pytest.mark.parametrize(
    "idle",
    [
        {"class_type": "PreviewAny", "inputs": {}},
        {"class_type": "PreviewAny", "inputs": {"source": ["9", 0]}},
        {"class_type": "PreviewAny", "inputs": {"source": ["1", 7]}},
        {"class_type": "ImageCompare", "inputs": {"image_a": ["3", 0], "compare_view": []}},
    ],
)
def test_a_faulty_one_is_left_out(
    command: Command, tmp_path: Path, graph: dict[str, Any], idle: dict[str, Any]
) -> None:
    printed = run(command, tmp_path, {**graph, "4": idle}, "--json")
    assert (printed.code, list(printed.json["outputs"])) == (0, ["2"])


def test_it_counts_where_something_goes_on_from_it_or_nothing_else_is_there(
    command: Command, tmp_path: Path, graph: dict[str, Any]
) -> None:
    idle = {"class_type": "PreviewAny", "inputs": {}}
    graph["2"]["inputs"]["filename_prefix"] = ["4", 0]
    assert run(command, tmp_path, {**graph, "4": idle}).code == 2
    printed = run(command, tmp_path, {"4": idle}, "--json")
    assert [error["code"] for error in printed.json["errors"]] == ["REQUIRED_INPUT_MISSING"]


def test_long_tensors_leave_the_way_they_are_printed_alone(tmp_path: Path) -> None:
    node = table(Folders(tmp_path, tmp_path, tmp_path))["PreviewAny"]
    before = str(torch.zeros(2000))
    assert node().show(torch.zeros(2000))["result"][0].count("0.") == 12
    assert str(torch.zeros(2000)) == before


def test_an_estimate_may_run_what_writes_nothing(tmp_path: Path) -> None:
    nodes = table(Folders(tmp_path, tmp_path, tmp_path))
    kept = {"SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveText", "PreviewImage", "ImageCompare"}
    assert nodes.keys() - free(nodes).keys() == kept
