"""The API form of a workflow is what the frontend exports."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nodes.graph import drawing
from nodes.graph.converting import to_api
from tests.e2e.canvas import Canvas
from tests.e2e.sites import EXAMPLES, PACK

HARD = PACK / "tests" / "graph" / "workflows"
FILES = [
    *sorted(EXAMPLES.glob("*.json")),
    *sorted((PACK / "subgraphs").glob("*.json")),
    *sorted((PACK / "tests" / "e2e" / "corpus").rglob("*.json")),
    *sorted(HARD.glob("*.json")),
]

EXPORT = """async graphs => {
    const exported = [];
    for (const graph of graphs) {
        await window.app.loadGraphData(graph, true, false);
        // Primitives and reroutes come to rest a frame later.
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        exported.push((await window.app.graphToPrompt()).output);
    }
    return JSON.stringify(exported);
}"""


@pytest.fixture(scope="module")
def exported(request: pytest.FixtureRequest) -> dict[Path, Any]:
    """Filled by the first test: a page belongs to a test."""
    return {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACK).as_posix())
def test_a_workflow_is_converted_as_the_frontend_exports_it(
    path: Path, exported: dict[Path, Any], page: Canvas
) -> None:
    if not exported:
        graphs = [json.loads(each.read_text(encoding="utf-8")) for each in FILES]
        exported.update(zip(FILES, json.loads(page.page.evaluate(EXPORT, graphs)), strict=True))
    workflow = drawing.read(json.loads(path.read_text(encoding="utf-8")))
    made = to_api(workflow, page.site.json("/object_info"), datetime.now())
    # The frontend leaves the class out where it does not know the node, and knows none of its widgets.
    known = {node_id: node for node_id, node in exported[path].items() if "class_type" in node}
    assert made.prompt.keys() == exported[path].keys()
    assert {node_id: made.prompt[node_id] for node_id in known} == known
