"""What a run would cost, wherever that stands, before it."""

from __future__ import annotations

import itertools
import re
from typing import Any

from playwright.sync_api import Locator, expect

from nodes.headless.sandbox import running
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, SAVE, generate
from tests.e2e.sites import KEY, until

seeds = itertools.count(60_000)


def total(canvas: Canvas) -> Locator:
    return canvas.page.locator(".lumenfall-total")


def test_what_the_store_has_is_free_and_says_so_before_the_run(canvas: Canvas) -> None:
    graph = generate(seed=next(seeds), n=2)
    canvas.open(graph)
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.106")
    canvas.run()
    canvas.finished(GENERATE)
    expect(canvas.price(GENERATE)).to_have_text("free, in the store", timeout=15_000)
    expect(total(canvas)).to_have_text("free, in the store")
    canvas.shoot(f"free-{canvas.kind}")
    # Another picture is not free for a moment.
    canvas.set_widget(GENERATE, "prompt", "a blue fox")
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.106", timeout=300)
    expect(total(canvas)).to_have_text("\u2248 $0.106")


def test_a_price_that_is_not_known_is_no_nought_and_says_why(canvas: Canvas) -> None:
    canvas.open(generate(model="nobody/knows-this", seed=next(seeds)))
    expect(total(canvas)).to_have_text("price not known")
    expect(canvas.price(GENERATE)).to_have_text("price not known")
    for told in (total(canvas), canvas.price(GENERATE)):
        expect(told).to_have_attribute("title", re.compile("nobody/knows-this"))


def test_what_cannot_run_costs_nothing_and_says_why(canvas: Canvas) -> None:
    graph = generate("", seed=next(seeds))
    canvas.open(graph)
    for told in (total(canvas), canvas.price(GENERATE)):
        expect(told).to_have_text("cannot run yet")
        expect(told).to_have_attribute("title", re.compile("^The prompt is empty. Describe the picture to make."))
    total(canvas).click()
    listed = canvas.page.get_by_role("dialog")
    expect(listed.locator("tbody tr")).to_contain_text("The prompt is empty.")
    for row in ("tbody", "tfoot"):
        expect(listed.locator(f"{row} tr")).to_contain_text("cannot run yet")
    canvas.shoot(f"cannot-run-{canvas.kind}")
    canvas.page.keyboard.press("Escape")
    # Mended, it is worth something at once.
    canvas.set_widget(GENERATE, "prompt", "a red fox")
    for told in (total(canvas), canvas.price(GENERATE)):
        expect(told).to_have_text("\u2248 $0.053", timeout=300)
    # Beside one that can run it adds nothing.
    other = {**graph["nodes"][0], "id": 7, "pos": [60, 480], "widgets_values": [*graph["nodes"][0]["widgets_values"]]}
    other["outputs"] = [{**other["outputs"][0], "links": [2]}, *other["outputs"][1:]]
    other["widgets_values"][0] = "a blue fox"
    save = {**graph["nodes"][1], "id": 8, "pos": [480, 480], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]}
    graph["nodes"] += [other, save]
    graph["links"].append([2, 7, 0, 8, 0, "IMAGE"])
    canvas.open(graph)
    expect(canvas.price(GENERATE)).to_have_text("cannot run yet")
    expect(total(canvas)).to_have_text("\u2248 $0.053")


def test_what_was_free_at_one_server_has_its_price_at_another(page: Canvas) -> None:
    page.open(generate(seed=next(seeds)))
    page.run()
    page.finished(GENERATE)
    expect(total(page)).to_have_text("free, in the store")
    page.page.evaluate("() => window.app.extensionManager.command.execute('Lumenfall.Settings')")
    dialog = page.page.get_by_role("dialog", name="Lumenfall settings")
    with running(api_key=KEY) as another:
        dialog.get_by_role("button", name="Replace").click()
        dialog.get_by_label("API key").fill(KEY)
        dialog.get_by_label("Base URL").fill(another.base_url)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
        for told in (total(page), page.price(GENERATE)):
            expect(told).to_have_text("\u2248 $0.053")


