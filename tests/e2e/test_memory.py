"""What a node said of its last run stays with it, and with no other, whatever makes the node anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.e2e.canvas import READY, Canvas
from tests.e2e.graphs import GENERATE, SAVE, generate
from tests.e2e.sites import until
from tests.e2e.test_lifetimes import command, drag, press
from tests.faults.world import Gate

seeds = itertools.count(20_000)


def in_the_air(canvas: Canvas) -> Gate:
    """A run of one node, whose answer waits at the gate."""
    canvas.open(generate(seed=next(seeds)))
    gate = Gate()
    canvas.site.sandbox.fail_next(gate.fault)
    canvas.run()
    gate.wait()
    return gate


OPENED = "() => window.app.extensionManager.workflow.activeWorkflow.path"


@contextmanager
def elsewhere(canvas: Canvas) -> Iterator[None]:
    """In an empty workflow in a tab of its own, and back again."""
    path = canvas.page.evaluate(OPENED)
    command(canvas, "Comfy.NewBlankWorkflow")
    canvas.page.wait_for_function("() => !window.graph.nodes.length")
    canvas.settle()
    yield
    while canvas.page.evaluate(OPENED) != path:
        before = canvas.page.evaluate(OPENED)
        command(canvas, "Workspace.PreviousOpenedWorkflow")
        canvas.page.wait_for_function(f"before => ({OPENED})() !== before", arg=before)
    canvas.page.wait_for_function("() => window.graph.nodes.length === 2")
    canvas.unzoom(80)


def test_cost_and_error_outlive_undo_redo_and_a_change_of_tabs(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    drag(canvas, GENERATE)
    canvas.run()
    canvas.finished(GENERATE)
    for keys in ("Control+z", "Control+y"):
        press(canvas, keys)
        expect(canvas.bar(GENERATE)).to_be_visible()
        expect(canvas.status(GENERATE)).to_contain_text("$0.053")
    with elsewhere(canvas):
        pass
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")
    canvas.shoot(f"cost-kept-{canvas.kind}")

    canvas.set_widget(GENERATE, "prompt", "something forbidden")
    canvas.run()
    canvas.finished(GENERATE, "error")
    canvas.close_host_error()
    with elsewhere(canvas):
        pass
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "error")
    expect(canvas.status(GENERATE)).to_contain_text("content policy")


def test_what_ends_while_another_tab_is_open_is_told_when_its_own_is_opened_again(canvas: Canvas) -> None:
    gate = in_the_air(canvas)
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "running")
    with elsewhere(canvas):
        pass
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "running")
    with elsewhere(canvas):
        gate.open()
        until(lambda: not any(canvas.site.json("/queue").values()), 20)
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")


def test_a_copy_and_a_node_that_gets_a_freed_id_say_nothing_of_a_run_that_was_not_theirs(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    canvas.run()
    canvas.finished(GENERATE)
    copied = canvas.page.evaluate(
        """id => {
            const copy = window.graph.getNodeById(id).clone();
            copy.pos = [60, 500];
            window.graph.add(copy);
            return copy.id;
        }""",
        GENERATE,
    )
    canvas.settle()
    expect(canvas.status(copied)).to_be_empty()
    expect(canvas.price(copied)).to_have_text("\u2248 $0.053")
    canvas.page.evaluate(
        """id => {
            const { graph } = window;
            graph.remove(graph.getNodeById(id));
            const fresh = window.LiteGraph.createNode("LumenfallGenerate");
            fresh.id = id;
            graph.add(fresh);
        }""",
        GENERATE,
    )
    canvas.settle()
    expect(canvas.status(GENERATE)).to_be_empty()


def test_a_node_that_is_collapsed_and_shown_again_goes_on_telling(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    toggle = "id => { window.app.canvas.selectItems([window.graph.getNodeById(id)]) }"
    canvas.page.evaluate(toggle, GENERATE)
    command(canvas, "Comfy.Canvas.ToggleSelectedNodes.Collapse")
    expect(canvas.page.locator(".lumenfall-bar")).to_be_hidden()
    canvas.run()
    canvas.page.wait_for_function("id => window.app.nodeOutputs[id]?.images", arg=str(SAVE))
    command(canvas, "Comfy.Canvas.ToggleSelectedNodes.Collapse")
    expect(canvas.bar(GENERATE)).to_be_visible()
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")


def test_a_node_goes_on_telling_in_a_subgraph_and_out_of_it(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    canvas.run()
    canvas.finished(GENERATE)
    canvas.page.evaluate("id => { window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)])) }", GENERATE)
    (inner,) = (node_id for node_id, node in canvas.prompt().items() if node["class_type"] == "LumenfallGenerate")
    canvas.page.evaluate(
        """id => {
            const outer = window.graph.getNodeById(id);
            window.app.canvas.openSubgraph(outer.subgraph, outer);
        }""",
        int(inner.partition(":")[0]),
    )
    at = int(inner.partition(":")[2])
    canvas.unzoom(80)
    expect(canvas.status(at)).to_contain_text("$0.053")
    canvas.run()
    canvas.finished(at, "replayed")
    kept = canvas.status(at).text_content()
    command(canvas, "Comfy.Graph.ExitSubgraph")
    canvas.unzoom(80)
    drag(canvas, SAVE)
    press(canvas, "Control+z", SAVE)
    canvas.page.evaluate(
        """id => {
            const outer = window.graph.getNodeById(id);
            window.app.canvas.openSubgraph(outer.subgraph, outer);
        }""",
        int(inner.partition(":")[0]),
    )
    canvas.unzoom(80)
    expect(canvas.bar(at)).to_be_visible()
    assert kept and canvas.status(at).text_content() == kept
    command(canvas, "Comfy.Graph.ExitSubgraph")


@pytest.mark.thorough
def test_a_run_that_was_begun_before_a_reload_is_told_on_its_node_and_in_no_other_workflow(canvas: Canvas) -> None:
    gate = in_the_air(canvas)
    canvas.settle()
    canvas.page.reload()
    canvas.page.wait_for_function(READY, timeout=60_000)
    # The frontend warns of each event that comes before the extensions listen.
    canvas.complaints.clear()
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "running", timeout=15_000)
    with elsewhere(canvas):
        canvas.open(generate("another", seed=next(seeds)))
        gate.open()
        until(lambda: not any(canvas.site.json("/queue").values()), 20)
        canvas.settle()
        expect(canvas.status(GENERATE)).to_be_empty()
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")
    canvas.page.reload()
    canvas.page.wait_for_function(READY, timeout=60_000)
    canvas.complaints.clear()
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")
