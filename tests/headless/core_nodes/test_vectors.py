"""SaveSVGNode, where ComfyUI's browser must find the workflow again and other programs the drawing."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nodes.errors import InputError
from nodes.headless.core_nodes import table
from nodes.headless.folders import Folders
from nodes.host import SVG

ROOT = '<svg xmlns="http://www.w3.org/2000/svg" '
PROMPT = {"1": {"inputs": {"prompt": 'an "]]>" and a <svg> of \u00e9 & \U0001f98a'}}}


def saved(folder: Path, *contents: bytes, prompt: object = PROMPT) -> list[bytes]:
    node = table(Folders(folder, folder, folder))["SaveSVGNode"]()
    shown = node.save_svg(SVG([BytesIO(content) for content in contents]), "v/%batch_num%", prompt)["ui"]["images"]
    return [(folder / each["subfolder"] / each["filename"]).read_bytes() for each in shown]


@pytest.mark.parametrize(
    "text",
    [
        ROOT + "><g/></svg>",
        ROOT + "data-a=\"a > b\" data-b='/>'>\n<g/></svg>",
        '\ufeff<?xml version="1.0"?>\n<!-- <svg> -->\n<!DOCTYPE svg [<!ATTLIST g a CDATA ">">]>\n'
        + ROOT
        + "><g/></svg>",
        ROOT + '><svg width="1"><g/></svg></svg>',
    ],
)
def test_the_run_stands_once_in_its_root(tmp_path: Path, text: str) -> None:
    (content,) = saved(tmp_path, text.encode())
    ElementTree.fromstring(content)
    (found,) = re.findall(r"<metadata>\s*<!\[CDATA\[([\s\S]*?)\]\]>\s*</metadata>", content.decode())
    assert json.loads(found) == {"prompt": PROMPT}
    assert re.sub(rb"\n  <metadata>.*</metadata>\n {12}", b"", content, flags=re.DOTALL) == text.encode()


@pytest.mark.parametrize("text", [ROOT + "/>", ROOT + 'a="/"/>', "no drawing", "", "<!---->" * 90])
def test_what_has_no_room_for_it_is_saved_as_it_is(tmp_path: Path, text: str) -> None:
    assert saved(tmp_path, text.encode()) == [text.encode()]


def test_several_are_several_files_and_without_a_run_they_are_the_same(tmp_path: Path) -> None:
    contents = [f"{ROOT}><g/><!-- {number} --></svg>".encode() for number in range(2)]
    assert saved(tmp_path, *contents, prompt=None) == contents
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == ["0_00001_.svg", "1_00002_.svg"]


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        saved(tmp_path, f"{ROOT}>\u00e9</svg>".encode("latin-1"))