def test_only_what_leads_to_an_output_is_in_the_total(canvas: Canvas) -> None:
    graph = generate(seed=next(seeds))
    stray = {**graph["nodes"][0], "id": 7, "pos": [60, 480]}
    stray["outputs"] = [{**slot, "links": None} for slot in stray["outputs"]]
    graph["nodes"].append(stray)
    canvas.open(graph)
    expect(total(canvas)).to_have_text("\u2248 $0.053")
    expect(canvas.price(7)).to_have_text("\u2248 $0.053")
    canvas.page.evaluate("id => { window.graph.getNodeById(id).mode = 2 }", SAVE)
    canvas.set_widget(GENERATE, "n", 2)
    expect(total(canvas)).to_be_hidden()


def test_what_is_added_without_an_output_stays_out_of_the_total(canvas: Canvas) -> None:
    with canvas.page.expect_response("**/lumenfall/estimate"):
        canvas.open(generate(seed=next(seeds)))
    canvas.page.evaluate("() => { window.graph.add(window.LiteGraph.createNode('LumenfallGenerate')) }")
    # Until the graph has been read.
    expect(total(canvas)).to_have_text("\u2248 $0.106")
    expect(total(canvas)).to_have_text("\u2248 $0.053")


HOLDER = "() => window.graph.nodes.find(node => node.subgraph).id"


def test_a_subgraph_tells_what_it_holds_would_cost_and_what_it_cost(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds), n=2))
    canvas.page.evaluate("id => { window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)])) }", GENERATE)
    canvas.settle()
    holder = canvas.page.evaluate(HOLDER)
    expect(canvas.price(holder)).to_have_text("\u2248 $0.106")
    # Nobody has moved the mouse yet.
    canvas.settle()
    assert canvas.bar(holder).evaluate("it => it.offsetHeight && it.offsetWidth") > 100
    canvas.site.sandbox.latency = 2.0
    canvas.run()
    expect(canvas.status(holder)).to_contain_text("waiting for gpt-image-2")
    canvas.shoot(f"holder-running-{canvas.kind}")
    canvas.finished(holder)
    expect(canvas.status(holder)).to_contain_text("$0.106")
    canvas.shoot(f"holder-done-{canvas.kind}")
    # On one line, however narrow: the other one is what it has cost.
    assert canvas.price(holder).evaluate("it => it.offsetHeight") < 24
    # It is nothing of the workflow's.
    assert "lumenfall_bar" not in str(canvas.saved())


def test_the_server_is_asked_once_for_a_graph_at_rest_and_never_while_nobody_looks(page: Canvas) -> None:
    asked: list[Any] = []
    page.page.on("request", lambda it: asked.append(it) if it.url.endswith("/lumenfall/estimate") else None)
    page.open(generate(seed=next(seeds)))
    until(lambda: page.settle() or len(asked) == 1, 20)
    hide = "is => { Object.defineProperty(document, 'hidden', { value: is, configurable: true }) }"
    page.page.evaluate(hide, True)
    page.set_widget(GENERATE, "n", 3)
    for _ in range(40):
        page.page.keyboard.press("F9")
        page.settle()
    page.page.evaluate(hide, False)
    page.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    until(lambda: page.settle() or len(asked) == 2, 20)
    assert '"n":3' in asked[1].post_data


def test_what_is_not_installed_keeps_no_price_from_being_known(page: Canvas) -> None:
    graph = generate(seed=next(seeds))
    graph["nodes"][1]["inputs"].append({"name": "model", "type": "MODEL", "link": 2})
    loader = {**graph["nodes"][1], "id": 9, "type": "NobodysLoader", "pos": [60, 500], "inputs": []}
    graph["nodes"].append({**loader, "outputs": [{"name": "MODEL", "type": "MODEL", "links": [2]}]})
    graph["links"].append([2, 9, 0, SAVE, 1, "MODEL"])
    with page.page.expect_response(lambda it: it.url.endswith("/lumenfall/estimate")) as answered:
        page.open(graph)
    assert answered.value.status == 200
