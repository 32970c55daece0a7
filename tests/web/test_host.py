"""Who may touch ComfyUI's frontend, so that a change there is a change of few lines here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "web" / "js"
SOURCES = sorted(SCRIPTS.rglob("*.js"))
OWNER = SCRIPTS / "host" / "frontend.js"

FRONTEND = re.compile(
    r"/scripts/|\b(?:window|globalThis|self)\.(?:app|api|graph|comfyAPI|LiteGraph|LGraph\w*)\b|LiteGraph"
)
"""What the frontend is reached by."""

NODES = re.compile(
    r"\.\??(?:comfyClass|widgets|inputs|outputs|subgraph|getNodeById|getInputNode|getInputLink|getOutputNodes"
    r"|onConnectionsChange|onAdded|addDOMWidget|addInput|removeInput|setSize|computeSize|extensionManager"
    r"|emitBeforeChange|changeTracker|graphToPrompt|queuePrompt|fetchApi)\b"
)
"""What its nodes, graphs and canvas are read and changed by."""


def code(path: Path) -> str:
    return re.sub(r"//.*|/\*[\s\S]*?\*/", "", path.read_text(encoding="utf-8"))


def test_one_file_touches_the_frontend() -> None:
    assert [path for path in SOURCES if FRONTEND.search(code(path))] == [OWNER]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parent != OWNER.parent], ids=lambda path: path.name)
def test_only_the_host_folder_knows_what_a_node_is(path: Path) -> None:
    assert not NODES.findall(code(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(SCRIPTS).as_posix())
def test_scripts_are_short_and_readable_everywhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text.encode("cp1252")
    assert text.count("\n") < 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(SCRIPTS).as_posix())
def test_nothing_is_put_into_the_document_that_all_extensions_share(path: Path) -> None:
    assert not re.search(r"document\.(?:body|head|adoptedStyleSheets)\b|document\.addEventListener", code(path))
