"""The sidebar tab: what was spent, what runs, what was made, and how it comes back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, expect

from nodes.spend import NANOS, Limits, counted
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.faults.world import NO_LOG

seeds = itertools.count(9000)


@pytest.fixture
def sidebar(canvas: Canvas) -> Iterator[Locator]:
    toggle = "() => window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')"
    canvas.open(generate("a green kite", seed=next(seeds), n=2))
    canvas.run()
    canvas.finished(GENERATE)
    canvas.page.evaluate(toggle)
    opened = canvas.page.locator(".lumenfall-sidebar")
    expect(opened).to_be_visible()
    yield opened
    canvas.page.evaluate(toggle)


def test_its_numbers_are_the_ledgers(canvas: Canvas, sidebar: Locator) -> None:
    today, month = (spent.amount for spent in counted(canvas.site.journal, Limits()))
    assert today == sum(int(charge.cost * NANOS) for charge in canvas.site.sandbox.bill)
    shown = canvas.site.route("/spend")
    assert (shown["today"], shown["month"]) == pytest.approx((today / NANOS, month / NANOS))
    amount = canvas.page.evaluate(
        "([amount, digits]) => new Intl.NumberFormat('en', {style: 'currency', currency: 'USD',"
        " maximumFractionDigits: digits}).format(amount)",
        [today / NANOS, 4 if today < NANOS else 2],
    )
    expect(sidebar).to_contain_text(amount)
    canvas.shoot("sidebar")


def test_limits_that_are_set_and_the_balance_after_a_run_are_shown_at_once(canvas: Canvas, sidebar: Locator) -> None:
    canvas.site.sandbox.account.balance = Decimal(50)
    expect(sidebar).to_contain_text("no limit")
    sidebar.get_by_role("button", name="Settings").click()
    dialog = canvas.page.get_by_role("dialog", name="Lumenfall settings")
    dialog.get_by_label("Limit per day").fill("77")
    dialog.get_by_label("Limit per month").fill("78")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(sidebar).to_contain_text("of $77.00")
    expect(sidebar).to_contain_text("of $78.00")
    expect(sidebar).not_to_contain_text("no limit")
    expect(sidebar).to_contain_text("Balance: $50.00")
    canvas.set_widget(GENERATE, "seed", next(seeds))
    canvas.run()
    expect(sidebar).to_contain_text("Balance: $49.89")


def test_its_head_fits_into_a_narrow_one(sidebar: Locator) -> None:
    assert sidebar.evaluate(
        """root => {
            root.style.width = "210px";
            const head = root.querySelector("header");
            const fits = head.scrollWidth <= head.clientWidth;
            root.style.width = "";
            return fits;
        }"""
    )


COVERING = """() => window.graph.nodes.some(one => window.graph.nodes.some(other => one !== other && [0, 1].every(
    axis => one.pos[axis] < other.pos[axis] + other.size[axis] && other.pos[axis] < one.pos[axis] + one.size[axis])))"""
"""Whether a node lies on another one."""


def test_a_call_of_the_history_comes_back_as_its_node(canvas: Canvas, sidebar: Locator) -> None:
    entry = sidebar.get_by_role("button", name="a green kite").first
    expect(entry.locator("img").first).to_be_visible()
    entry.click()
    dialog = canvas.page.get_by_role("dialog")
    expect(dialog.locator("img").first).to_be_visible()
    canvas.shoot("call")
    dialog.get_by_role("button", name="Add node to canvas").click()
    canvas.page.wait_for_function("() => window.graph.nodes.length === 3")
    assert not canvas.page.evaluate(COVERING)
    before, after = (node["inputs"] for node in canvas.prompt().values() if node["class_type"] == "LumenfallGenerate")
    assert before == after
    canvas.page.keyboard.press("Control+z")
    canvas.page.wait_for_function("() => window.graph.nodes.length === 2")
    canvas.page.keyboard.press("Control+y")
    canvas.page.wait_for_function("() => window.graph.nodes.length === 3")
    assert [node["inputs"] for node in canvas.prompt().values() if node["class_type"] == "LumenfallGenerate"] == [
        before,
        after,
    ]


def test_nothing_of_its_pictures_is_cut_in_a_low_window(canvas: Canvas, sidebar: Locator) -> None:
    size = canvas.page.viewport_size
    assert size is not None
    canvas.page.set_viewport_size({**size, "height": 560})
    sidebar.get_by_role("button", name="a green kite").first.click()
    dialog = canvas.page.get_by_role("dialog")
    expect(dialog.locator("img").first).to_be_visible()
    canvas.page.wait_for_function("() => document.querySelector('.lumenfall-pictures img').naturalHeight > 0")
    canvas.shoot("call-low")
    assert dialog.locator(".lumenfall-pictures").evaluate("row => row.scrollHeight <= row.clientHeight")
    canvas.page.keyboard.press("Escape")
    canvas.page.set_viewport_size(size)


def test_a_call_is_dropped_on_the_canvas(canvas: Canvas, sidebar: Locator) -> None:
    sidebar.get_by_role("button", name="a green kite").first.hover()
    canvas.page.mouse.down()
    canvas.page.mouse.move(1000, 700, steps=10)
    canvas.page.mouse.up()
    canvas.page.wait_for_function("() => window.graph.nodes.length === 3")


def test_its_pictures_are_recovered_for_nothing(canvas: Canvas, sidebar: Locator) -> None:
    billed = len(canvas.site.sandbox.bill)
    sidebar.get_by_role("button", name="a green kite").first.click()
    canvas.page.get_by_role("dialog").get_by_role("button", name="Recover").click()
    canvas.page.wait_for_function("() => window.graph.nodes.some(node => node.comfyClass === 'LumenfallRecover')")
    recover = canvas.page.evaluate("() => window.graph.nodes.find(n => n.comfyClass === 'LumenfallRecover').id")
    assert canvas.widget(recover, "request_id")
    canvas.page.evaluate(
        """([from, to]) => window.graph.getNodeById(from).connect(0, window.graph.getNodeById(to), 0)""", [recover, 2]
    )
    canvas.run()
    canvas.finished(recover, "replayed")
    assert len(canvas.site.sandbox.bill) == billed


def test_a_lost_call_is_let_go_from_its_page(canvas: Canvas, sidebar: Locator) -> None:
    canvas.open(generate("a lost kite", seed=next(seeds)))
    canvas.site.sandbox.fail_next("plain-500", *[NO_LOG] * 100)
    canvas.run()
    canvas.finished(GENERATE, "error")
    canvas.close_host_error()
    sidebar.get_by_role("button", name="a lost kite").first.click()
    dialog = canvas.page.get_by_role("dialog")
    expect(dialog).to_contain_text("it may be charged twice")
    canvas.shoot("lost-call")
    dialog.get_by_role("button", name="Send it again all the same").click()
    expect(canvas.page.locator(".lumenfall-toast.info")).to_contain_text("Run its workflow now")
    expect(sidebar.get_by_role("button", name="a lost kite").first).to_contain_text("given up")
    canvas.run()
    canvas.finished(GENERATE)
    expect(sidebar).to_contain_text("given up")
