"""What a model would ignore is said before it is paid for."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate

OPTIONS = 3


def with_options() -> dict[str, Any]:
    graph = generate()
    values = ["", "auto", "auto", "auto", "auto", "auto", -1, "auto", "", "", "stop", "refuse"]
    options = {
        "id": OPTIONS,
        "type": "LumenfallOptions",
        "pos": [60, 480],
        "size": [340, 330],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [{"name": "options", "type": "LUMENFALL_OPTIONS", "links": [2]}],
        "properties": {},
        "widgets_values": values,
    }
    graph["nodes"].append(options)
    graph["nodes"][0]["inputs"] = [{"name": "options", "type": "LUMENFALL_OPTIONS", "link": 2, "shape": 7}]
    graph["links"].append([2, OPTIONS, 0, GENERATE, 0, "LUMENFALL_OPTIONS"])
    return {**graph, "last_node_id": OPTIONS, "last_link_id": 2}


def test_ignored_options_are_named_on_both_nodes_and_their_values_stay(canvas: Canvas) -> None:
    canvas.open(with_options())
    expect(canvas.status(GENERATE)).to_be_empty()
    canvas.set_widget(OPTIONS, "negative_prompt", "blur")
    for node in (GENERATE, OPTIONS):
        expect(canvas.status(node)).to_have_text("GPT Image 2 ignores negative_prompt.")
    canvas.shoot("options")
    canvas.set_widget(OPTIONS, "model", "qwen-image-2512")
    expect(canvas.bar(GENERATE).locator(".lumenfall-model")).to_have_text("Qwen Image 2512")
    expect(canvas.price(GENERATE)).to_contain_text("0.02")
    expect(canvas.status(GENERATE)).to_be_empty()
    assert canvas.prompt()[str(OPTIONS)]["inputs"]["negative_prompt"] == "blur"
