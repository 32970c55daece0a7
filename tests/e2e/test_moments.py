"""What is wrong for a moment: answers that come late, in another order, or while something else is done."""

from __future__ import annotations

import itertools
import re
from typing import Any

from playwright.sync_api import APIResponse, Response, Route, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.sites import until
from tests.e2e.test_asking import ask_above, hear, press, question
from tests.e2e.test_lifetimes import look
from tests.e2e.test_prices import total
from tests.faults.world import Gate

seeds = itertools.count(110_000)


class Held:
    """The next request for such a path: its answer, as the server gives it now, waits until it is let go."""

    def __init__(self, canvas: Canvas, path: str | re.Pattern[str]) -> None:
        self.canvas = canvas
        self.path = path
        self.route: Route | None = None
        self.answer: APIResponse | None = None
        canvas.page.route(path, self._hold)

    def _hold(self, route: Route) -> None:
        if self.route is not None:
            route.fallback()
            return
        self.route = route
        self.answer = route.fetch()

    def wait(self) -> None:
        until(lambda: self.canvas.settle() or self.answer is not None, 20)

    def release(self) -> None:
        assert self.route is not None
        self.route.fulfill(response=self.answer)
        self.canvas.page.unroute(self.path)
        self.canvas.settle()


MODELS = """async () => {
    const { href } = [...document.styleSheets].find(sheet => sheet.href?.endsWith("/css/total.css"));
    const { loadModels } = await import(new URL("../js/models.js", href).href);
    await loadModels(true);
}"""
"""As pressing Refresh in the picker does."""


def opened_and_estimated(canvas: Canvas, graph: dict[str, Any]) -> None:
    def is_whole(response: Response) -> bool:
        return response.url.endswith("/lumenfall/estimate") and "LumenfallGenerate" in (
            response.request.post_data or ""
        )

    with canvas.page.expect_response(is_whole):
        canvas.open(graph)
    canvas.settle()


def test_prices_that_are_fetched_anew_are_those_of_the_nodes(canvas: Canvas) -> None:
    opened_and_estimated(canvas, generate(seed=next(seeds)))
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.053")
    canvas.site.configure(prices={"gpt-image-2": 0.5})
    canvas.page.evaluate(MODELS)
    for told in (total(canvas), canvas.price(GENERATE)):
        expect(told).to_have_text("\u2248 $0.50")


def test_what_another_page_has_bought_is_free_for_whoever_comes_back_to_this_one(canvas: Canvas) -> None:
    opened_and_estimated(canvas, generate(seed=next(seeds)))
    prompt = {"prompt": canvas.prompt(), "client_id": "another-page"}
    canvas.site.post("/prompt", prompt)
    until(lambda: not any(canvas.site.json("/queue").values()), 20)
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.053")
    canvas.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    for told in (total(canvas), canvas.price(GENERATE)):
        expect(told).to_have_text("free, in the store")


def test_an_estimate_that_failed_is_asked_for_again_when_the_server_is_back(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE)
    expect(canvas.price(GENERATE)).to_have_text("free, in the store")
    failed = []
    canvas.page.route("**/lumenfall/estimate", lambda route: failed.append(route.abort()))
    canvas.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    until(lambda: canvas.settle() or bool(failed), 20)
    canvas.set_widget(GENERATE, "prompt", "a blue fox")
    canvas.set_widget(GENERATE, "prompt", "a red fox")
    canvas.page.unroute("**/lumenfall/estimate")
    canvas.page.evaluate("() => window.comfyAPI.api.api.dispatchEvent(new CustomEvent('reconnected'))")
    expect(canvas.price(GENERATE)).to_have_text("free, in the store")
    canvas.complaints.clear()  # of what was aborted


