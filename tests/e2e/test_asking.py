"""A run above the user's threshold asks before anything is queued."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, SAVE, generate
from tests.e2e.sites import until

seeds = itertools.count(40_000)

READ = """async () => {
    const { href } = [...document.styleSheets].find(sheet => sheet.href?.endsWith("/css/total.css"));
    const { readThreshold } = await import(new URL("../js/estimate.js", href).href);
    await readThreshold();
    localStorage.removeItem("Lumenfall.unaskedOn");
}"""
"""As saving the settings dialog ends; and nothing is left of what was answered before."""


def ask_above(canvas: Canvas, amount: float | None) -> None:
    canvas.site.configure(ask_above=amount)
    canvas.page.evaluate(READ)


def question(canvas: Canvas) -> Locator:
    return canvas.page.get_by_role("dialog", name="Run this?")


def press(canvas: Canvas, answer: str) -> None:
    question(canvas).get_by_role("button", name=answer, exact=True).click()
    expect(question(canvas)).to_have_count(0)


@contextlib.contextmanager
def no_estimates(canvas: Canvas) -> Iterator[None]:
    """Who asks for one waits for ever."""
    canvas.page.route("**/lumenfall/estimate", lambda _: None)
    yield
    canvas.page.unroute("**/lumenfall/estimate")


def hear(canvas: Canvas) -> list[str]:
    """The prompts that are queued from now on."""
    queued: list[str] = []

    def listen(request: Any) -> None:
        path = request.url.removeprefix(canvas.site.url).removeprefix("/api")
        if request.method == "POST" and path == "/prompt":
            queued.append(request.post_data)

    canvas.page.on("request", listen)
    return queued


def reach(canvas: Canvas, heard: list[str], count: int) -> None:
    """Wait until so many were heard; Playwright tells of them only while it is asked something."""
    until(lambda: canvas.settle() or len(heard) >= count, 20)
    assert len(heard) == count


def randomised(**fields: Any) -> dict[str, Any]:
    graph = generate(seed=next(seeds), **fields)
    graph["nodes"][0]["widgets_values"][-1] = "randomize"
    return graph


def test_a_dear_run_is_asked_about_and_cancelled_before_it_is_queued(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    canvas.open(randomised(n=2))
    seed = canvas.widget(GENERATE, "seed")
    queued = hear(canvas)
    canvas.run()
    expect(question(canvas)).to_contain_text("$0.106")
    expect(question(canvas)).to_contain_text("above $0.10")
    expect(question(canvas).locator("tbody tr")).to_have_count(1)
    # Enter does not buy what was not looked at; and it is seen what it does, after the mouse too.
    cancel = question(canvas).get_by_role("button", name="Cancel")
    expect(cancel).to_be_focused()
    expect(cancel).to_have_css("outline-style", "solid")
    canvas.shoot(f"asked-{canvas.kind}")
    canvas.page.keyboard.press("Enter")
    expect(canvas.page.locator(".lumenfall-toast")).to_contain_text("Nothing was queued")
    canvas.settle()
    assert not queued and canvas.widget(GENERATE, "seed") == seed
    canvas.run()
    press(canvas, "Run once")
    canvas.finished(GENERATE)
    assert len(queued) == 1
    # Once is once.
    canvas.run()
    expect(question(canvas)).to_be_visible()
    press(canvas, "Cancel")


def test_who_does_not_want_to_be_asked_again_today_is_not(page: Canvas) -> None:
    ask_above(page, 0.1)
    page.open(randomised(n=2))
    queued = hear(page)
    page.run()
    press(page, "Run and don\u2019t ask again today")
    reach(page, queued, 1)
    with no_estimates(page):
        page.run()
        reach(page, queued, 2)
    page.finished(GENERATE)
    # Another threshold is another question.
    page.site.configure(ask_above=0.05)
    page.page.evaluate(READ.replace("localStorage.removeItem", "void"))
    page.run()
    press(page, "Cancel")
    until(lambda: not any(page.site.json("/queue").values()), 20)


def test_without_a_threshold_nothing_is_asked_of_anyone(page: Canvas) -> None:
    ask_above(page, None)
    page.open(generate(seed=next(seeds), n=4))
    queued = hear(page)
    with no_estimates(page):
        page.run()
        page.finished(GENERATE)
    assert len(queued) == 1


@pytest.mark.parametrize(("control", "asked"), [("randomize", True), ("fixed", False)])
def test_a_batch_is_counted_as_one_and_equal_runs_once(canvas: Canvas, control: str, asked: bool) -> None:
    ask_above(canvas, 0.1)
    graph = randomised()
    graph["nodes"][0]["widgets_values"][-1] = control
    canvas.open(graph)
    queued = hear(canvas)
    canvas.page.evaluate(BATCH, 3)
    canvas.page.keyboard.press("F9")
    expect(canvas.page.locator(".lumenfall-total")).to_have_text("\u2248 $0.159" if asked else "\u2248 $0.053")
    canvas.page.evaluate(BATCH, 1)
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 3) }")
    if asked:
        expect(question(canvas)).to_contain_text("3 runs cost about $0.159")
        canvas.shoot("asked-batch")
        assert not queued
        press(canvas, "Run once")
    reach(canvas, queued, 3)
    until(lambda: not any(canvas.site.json("/queue").values()), 20)


def test_only_what_runs_and_is_not_in_the_store_is_counted(canvas: Canvas) -> None:
    graph = generate(seed=next(seeds), n=2)
    canvas.open(graph)
    canvas.run()
    canvas.finished(GENERATE)
    ask_above(canvas, 0.1)
    queued = hear(canvas)
    # That picture is paid; another node leads nowhere.
    stray = {
        **graph["nodes"][0],
        "id": 7,
        "widgets_values": ["stray", "gpt-image-2", "256x256", 4, next(seeds), "fixed"],
    }
    stray["outputs"] = [{**slot, "links": None} for slot in stray["outputs"]]
    graph["nodes"].append({**stray, "pos": [60, 480]})
    canvas.open(graph)
    canvas.run()
    reach(canvas, queued, 1)
    expect(question(canvas)).to_have_count(0)
    # A second output; run alone, it counts alone.
    dear = {**stray, "outputs": [{**stray["outputs"][0], "links": [2]}, *stray["outputs"][1:]]}
    save = {**graph["nodes"][1], "id": 8, "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]}
    graph["nodes"][2:] = [dear, {**save, "pos": [900, 80]}]
    graph["links"].append([2, 7, 0, 8, 0, "IMAGE"])
    canvas.open(graph)
    canvas.page.evaluate("id => { window.app.queuePrompt(0, 1, [`${id}`]) }", SAVE)
    reach(canvas, queued, 2)
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 1, ['8']) }")
    expect(question(canvas)).to_contain_text("$0.212")
    press(canvas, "Cancel")
    assert len(queued) == 2
    until(lambda: not any(canvas.site.json("/queue").values()), 20)


def test_a_node_in_a_subgraph_and_what_other_packs_send_are_asked_about_too(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    canvas.open(randomised(n=2))
    queued = hear(canvas)
    canvas.page.evaluate(
        """async () => {
            window.sent = window.comfyAPI.api.api.queuePrompt(0, await window.app.graphToPrompt());
            window.sent.catch(() => {});
        }"""
    )
    expect(question(canvas)).to_contain_text("$0.106")
    press(canvas, "Cancel")
    assert "Nothing was queued" in canvas.page.evaluate("() => window.sent.then(String, String)")
    canvas.page.evaluate("id => { window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)])) }", GENERATE)
    canvas.run()
    expect(question(canvas)).to_contain_text("$0.106")
    press(canvas, "Cancel")
    assert not queued


@pytest.mark.thorough
def test_where_the_price_is_not_to_be_had_the_question_says_so(canvas: Canvas) -> None:
    ask_above(canvas, 0.5)
    canvas.open(randomised(model="nobody/knows-this"))
    queued = hear(canvas)
    canvas.run()
    expect(question(canvas)).to_contain_text("is not known")
    expect(question(canvas)).to_contain_text("was not found")
    expect(question(canvas)).not_to_contain_text("$0.00")
    press(canvas, "Cancel")
    # A server that does not answer: by the list.
    canvas.open(randomised(n=2))
    canvas.page.route("**/lumenfall/estimate", lambda route: None)
    canvas.run()
    expect(question(canvas)).to_contain_text("Asking the server")
    expect(question(canvas)).to_contain_text("did not name the price in time", timeout=10_000)
    expect(question(canvas)).to_contain_text("$0.106")
    canvas.shoot("asked-late")
    press(canvas, "Cancel")
    canvas.page.unroute("**/lumenfall/estimate")
    assert not queued
    # A page whose question was not answered asks no more for a while, which other tests would meet.
    canvas.boot()


BATCH = "count => { window.app.extensionManager._p._s.get('queueSettingsStore').batchCount = count }"
MODE = "mode => { window.app.extensionManager._p._s.get('queueSettingsStore').mode = mode }"


def test_a_run_by_itself_stops_with_the_first_no(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    canvas.open(randomised(n=2))
    queued = hear(canvas)
    canvas.page.evaluate(MODE, "change")
    canvas.set_widget(GENERATE, "n", 3)
    canvas.page.evaluate("() => window.app.extensionManager.workflow.activeWorkflow.changeTracker.checkState()")
    expect(question(canvas)).to_contain_text("$0.159")
    press(canvas, "Cancel")
    expect(canvas.page.locator(".lumenfall-toast")).to_contain_text("by itself is switched off")
    canvas.set_widget(GENERATE, "n", 4)
    canvas.page.evaluate("() => window.app.extensionManager.workflow.activeWorkflow.changeTracker.checkState()")
    canvas.settle()
    expect(question(canvas)).to_have_count(0)
    assert not queued
