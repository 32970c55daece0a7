"""What is chosen on a bar is what is asked for, and is there after undo, redo and in what is saved."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.test_lifetimes import VALUES, becomes, pick
from tests.e2e.test_options import OPTIONS, with_options

seeds = itertools.count(30_000)


def test_sizes_are_chosen_with_the_arrow_keys_one_after_the_other(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    canvas.set_widget(GENERATE, "size", "auto")
    menu = canvas.bar(GENERATE).locator("select")
    expect(menu).to_have_value("auto")
    offered = menu.locator("option").evaluate_all("all => all.filter(it => !it.hidden).map(it => it.value)")
    menu.focus()
    for chosen in offered[1:4]:
        canvas.page.keyboard.press("ArrowDown")
        becomes(canvas, VALUES, GENERATE, ["gpt-image-2", chosen])
        expect(menu).to_have_value(chosen)
    canvas.page.evaluate("() => document.activeElement.blur()")
    canvas.page.keyboard.press("Control+z")
    becomes(canvas, VALUES, GENERATE, ["gpt-image-2", offered[2]])
    expect(canvas.bar(GENERATE).locator("select")).to_have_value(offered[2])
    canvas.set_widget(GENERATE, "size", "1000x1400")
    expect(canvas.bar(GENERATE).locator("select")).to_have_value("1000x1400")
    canvas.shoot(f"size-{canvas.kind}")


def test_a_pick_counts_where_request_options_say_the_model(canvas: Canvas) -> None:
    canvas.open(with_options())
    canvas.unzoom(80)
    canvas.set_widget(OPTIONS, "model", "qwen-image-2512")
    pick(canvas, GENERATE, "klein 4b")
    assert canvas.prompt()[str(OPTIONS)]["inputs"]["model"] == "flux.2-klein-4b"
    expect(canvas.bar(GENERATE).locator(".lumenfall-model")).to_have_text("FLUX.2 klein 4B")
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.005")
    canvas.page.keyboard.press("Control+z")
    canvas.page.wait_for_function(
        "id => window.graph.getNodeById(id).widgets.find(w => w.name === 'model').value === 'qwen-image-2512'",
        arg=OPTIONS,
    )
    canvas.settle()
    expect(canvas.bar(GENERATE).locator(".lumenfall-model")).to_have_text("Qwen Image 2512")


def test_a_pick_in_a_subgraph_counts_where_its_model_is_promoted(canvas: Canvas) -> None:
    canvas.open(generate())
    outer, inner = canvas.page.evaluate(
        """id => {
            const { node, subgraph } = window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)]));
            const inner = subgraph.nodes[0];
            const slot = inner.inputs.findIndex(input => input.name === "model");
            subgraph.addInput("which", inner.inputs[slot].type).connect(inner.inputs[slot], inner);
            return [node.id, inner.id];
        }""",
        GENERATE,
    )
    canvas.settle()
    assert canvas.widget(outer, "which") == "gpt-image-2"
    canvas.set_widget(outer, "which", "qwen-image-2512")
    canvas.page.keyboard.press("Shift")
    total = canvas.page.locator(".lumenfall-total")
    expect(total).to_have_text("\u2248 $0.02")
    canvas.page.evaluate(
        "id => { const it = window.graph.getNodeById(id); window.app.canvas.openSubgraph(it.subgraph, it) }", outer
    )
    canvas.unzoom(80)
    expect(canvas.bar(inner).locator(".lumenfall-model")).to_have_text("Qwen Image 2512")
    pick(canvas, inner, "klein 4b")
    expect(total).to_have_text("\u2248 $0.005")
    canvas.shoot(f"promoted-{canvas.kind}")
    asked = [node["inputs"] for node in canvas.prompt().values() if node["class_type"] == "LumenfallGenerate"]
    assert [inputs["model"] for inputs in asked] == ["flux.2-klein-4b"]
    canvas.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Graph.ExitSubgraph')")


@pytest.mark.parametrize("keys", ["Control+b", "Control+m"])
def test_the_total_follows_keys_that_switch_nodes_off(canvas: Canvas, keys: str) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    total = canvas.page.locator(".lumenfall-total")
    expect(total).to_have_text("\u2248 $0.053")
    x, y = canvas.page.evaluate(
        """id => {
            const { pos } = window.graph.getNodeById(id);
            const [x, y] = window.app.canvas.ds.convertOffsetToCanvas([pos[0] + 200, pos[1] - 14]);
            const box = window.app.canvas.canvas.getBoundingClientRect();
            return [x + box.x, y + box.y];
        }""",
        GENERATE,
    )
    canvas.page.mouse.click(x, y)
    canvas.page.keyboard.press(keys)
    expect(total).to_be_hidden()
    canvas.page.keyboard.press(keys)
    expect(total).to_have_text("\u2248 $0.053")
