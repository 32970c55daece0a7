"""The API form of a workflow is what the frontend exports."""

from __future__ import annotations

import json
import os
from datetime import datetime

from nodes.graph import drawing
from nodes.graph.converting import to_api
from tests.e2e.canvas import Canvas
from tests.e2e.sites import EXAMPLES, PACK

FILES = [
    *sorted(EXAMPLES.glob("*.json")),
    *sorted((PACK / "subgraphs").glob("*.json")),
    *sorted((PACK / "tests" / "e2e" / "corpus").rglob("*.json")),
]
# What is hard, alone and combined: each frontend has its own ways there, and the newest has ours.
if "COMFYUI_DIR" not in os.environ:
    FILES += sorted((PACK / "tests" / "graph" / "workflows").glob("*.json"))

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


def test_workflows_are_converted_as_the_frontend_exports_them(page: Canvas) -> None:
    graphs = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
    exports = json.loads(page.page.evaluate(EXPORT, graphs))
    definitions = page.site.json("/object_info")
    for path, graph, exported in zip(FILES, graphs, exports, strict=True):
        made = to_api(drawing.read(graph), definitions, datetime.now())
        assert made.prompt.keys() == exported.keys(), path
        # The frontend knows neither class nor widgets of a node that it does not know.
        known = {node_id: node for node_id, node in exported.items() if "class_type" in node}
        assert known, path
        prompt = {node_id: made.prompt[node_id] for node_id in known}
        if not any("cnr_id" in node["_meta"] for node in known.values()):
            # That of an older ComfyUI tells no node's pack.
            prompt = {node_id: {**node, "_meta": {"title": node["_meta"]["title"]}} for node_id, node in prompt.items()}
        assert prompt == known, path
