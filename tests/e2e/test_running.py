"""While a graph runs, and after it: stage, cost, errors, Stop."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import expect

from nodes.spend import newest
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.sites import until
from tests.faults.world import NO_LOG

seeds = itertools.count(1000)


def test_the_price_follows_the_widgets(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    total = canvas.page.locator(".lumenfall-total")
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.053")
    expect(total).to_have_text("\u2248 $0.053")
    canvas.set_widget(GENERATE, "n", 4)
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.212")
    canvas.set_widget(GENERATE, "model", "flux.2-klein-4b")
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.02")
    expect(total).to_have_text("\u2248 $0.02")
    canvas.set_widget(GENERATE, "model", "nobody/knows-this")
    expect(canvas.price(GENERATE)).to_contain_text("not known")
    canvas.page.evaluate("id => { window.graph.getNodeById(id).mode = 4 }", GENERATE)
    canvas.set_widget(GENERATE, "n", 1)
    expect(total).to_be_hidden()


def test_the_node_tells_its_stage_then_its_cost_then_that_it_was_free(canvas: Canvas) -> None:
    graph = generate(seed=next(seeds))
    canvas.open(graph)
    canvas.site.sandbox.latency = 2.0
    canvas.run()
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "running")
    expect(canvas.status(GENERATE)).to_contain_text("waiting for gpt-image-2 (1 s)")
    canvas.shoot("running")
    canvas.finished(GENERATE)
    expect(canvas.status(GENERATE)).to_contain_text("$0.053")
    expect(canvas.status(GENERATE)).to_contain_text("Sandbox")
    canvas.shoot("done")
    # ComfyUI's cache would answer an unchanged graph; a second node with the same inputs is answered by our store.
    graph["nodes"][0]["title"] = "again"
    graph["nodes"][1]["widgets_values"] = ["again"]
    canvas.open(graph)
    if canvas.site.log():
        canvas.site.post("/free", {"unload_models": True, "free_memory": True})
    canvas.run()
    expect(canvas.status(GENERATE)).to_have_text("replayed \u00b7 $0.00", timeout=30_000)


def test_an_error_is_read_on_the_node_and_in_a_card_with_its_code(canvas: Canvas) -> None:
    canvas.open(generate("something forbidden", seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE, "error")
    expect(canvas.status(GENERATE)).to_contain_text("content policy")
    card = canvas.page.locator(".lumenfall-toast.error")
    expect(card).to_contain_text("Rephrase the prompt")
    expect(card).to_contain_text("CONTENT_POLICY_VIOLATION")
    expect(card).to_contain_text("not charged")
    canvas.shoot("error")
    canvas.close_host_error()
    card.get_by_role("button", name="Close").click()
    expect(card).to_have_count(0)


def test_what_is_lost_is_sent_again_from_its_card_as_it_was(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.site.sandbox.fail_next("plain-500", *[NO_LOG] * 100)
    before = len(canvas.site.sandbox.requests)
    card = canvas.page.locator(".lumenfall-toast.error")
    for text in ("may have been charged", "An equal request was sent"):
        canvas.run()
        expect(card).to_contain_text(text, timeout=30_000)
        canvas.finished(GENERATE, "error")
        canvas.close_host_error()
    canvas.shoot("lost")
    # What has been changed meanwhile is not what the card is about.
    canvas.set_widget(GENERATE, "seed", next(seeds))
    card.get_by_role("button", name="Send it again all the same").click()
    canvas.finished(GENERATE)
    expect(card).to_have_count(0)
    assert canvas.page.evaluate("() => !window.app.lastExecutionError"), "ComfyUI's red frame stays"
    paid = [one for one in canvas.site.sandbox.requests[before:] if one.endpoint.startswith("images/")]
    paid = [one for one in paid if not one.is_dry_run]
    assert len(paid) == 2 and paid[0].fields == paid[1].fields
    made, lost = newest(canvas.site.journal, 2)
    assert (made.state.value, lost.state.value) == ("done", "lost") and "given_up" in lost.facts


def test_a_run_is_stopped_from_the_sidebar(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.site.sandbox.latency = 20.0
    sent = len(canvas.site.sandbox.requests)
    canvas.run()
    expect(canvas.bar(GENERATE)).to_have_attribute("data-state", "running")
    canvas.page.evaluate("() => window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')")
    sidebar = canvas.page.locator(".lumenfall-sidebar")
    sidebar.get_by_role("button", name="Cancel").first.click(timeout=15_000)
    expect(canvas.status(GENERATE)).to_contain_text("stopped")
    canvas.finished(GENERATE, "stopped")
    canvas.page.evaluate("() => window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')")
    since = canvas.site.sandbox.requests[sent:]
    assert [one.is_dry_run for one in since if one.endpoint.startswith("images/")].count(False) == 1


def test_a_limit_refuses_before_anything_is_sent(page: Canvas) -> None:
    page.site.configure(limits={"run": 0.01})
    page.open(generate(seed=next(seeds)))
    sent = len(page.site.sandbox.requests)
    page.run()
    page.finished(GENERATE, "error")
    expect(page.status(GENERATE)).to_contain_text("limit per run")
    since = page.site.sandbox.requests[sent:]
    assert not [one for one in since if one.endpoint.startswith("images/") and not one.is_dry_run]
    page.page.locator(".lumenfall-toast").get_by_role("button", name="Close").first.click()


def test_the_estimate_lists_each_node(page: Canvas) -> None:
    page.open(generate(seed=next(seeds), n=3))
    page.page.locator(".lumenfall-total").click()
    dialog = page.page.get_by_role("dialog", name="What this workflow would cost")
    expect(dialog.locator("tfoot")).to_contain_text("$0.159")
    expect(dialog.locator("tbody tr")).to_have_count(1)
    page.shoot("estimate")
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize("size", ["1536x1024", "16:9"])
def test_a_size_is_chosen_from_those_that_fit(page: Canvas, size: str) -> None:
    page.open(generate(seed=next(seeds)))
    menu = page.bar(GENERATE).locator("select")
    menu.select_option(size)
    assert page.widget(GENERATE, "size") == size
    # What is typed there is no shortcut.
    page.page.evaluate("id => window.app.canvas.selectItems([window.graph.getNodeById(id)])", GENERATE)
    menu.press("Delete")
    page.settle()
    assert page.widget(GENERATE, "size") == size


def test_a_subgraph_around_a_node_runs_and_its_node_tells_its_cost(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.page.evaluate("id => { window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)])) }", GENERATE)
    (inner,) = (node_id for node_id, node in canvas.prompt().items() if node["class_type"] == "LumenfallGenerate")
    assert ":" in inner
    expect(canvas.page.locator(".lumenfall-total")).to_have_text("\u2248 $0.053")
    canvas.run()
    canvas.page.wait_for_function("() => window.app.nodeOutputs['2']?.images?.length === 1", timeout=30_000)
    told = canvas.page.evaluate(
        """id => {
            let graph = window.graph;
            const parts = id.split(":");
            for (const part of parts.slice(0, -1)) graph = graph.getNodeById(part).subgraph;
            const node = graph.getNodeById(parts.at(-1));
            return node.widgets.find(widget => widget.name === "lumenfall_bar").element.dataset.state;
        }""",
        inner,
    )
    assert told == "done"


def test_a_run_of_another_workflow_tells_nothing_on_a_node_of_the_same_id(canvas: Canvas) -> None:
    canvas.open(generate("first", seed=next(seeds)))
    canvas.site.sandbox.latency = 3.0
    canvas.run()
    expect(canvas.status(GENERATE)).to_contain_text("waiting")
    canvas.open(generate("second", seed=next(seeds)))
    until(lambda: not canvas.site.json("/queue")["queue_running"], 20)
    canvas.settle()
    expect(canvas.status(GENERATE)).to_be_empty()