def test_a_run_that_waits_behind_another_is_asked_about_as_it_is_when_it_is_sent(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    opened_and_estimated(canvas, generate(seed=next(seeds)))
    queued = hear(canvas)
    held = Held(canvas, re.compile("/prompt$"))
    canvas.run()
    held.wait()
    canvas.set_widget(GENERATE, "seed", next(seeds))
    canvas.run()
    canvas.settle()
    canvas.set_widget(GENERATE, "n", 8)
    held.release()
    expect(question(canvas)).to_contain_text("$0.42")
    canvas.shoot(f"asked-while-waiting-{canvas.kind}")
    press(canvas, "Cancel")
    canvas.finished(GENERATE)
    canvas.shoot(f"asked-while-waiting-after-{canvas.kind}")
    assert len(queued) == 1


def test_of_two_equal_nodes_both_have_a_price_and_the_run_is_paid_once(canvas: Canvas) -> None:
    graph = generate(seed=next(seeds))
    first, save = graph["nodes"]
    second = {
        **first,
        "id": 7,
        "pos": [60, 480],
        "outputs": [{**first["outputs"][0], "links": [2]}, *first["outputs"][1:]],
    }
    graph["nodes"] += [second, {**save, "id": 8, "pos": [480, 480], "inputs": [{**save["inputs"][0], "link": 2}]}]
    graph["links"].append([2, 7, 0, 8, 0, "IMAGE"])
    opened_and_estimated(canvas, graph)
    expect(total(canvas)).to_have_text("\u2248 $0.053")
    for node_id in (GENERATE, 7):
        # Nothing is in the store yet, and either may be run alone.
        expect(canvas.price(node_id)).to_have_text("\u2248 $0.053")
    # At once, and not when it has been asked for: who runs it now pays both.
    canvas.set_widget(GENERATE, "prompt", "a blue fox")
    expect(total(canvas)).to_have_text("\u2248 $0.106", timeout=300)


UNDO = "() => window.app.extensionManager.workflow.activeWorkflow.changeTracker.undo()"


def test_what_is_picked_while_the_nodes_were_made_anew_is_that_of_the_new_ones(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    canvas.set_widget(GENERATE, "n", 4)
    look(canvas)
    canvas.bar(GENERATE).locator(".lumenfall-model").click()
    picker = canvas.page.get_by_role("dialog", name="model")
    # As Ctrl+Z does in the oldest frontend, whatever is open.
    canvas.page.evaluate(UNDO)
    canvas.settle()
    picker.get_by_role("option").filter(has_text="klein 4B").first.click()
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.005")
    assert (canvas.widget(GENERATE, "model"), canvas.widget(GENERATE, "n")) == ("flux.2-klein-4b", 1)


def test_what_is_changed_behind_the_question_is_asked_about_again(canvas: Canvas) -> None:
    ask_above(canvas, 0.01)
    canvas.open(generate(seed=next(seeds), n=8))
    canvas.set_widget(GENERATE, "n", 1)
    look(canvas)
    queued = hear(canvas)
    canvas.run()
    expect(question(canvas)).to_contain_text("$0.053")
    canvas.page.evaluate(UNDO)
    canvas.settle()
    question(canvas).get_by_role("button", name="Run once", exact=True).click()
    expect(question(canvas)).to_contain_text("$0.424")
    press(canvas, "Cancel")
    assert not queued


def test_what_the_user_does_while_a_picture_comes_is_a_step_of_its_own(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.unzoom(80)
    canvas.run()
    canvas.finished(GENERATE)
    held: list[Route] = []
    canvas.page.route(re.compile(r"/view\?.*type=input"), lambda route: held.append(route))
    canvas.page.locator(".lumenfall-result").get_by_role("button", name="Use as input").click()
    nodes = "count => window.graph.nodes.length === count"
    canvas.page.wait_for_function(nodes, arg=3)
    canvas.page.mouse.click(1300, 500)
    canvas.settle()
    canvas.set_widget(GENERATE, "n", 4)
    look(canvas)
    canvas.page.keyboard.press("Control+z")
    value = "id => window.graph.getNodeById(id)?.widgets.find(widget => widget.name === 'n').value === 1"
    canvas.page.wait_for_function(value, arg=GENERATE)
    canvas.settle()
    assert len(canvas.saved()["nodes"]) == 3
    canvas.page.keyboard.press("Control+z")
    canvas.page.wait_for_function(nodes, arg=2)
    canvas.page.unroute(re.compile(r"/view\?.*type=input"))
    for route in held:
        route.abort()
    canvas.complaints.clear()  # of what was aborted


def test_what_comes_after_it_was_cancelled_is_free_as_soon_as_it_is_there(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    gate = Gate()
    canvas.site.sandbox.fail_next(gate.fault)
    canvas.run()
    gate.wait()
    canvas.page.evaluate("() => window.comfyAPI.api.api.interrupt()")
    canvas.finished(GENERATE, "stopped")
    told = re.compile("what became of it is not known")
    expect(canvas.price(GENERATE)).to_have_attribute("title", told, timeout=15_000)
    gate.open()
    expect(canvas.price(GENERATE)).to_have_text("free, in the store", timeout=30_000)


def test_what_is_wired_anew_and_says_the_same_is_as_free_as_before(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE)
    expect(canvas.price(GENERATE)).to_have_text("free, in the store")
    canvas.page.evaluate(
        """id => {
            const node = window.graph.getNodeById(id);
            const primitive = window.LiteGraph.createNode("PrimitiveNode");
            window.graph.add(primitive);
            primitive.connect(0, node, node.inputs.findIndex(({ name }) => name === "n"));
        }""",
        GENERATE,
    )
    look(canvas)
    canvas.settle()
    expect(canvas.price(GENERATE)).to_have_text("free, in the store")
    canvas.page.evaluate(UNDO)
    canvas.settle()
    assert len(canvas.saved()["nodes"]) == 2
    expect(canvas.price(GENERATE)).to_have_text("free, in the store")
