"""App mode: what money is about stands beside its Run."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, SAVE, example, generate
from tests.e2e.test_asking import ask_above, hear, press, question

seeds = itertools.count(80_000)


def open_app(canvas: Canvas, workflow: dict[str, Any]) -> Locator:
    """Open a workflow as an app; the part of the page where its Run is."""
    canvas.open(workflow)
    run = canvas.page.get_by_test_id("linear-run-button")
    expect(run).to_be_visible()
    skip = canvas.page.get_by_role("button", name="Skip", exact=True)
    # ComfyUI's tour of apps, which it offers once, a moment later.
    if "toured" not in canvas.__dict__:
        skip.click()
        canvas.__dict__["toured"] = True
    return run


def an_app(*further: str, **fields: Any) -> dict[str, Any]:
    graph = generate(seed=next(seeds), **fields)
    inputs = [[GENERATE, name] for name in ("prompt", "n", *further)]
    return {**graph, "extra": {"linearMode": True, "linearData": {"inputs": inputs, "outputs": [SAVE]}}}


def test_an_app_tells_its_price_then_its_cost_and_what_is_left(page: Canvas) -> None:
    page.site.configure(limits={"day": 50})
    run = open_app(page, an_app(n=2))
    ours = run.locator(".lumenfall-app")
    expect(ours).to_contain_text("\u2248 $0.106")
    expect(ours).to_contain_text("of $50.00")
    page.shoot("app-before")
    before = ours.inner_text()
    run.get_by_role("button", name="Run", exact=True).click()
    expect(ours).to_contain_text(re.compile(r"Last run\s*\$0\.106"), timeout=30_000)
    expect(ours).to_contain_text("free, in the store", timeout=15_000)
    page.shoot("app-after")
    left = re.compile(r"\$(\d+\.\d+) of")
    assert float(left.findall(ours.inner_text())[0]) < float(left.findall(before)[0])


def test_what_is_left_is_asked_for_again_after_a_run_that_cost_the_same(page: Canvas) -> None:
    page.site.configure(limits={"day": 50})
    ours = open_app(page, an_app()).locator(".lumenfall-app")
    expect(ours).to_contain_text("of $50.00")
    tell = """([id, run]) => {
        const report = { cost: 0.053, currency: "USD", model: "gpt-image-2" };
        const detail = { node: `${id}`, prompt_id: run, output: { lumenfall: [report] } };
        window.comfyAPI.api.api.dispatchEvent(new CustomEvent("executed", { detail }));
    }"""
    for run in ("first", "second"):
        with page.page.expect_response("**/lumenfall/spend"):
            page.page.evaluate(tell, [GENERATE, run])
        expect(ours).to_contain_text(re.compile(r"Last run\s*\$0\.053"))


def test_the_picker_is_reached_from_an_app(page: Canvas) -> None:
    ours = open_app(page, an_app()).locator(".lumenfall-app")
    ours.get_by_role("button", name="Model: GPT Image 2").click()
    picker = page.page.get_by_role("dialog", name="Choose a model")
    picker.get_by_role("searchbox").fill("flux.2-klein-4b")
    picker.get_by_role("searchbox").press("Enter")
    expect(ours).to_contain_text("FLUX.2 klein")
    expect(ours).to_contain_text("\u2248 $0.005")
    assert page.widget(GENERATE, "model") == "flux.2-klein-4b"


def test_what_an_app_asks_for_can_be_said_also_where_nodes_fold_it_away(page: Canvas) -> None:
    open_app(page, an_app("size"))
    size = page.page.get_by_test_id("app-mode-widget-item").nth(2).get_by_role("textbox")
    expect(size).to_have_value("256x256")
    size.fill("512x512")
    size.blur()
    assert page.prompt()[str(GENERATE)]["inputs"]["size"] == "512x512"


def test_an_app_asks_before_a_dear_run(page: Canvas) -> None:
    ask_above(page, 0.1)
    run = open_app(page, an_app(n=2))
    queued = hear(page)
    run.get_by_role("button", name="Run", exact=True).click()
    expect(question(page)).to_contain_text("$0.106")
    page.shoot("asked-app")
    press(page, "Cancel")
    assert not queued


@pytest.mark.parametrize(
    "name",
    ["product", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("generate", "inpaint", "variations"))],
)
def test_the_apps_that_come_with_the_pack_show_their_inputs_and_their_price(page: Canvas, name: str) -> None:
    workflow, _ = example(f"app-{name}")
    run = open_app(page, workflow)
    expect(run.locator(".lumenfall-app")).to_contain_text(re.compile(r"Price\s*\u2248 \$0\.\d+"))
    shown = page.page.get_by_test_id("app-mode-widget-item")
    expect(shown).to_have_count(len(workflow["extra"]["linearData"]["inputs"]))
    page.shoot(f"app-{name}")
