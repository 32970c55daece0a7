"""Workflows in API format and ``--set``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.headless.problems import WorkflowError
from nodes.headless.reading import Content
from nodes.headless.workflow import browser_form, load, override


class Knobs:
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"count": ("INT", {}), "strength": ("FLOAT", {}), "on": ("BOOLEAN", {})},
            "optional": {
                "text": ("STRING", {}),
                "size": ([1, 2, "auto"],),
                "image": ("IMAGE",),
                "shape.width": ("INT", {}),
            },
        }


TABLE = {"Knobs": Knobs, "Other": Knobs}


def prompt() -> dict[str, dict[str, Any]]:
    return {
        "3": {"class_type": "Knobs", "inputs": {"count": 1}, "_meta": {"title": "v1.5 twin"}},
        "4": {"class_type": "Knobs", "inputs": {}, "_meta": {"title": "twin"}},
        "5": {"class_type": "Knobs", "inputs": {}, "_meta": {"title": "twin"}},
        "6": {"class_type": "Other", "inputs": {"text": ["3", 0]}},
    }


@pytest.mark.parametrize(
    ("setting", "node_id", "name", "value"),
    [
        ("3.count=7", "3", "count", 7),
        ("v1.5 twin.count=7", "3", "count", 7),
        ("Other.strength=0.5", "6", "strength", 0.5),
        ("3.on=false", "3", "on", False),
        ("3.text=7", "3", "text", "7"),
        ("3.text=a=b", "3", "text", "a=b"),
        ("3.text=", "3", "text", ""),
        ("3.size=2", "3", "size", 2),
        ("3.size=auto", "3", "size", "auto"),
        ("3.size=new", "3", "size", "new"),
        ("6.text=plain", "6", "text", "plain"),
        ("6.text=@@home", "6", "text", "@home"),
        ("6.text=me@home", "6", "text", "me@home"),
        ("3.shape.width=7", "3", "shape.width", 7),
        ("Other.shape.width=7", "6", "shape.width", 7),
        ("v1.5 twin.shape.width=7", "3", "shape.width", 7),
    ],
)
def test_a_setting_is_written_as_the_input_wants_it(setting: str, node_id: str, name: str, value: Any) -> None:
    written = override(prompt(), TABLE, [setting])[node_id]["inputs"][name]
    assert (written, type(written)) == (value, type(value))


def test_the_given_workflow_stays_as_it_is() -> None:
    given = prompt()
    override(given, TABLE, ["3.count=7"])
    assert given == prompt()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("3.count", "expected NODE.INPUT=VALUE"),
        ("count=3", "expected NODE.INPUT=VALUE"),
        ("3.count=many", "'many' does not read as INT"),
        ("3.count=true", "does not read as INT"),
        ('3.count="7"', "does not read as INT"),
        ("3.count=3.5", "does not read as INT"),
        ("3.count=1e400", "does not read as INT"),
        ("3.strength=Infinity", "does not read as FLOAT"),
        ("3.on=1", "does not read as BOOLEAN"),
        ("3.image=cat.png", "IMAGE comes over a link"),
        ("3.cuont=1", "no input 'cuont'; it has: count, strength, on, text, size, image, shape.width"),
        ("twin.count=1", "names several nodes, use an id: 4 (twin), 5 (twin)"),
        ("Knobs.count=1", "names several nodes, use an id: 3 (v1.5 twin), 4 (twin), 5 (twin)"),
        ("9.shape.width=1", "'9.shape' names no node"),
        (
            "3.text=@missing.txt",
            "the file 'missing.txt' cannot be read: No such file or directory; to begin a text with @, write @@",
        ),
        ("3.text=@", "the file '' cannot be read"),
        ("9.count=1", "names no node: 3 (v1.5 twin), 4 (twin), 5 (twin), 6 (Other)"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(setting: str, reason: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        override(prompt(), TABLE, [setting])
    assert reason in caught.value.message


def test_a_setting_may_be_the_text_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffTwo\nlines \u00e4\r\n".encode())
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    assert override(prompt(), TABLE, [f"3.text=@{tmp_path / 'a.txt'}"])["3"]["inputs"]["text"] == "Two\nlines \u00e4"
    with pytest.raises(WorkflowError, match="it is no text in UTF-8"):
        override(prompt(), TABLE, [f"3.text=@{tmp_path / 'b'}"])
    with pytest.raises(WorkflowError, match="cannot be read"):
        override(prompt(), TABLE, [f"3.text=@{tmp_path}"])


def test_all_bad_settings_are_told_together() -> None:
    with pytest.raises(WorkflowError) as caught:
        override(prompt(), TABLE, ["3.count=x", "9.count=1", "3.count=2"])
    assert len(caught.value.problems) == 2


def test_what_ran_is_taken_as_it_is() -> None:
    assert load(Content(prompt(), {"nodes": []}), TABLE, {}).prompt == prompt()


def test_what_the_browser_saved_is_converted() -> None:
    node = {"id": 3, "type": "Knobs", "mode": 0, "widgets_values": [7, 0.5, True, "words", "auto", 3]}
    made = load(Content(None, {"nodes": [node], "links": []}), TABLE, {"Knobs": "All the Knobs"})
    inputs = {"count": 7, "strength": 0.5, "on": True, "text": "words", "size": "auto", "shape.width": 3}
    assert made.prompt == {"3": {"class_type": "Knobs", "inputs": inputs, "_meta": {"title": "All the Knobs"}}}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([{"id": 1, "type": "workflow>Pair"}], "group nodes"),
        ([{"id": 1}], "node 1 has no type"),
        ([{"id": 1, "type": "Note"}], "no node that runs"),
    ],
)
def test_what_cannot_be_converted_says_why(nodes: list[Any], reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason):
        load(Content(None, {"nodes": nodes}), TABLE, {})


def test_the_drawing_of_an_example_lies_one_folder_up(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    assert browser_form(tmp_path / "api" / "w.json") is None
    (tmp_path / "w.json").write_text('{"nodes": [], "links": []}')
    assert browser_form(tmp_path / "api" / "w.json") == {"nodes": [], "links": []}
