"""Get SVG: what a vector model made is handed on as ComfyUI's SVG, byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nodes.errors import DecoderFault, LumenfallError
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import use
from nodes.host.comfyui import ComfyUI
from nodes.pixels import vectors
from nodes.spend import Journal
from nodes.table import NODE_CLASS_MAPPINGS
from tests.conftest import Nodes
from tests.contract.test_nodes import options

VECTOR: dict[str, Any] = {"prompt": "a fox", "model": "recraft-v4-svg", "size": "64x64"}


def made(nodes: Nodes, **inputs: Any) -> str:
    """The report of Generate Image, of a vector picture unless told otherwise."""
    chosen = options(**inputs.pop("options", {"output_format": "svg"}))
    return json.dumps(nodes("LumenfallGenerate", **{**VECTOR, **inputs}, options=chosen).report)


def got(nodes: Nodes, report: str) -> list[bytes]:
    """What Get SVG hands on."""
    with use(nodes.host):
        (svg,) = asyncio.run(NODE_CLASS_MAPPINGS["LumenfallGetSVG"]().get(report=report))
    return [file.read() for file in svg.data]


def refused(nodes: Nodes, report: str) -> LumenfallError:
    with pytest.raises(LumenfallError) as caught:
        got(nodes, report)
    assert caught.value.charged == "not charged"
    return caught.value


def paid(nodes: Nodes) -> dict[str, bytes]:
    """The vector pictures of the store, by the name that reports give them."""
    files = nodes.host.data_dir().rglob("*.svg")
    return {path.relative_to(nodes.host.data_dir()).as_posix(): path.read_bytes() for path in files}


def kept(nodes: Nodes, content: bytes) -> str:
    """A vector picture that is in the store; its name."""
    files = Journal(nodes.host.data_dir()).files
    return files.name(files.put(1, content, ".svg"))


def test_what_was_paid_for_is_handed_on_as_it_came(nodes: Nodes, sandbox: Sandbox) -> None:
    (content,) = got(nodes, made(nodes))
    assert [content] == list(paid(nodes).values())
    assert got(nodes, made(nodes)) == [content] and len(sandbox.bill) == 1


def test_of_several_pictures_the_vector_ones_come_in_their_order(nodes: Nodes, sandbox: Sandbox) -> None:
    """At a server that makes what it likes, and whose models are compared."""
    nodes = Nodes(Headless({"LUMENFALL_BASE_URL": sandbox.gateway_url}))
    report = made(nodes, options={}, n=2)
    assert got(nodes, report) == [paid(nodes)[name] for name in json.loads(report)["requests"][0]["originals"]]
    inputs = {**VECTOR, "more_models": "gpt-image-2\nrecraft-v4-pro-svg", "seed": 0}
    with use(nodes.host):
        answer = asyncio.run(NODE_CLASS_MAPPINGS["LumenfallCompare"]().run(**inputs))
    compared = json.loads(answer["result"][2])
    names = [name for each in compared["models"] for name in each["requests"][0]["originals"]]
    assert [Path(name).suffix for name in names] == [".svg", ".png", ".svg"]
    assert got(nodes, json.dumps(compared)) == [paid(nodes)[name] for name in (names[0], names[2])]


def test_pictures_of_pixels_alone_are_no_svg(nodes: Nodes) -> None:
    error = refused(nodes, made(nodes, model="gpt-image-2", options={}))
    assert error.code == "NO_SVG" and "output_format svg" in error.hint


@pytest.mark.parametrize(
    "text",
    ["", "null", "../../../etc/passwd.svg", "store/ab/../../settings.json.svg", f"/root/{'ab' * 32}.svgz", "\ud800"],
)
def test_a_text_that_names_no_picture_is_told(nodes: Nodes, text: str) -> None:
    assert refused(nodes, text).code == "NO_SVG"


def test_a_picture_that_cannot_be_drawn_is_had_by_the_name_in_the_error(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = Nodes(Headless({"LUMENFALL_BASE_URL": sandbox.gateway_url}))
    monkeypatch.setattr(vectors, "MAX_DEPTH", 1)
    with pytest.raises(DecoderFault, match="nested") as caught:
        made(nodes, options={})
    assert "Get SVG" in caught.value.hint
    assert got(nodes, str(caught.value)) == list(paid(nodes).values())


def test_a_file_that_is_gone_or_changed_is_told(nodes: Nodes) -> None:
    report = made(nodes)
    ((name, content),) = paid(nodes).items()
    path = nodes.host.data_dir() / name
    path.write_bytes(content.replace(b"64", b"65"))
    damaged = refused(nodes, report)
    path.unlink()
    gone = refused(nodes, report)
    assert {damaged.code, gone.code} == {"PICTURE_LOST"} and name in damaged.message and name in gone.message
    assert "Recover Images" in gone.hint


def test_a_picture_that_acts_stays_where_it_is(nodes: Nodes) -> None:
    content = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    error = refused(nodes, kept(nodes, content))
    assert error.code == "SVG_NOT_SAFE" and "onload" in error.message
    assert f"{hashlib.sha256(content).hexdigest()}.svg" in error.hint and paid(nodes)


def test_a_host_without_such_a_type_says_where_the_file_is(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    report = made(nodes)
    monkeypatch.setattr(type(nodes.host), "svg_class", lambda _: None)
    error = refused(nodes, report)
    assert error.code == "NO_SVG_TYPE" and "Update ComfyUI" in error.hint and next(iter(paid(nodes))) in error.hint


class Theirs:
    """As ComfyUI has it."""

    @staticmethod
    def combine_all(_: Any) -> None: ...


@pytest.mark.parametrize(
    ("in_api", "beside_save_svg", "taken"),
    [
        (Theirs, None, Theirs),
        (Any, Theirs, Theirs),  # 0.3.64
        (None, Theirs, Theirs),
        (Any, None, None),
        (None, None, None),
    ],
)
def test_comfyuis_own_class_is_taken_where_it_has_one(
    monkeypatch: pytest.MonkeyPatch, in_api: Any, beside_save_svg: Any, taken: Any
) -> None:
    save = type("SaveSVGNode", (), {"__module__": "/comfy_extras/nodes_images"})
    nodes = SimpleNamespace(NODE_CLASS_MAPPINGS={"SaveSVGNode": save} if beside_save_svg else {})
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(nodes=nodes))  # type: ignore[arg-type]
    api = SimpleNamespace(io=SimpleNamespace(**({"SVG": SimpleNamespace(Type=in_api)} if in_api else {})))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", api)  # type: ignore[arg-type]
    images = SimpleNamespace(SVG=beside_save_svg)
    monkeypatch.setitem(sys.modules, save.__module__, images)  # type: ignore[arg-type]
    assert ComfyUI().svg_class() is taken


def test_save_svg_writes_it_without_comfyui_too(nodes: Nodes, tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "LumenfallOptions", "inputs": {"model": "recraft-v4-svg", "output_format": "svg"}},
        "2": {"class_type": "LumenfallGenerate", "inputs": {**VECTOR, "n": 1, "seed": 0, "options": ["1", 0]}},
        "3": {"class_type": "LumenfallGetSVG", "inputs": {"report": ["2", 2]}},
        "4": {"class_type": "SaveSVGNode", "inputs": {"svg": ["3", 0], "filename_prefix": "v/fox"}},
    }
    for name, spec in NODE_CLASS_MAPPINGS["LumenfallOptions"].INPUT_TYPES()["required"].items():  # type: ignore[attr-defined]
        prompt["1"]["inputs"].setdefault(name, spec[1]["default"])  # type: ignore[attr-defined]
    folders = Folders(tmp_path, tmp_path, tmp_path)

    async def saved() -> Path:
        graph = await build(prompt, {**table(folders), **NODE_CLASS_MAPPINGS}, [])
        result = await execute(graph, nodes.host, workflow={"id": "abc"})
        assert result.status == "success", result.errors
        return folders.locate(result.images["4"][0])

    path = asyncio.run(saved())
    assert path.name == "fox_00001_.svg"
    written = path.read_text(encoding="utf-8")
    # As ComfyUI's browser looks for the workflow in a file that is dropped onto it.
    metadata = re.search(r"<metadata>\s*<!\[CDATA\[([\s\S]*?)\]\]>\s*</metadata>", written)
    assert metadata
    said = json.loads(metadata[1])
    assert said["prompt"] == prompt and said["workflow"] == {"id": "abc"} and said["lumenfall"]["2"][0]["cost"] > 0
    (content,) = paid(nodes).values()
    assert re.sub(r"\n  <metadata>[\s\S]*</metadata>\s+(?=<image)", "", written).encode() == content
