"""A file that cannot be written: before anything is paid, and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal, newest
from tests.headless.conftest import Command

ROOT = Path(__file__).parents[3]
KEY = "sk-somebody.TOPSECRET"
MEASURED = {
    "4": {"class_type": "StringConcatenate", "inputs": {"string_a": "aux/", "string_b": ["5", 0], "delimiter": ""}},
    "5": {"class_type": "PreviewAny", "inputs": {"source": ["6", 0]}},
    "6": {"class_type": "GetImageSize", "inputs": {"image": ["1", 0]}},
}
"""A prefix that is not known before its picture is there."""
EXR = {"format": "exr", "format.bit_depth": "32-bit float", "format.input_color_space": "sRGB"}


@pytest.fixture
def graph(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A picture that is bought, and saved as three megabytes."""
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("LUMENFALL_API_KEY", KEY)
    bought = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 0}
    large = {"image": ["1", 0], "upscale_method": "area", "width": 512, "height": 512, "crop": "disabled"}
    return {
        "1": {"class_type": "LumenfallGenerate", "inputs": bought},
        "2": {"class_type": "ImageScale", "inputs": large},
        "3": {"class_type": "SaveImageAdvanced", "inputs": {"images": ["2", 0], "filename_prefix": "cat", **EXR}},
    }


def written(tmp_path: Path, graph: dict[str, Any]) -> None:
    (tmp_path / "w.json").write_text(json.dumps(graph), encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="no limit can be set for a child there")
def test_a_full_disk_after_paying_loses_nothing_and_says_so(
    command: Command, sandbox: Sandbox, journal: Journal, tmp_path: Path, graph: dict[str, Any]
) -> None:
    written(tmp_path, graph)
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20));"
        "from nodes.headless.cli import main; main()"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", limited, "run", "w.json", "--json"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    (error,) = json.loads(done.stdout)["errors"]
    assert (done.returncode, error["code"], error["charged"]) == (1, "SAVE_FAILED", "charged")
    assert "the file is larger than it may be here" in error["message"] and "Errno" not in done.stdout + done.stderr
    (call,) = newest(journal, 1)
    assert (
        f"`lumenfall recover {call.request_id} --output DIR`" in error["hint"] and "run the same again" in error["hint"]
    )
    assert list((tmp_path / "output").iterdir()) == []

    # Both ways hold what was said, and nothing more is billed.
    (rescued,) = command("recover", str(call.request_id), "--output", "rescued", "--json").json["images"]
    again = command("run", "w.json", "--json")
    assert (again.code, again.json["cost"], len(sandbox.bill)) == (0, 0, 1)
    (path,) = again.json["outputs"]["3"]["images"]
    with Image.open(rescued) as picture:
        assert picture.size == (64, 64)
    assert Path(path).stat().st_size > 3 * 2**20


def test_a_linked_prefix_is_told_with_where_the_picture_is(
    command: Command, sandbox: Sandbox, tmp_path: Path, graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph["3"]["inputs"]["filename_prefix"] = ["4", 0]
    written(tmp_path, {**graph, **MEASURED})
    ends = []
    for replay in ("on", "on", "off"):
        monkeypatch.setenv("LUMENFALL_REPLAY", replay)
        printed = command("run", "w.json", "--json")
        (error,) = printed.json["errors"]
        assert "Windows keeps for a device" in error["message"] and "lumenfall recover" in error["hint"]
        ends.append((printed.code, error["code"], error["charged"], "run the same again" in error["hint"]))
    # Only who runs it first has paid, or who buys anew each time.
    replayed = (1, "INVALID_INPUT", "not charged", True)
    assert ends == [(1, "INVALID_INPUT", "charged", True), replayed, (1, "INVALID_INPUT", "charged", False)]
    monkeypatch.setenv("LUMENFALL_REPLAY", "on")
    assert command("run", "w.json", "--json", "--set", "4.string_a=x").json["cost"] == 0
    assert len(sandbox.bill) == 2


@pytest.mark.parametrize(
    "setting",
    ["3.filename_prefix=", "3.filename_prefix=%date:yyyy%", "3.filename_prefix=" + "x" * 300, "1.prompt=@gone.txt"],
)
def test_what_can_be_told_before_is_never_paid(
    command: Command, sandbox: Sandbox, tmp_path: Path, graph: dict[str, Any], setting: str
) -> None:
    written(tmp_path, graph)
    printed = command("run", "w.json", "--json", "--set", setting)
    (error,) = printed.json["errors"]
    assert (printed.code, error["charged"], sandbox.requests, sandbox.bill) == (2, "not charged", [], [])


@pytest.mark.parametrize("saver", ["SaveImage", "SaveImageAdvanced", "SaveText"])
def test_a_linked_prefix_that_is_known_before_is_never_paid_either(
    command: Command, sandbox: Sandbox, tmp_path: Path, graph: dict[str, Any], saver: str
) -> None:
    """Also where several nodes make it up."""
    graph["3"]["class_type"] = saver
    graph["3"]["inputs"].update(filename_prefix=["4", 0])
    if saver == "SaveText":
        graph["3"]["inputs"].update(text=["1", 2], format="txt")
    joined = {"string_a": ["5", 0], "string_b": "x" * 200, "delimiter": "y" * 200}
    graph["4"] = {"class_type": "StringConcatenate", "inputs": joined}
    graph["5"] = {"class_type": "PrimitiveString", "inputs": {"value": "a"}}
    written(tmp_path, graph)
    printed = command("run", "w.json", "--json")
    (error,) = printed.json["errors"]
    assert (printed.code, error["charged"], sandbox.requests, sandbox.bill) == (2, "not charged", [], [])
    assert "is too long" in error["message"]
    found = command("check", "w.json", "--json").json["findings"]
    assert "custom_validation_failed" in {each["code"] for each in found}


def test_nothing_is_said_of_a_store_where_nothing_was_bought(command: Command, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "a.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": ["4", 0]}},
        **MEASURED,
    }
    written(tmp_path, graph)
    (error,) = command("run", "w.json", "--json").json["errors"]
    assert error["charged"] == "not charged" and "store" not in error["hint"]


def test_that_receipts_are_switched_off_takes_nothing_from_who_has_paid(
    command: Command, tmp_path: Path, graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_RECEIPTS", "off")
    graph["3"]["inputs"]["filename_prefix"] = ["4", 0]
    written(tmp_path, {**graph, **MEASURED})
    (error,) = command("run", "w.json", "--json").json["errors"]
    assert error["charged"] == "charged" and "lumenfall recover" in error["hint"]
