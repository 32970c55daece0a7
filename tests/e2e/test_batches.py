"""What is sent while a batch is on its way, and what becomes something else from run to run."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from playwright.sync_api import Response, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.sites import until
from tests.e2e.test_asking import BATCH, ask_above, hear, press, question, reach
from tests.e2e.test_moments import Held, opened_and_estimated
from tests.e2e.test_prices import total

seeds = itertools.count(150_000)

PRIMITIVE = """async ([name, control]) => {
    const node = window.graph.getNodeById(1);
    const primitive = window.LiteGraph.createNode("PrimitiveNode");
    window.graph.add(primitive);
    primitive.connect(0, node, node.inputs.findIndex(input => input.name === name));
    await new Promise(done => requestAnimationFrame(done));
    primitive.widgets.find(widget => widget.name === "control_after_generate").value = control;
}"""
BEFORE = "mode => window.app.extensionManager.setting.set('Comfy.WidgetControlMode', mode)"


def randomised() -> dict[str, Any]:
    graph = generate(seed=next(seeds))
    graph["nodes"][0]["widgets_values"][-1] = "randomize"
    return graph


def idle(canvas: Canvas) -> None:
    until(lambda: not any(canvas.site.json("/queue").values()), 20)


@pytest.mark.parametrize(("name", "value", "asked"), [("n", 8, "$0.424"), ("prompt", "an owl", "$0.053")])
@pytest.mark.parametrize("control", ["randomize", "fixed"])
def test_what_is_changed_while_a_batch_is_sent_is_asked_about(
    canvas: Canvas, control: str, name: str, value: Any, asked: str
) -> None:
    graph = randomised()
    graph["nodes"][0]["widgets_values"][-1] = control
    canvas.open(graph)
    if control == "fixed":
        canvas.run()
        canvas.finished(GENERATE)
    ask_above(canvas, 0.01 if control == "fixed" else 0.3)
    queued = hear(canvas)
    held = Held(canvas, re.compile("/prompt$"))
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 4) }")
    held.wait()
    if control == "randomize":
        ask_above(canvas, 0.05)
    canvas.set_widget(GENERATE, name, value)
    held.release()
    expect(question(canvas)).to_contain_text(asked)
    press(canvas, "Cancel")
    assert len(queued) == 1
    canvas.close_host_error()
    canvas.complaints.clear()  # of what ended its batch


def test_a_seed_that_was_fixed_while_a_batch_is_sent_is_asked_about(canvas: Canvas) -> None:
    canvas.open(generate(seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE)
    ask_above(canvas, 0.01)
    queued = hear(canvas)
    held = Held(canvas, re.compile("/prompt$"))
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 4) }")
    held.wait()
    canvas.set_widget(GENERATE, "seed", next(seeds))
    held.release()
    expect(question(canvas)).to_contain_text("$0.053")
    press(canvas, "Cancel")
    assert len(queued) == 1
    canvas.close_host_error()
    canvas.complaints.clear()  # of what ended its batch


def test_what_others_send_while_a_batch_is_sent_is_asked_about(canvas: Canvas) -> None:
    ask_above(canvas, 0.3)
    canvas.open(randomised())
    queued = hear(canvas)
    held = Held(canvas, re.compile("/prompt$"))
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 3) }")
    held.wait()
    canvas.page.evaluate(
        """async id => {
            const prompt = await window.app.graphToPrompt();
            prompt.output[id].inputs.n = 10;
            window.sent = window.comfyAPI.api.api.queuePrompt(0, prompt).then(String, String);
        }""",
        str(GENERATE),
    )
    expect(question(canvas)).to_contain_text("$0.53")
    press(canvas, "Cancel")
    assert "Nothing was queued" in canvas.page.evaluate("() => window.sent")
    held.release()
    reach(canvas, queued, 3)
    idle(canvas)


def test_what_is_wired_while_the_price_is_asked_for_is_asked_about(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    graph = randomised()
    stray = {**graph["nodes"][0], "id": 7, "pos": [60, 480]}
    stray["widgets_values"] = ["stray", "gpt-image-2", "256x256", 8, next(seeds), "fixed"]
    stray["outputs"] = [{**slot, "links": None} for slot in stray["outputs"]]
    save = {
        **graph["nodes"][1],
        "id": 8,
        "pos": [900, 80],
        "inputs": [{"name": "images", "type": "IMAGE", "link": None}],
    }
    graph["nodes"] += [stray, save]
    opened_and_estimated(canvas, graph)
    queued = hear(canvas)
    held = Held(canvas, "**/lumenfall/estimate")
    canvas.run()
    held.wait()
    canvas.page.evaluate("() => { window.graph.getNodeById(7).connect(0, window.graph.getNodeById(8), 0) }")
    held.release()
    expect(question(canvas)).to_contain_text("$0.47")
    press(canvas, "Cancel")
    assert not queued


def four_that_count_on(canvas: Canvas, graph: dict[str, Any], name: str) -> list[str]:
    """Let a primitive count an input on from run to run, and set four runs beside Run; gives what is queued."""
    canvas.open(graph)
    canvas.page.evaluate(PRIMITIVE, [name, "increment"])
    canvas.settle()
    queued = hear(canvas)
    canvas.page.evaluate(BATCH, 4)
    canvas.page.keyboard.press("F9")
    return queued


def send_four(canvas: Canvas) -> None:
    canvas.page.evaluate(BATCH, 1)
    canvas.page.evaluate("() => { window.app.queuePrompt(0, 4) }")


def test_a_number_of_pictures_that_grows_from_run_to_run_is_asked_about(canvas: Canvas) -> None:
    ask_above(canvas, 0.3)
    queued = four_that_count_on(canvas, randomised(), "n")
    expect(total(canvas)).to_have_attribute("title", re.compile("another one with each run"))
    send_four(canvas)
    expect(question(canvas)).to_contain_text("is not known")
    press(canvas, "Cancel")
    assert not queued


def test_a_seed_that_a_primitive_changes_is_paid_with_each_run(canvas: Canvas) -> None:
    ask_above(canvas, 0.1)
    queued = four_that_count_on(canvas, generate(seed=next(seeds)), "seed")
    expect(total(canvas)).to_have_text("\u2248 $0.212")
    send_four(canvas)
    expect(question(canvas)).to_contain_text("$0.212")
    press(canvas, "Cancel")
    assert not queued


def test_a_picture_that_a_seed_before_the_run_makes_another_is_not_free(canvas: Canvas) -> None:
    told: list[Response] = []
    canvas.page.on("response", lambda it: told.append(it) if it.url.endswith("/lumenfall/estimate") else None)
    canvas.page.evaluate(BEFORE, "before")
    try:
        canvas.open(randomised())
        canvas.run()
        canvas.finished(GENERATE)
        # The seed that is seen is that of the picture; a run takes the next.
        until(lambda: canvas.settle() or any(line["replayed"] for it in told for line in it.json()["lines"]), 20)
        canvas.settle()
        assert {total(canvas).inner_text(), canvas.price(GENERATE).inner_text()} == {"\u2248 $0.053"}
    finally:
        canvas.page.evaluate(BEFORE, "after")


def test_run_is_not_stuck_where_the_threshold_is_not_to_be_had(page: Canvas) -> None:
    ask_above(page, 0.01)
    page.open(randomised())
    page.page.route("**/lumenfall/estimate", lambda _: None)
    page.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    page.run()
    expect(question(page)).to_contain_text("did not name the price in time", timeout=30_000)
    press(page, "Cancel")
    page.page.unroute("**/lumenfall/estimate")
    # A page whose question was not answered asks no more for a while, which other tests would meet.
    page.boot()
