"""What is shown can be read in both themes, and dialogs are used without a mouse."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import expect

from nodes.api import ended
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate

seeds = itertools.count(41_000)

FAINT = """() => {
    const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const colour = text => {
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = text;
        brush.fillRect(0, 0, 1, 1);
        return [...brush.getImageData(0, 0, 1, 1).data];
    };
    const linear = part => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const faint = [];
    for (const it of document.querySelectorAll('[class^="lumenfall-"], [class^="lumenfall-"] *')) {
        if (!it.getClientRects().length || ![...it.childNodes].some(part => part.nodeType === 3 && part.data.trim()))
            continue;
        let [ground, share] = [null, 1];
        for (let each = it; each && !ground; each = each.parentElement) {
            const style = getComputedStyle(each);
            share *= Number(style.opacity);
            if (colour(style.backgroundColor)[3] === 255) ground = colour(style.backgroundColor);
            // The classic canvas draws the node itself.
            else if (each.matches(".lumenfall-bar, .lumenfall-result") && !LiteGraph.vueNodesMode)
                ground = colour(LiteGraph.NODE_DEFAULT_BGCOLOR);
        }
        const ink = colour(getComputedStyle(it).color).map((part, at) => part * share + ground[at] * (1 - share));
        const [dark, bright] = [light(ink), light(ground)].sort((one, other) => one - other);
        const contrast = (bright + 0.05) / (dark + 0.05);
        if (contrast < 4.5) faint.push(`${contrast.toFixed(2)}: ${it.className} ${it.textContent.slice(0, 40)}`);
    }
    return [...new Set(faint)];
}"""


def toggle_sidebar(canvas: Canvas) -> None:
    canvas.page.evaluate("window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')")


def use_theme(canvas: Canvas, theme: str) -> None:
    canvas.page.evaluate("name => window.app.extensionManager.setting.set('Comfy.ColorPalette', name)", theme)
    canvas.settle()


@pytest.mark.parametrize("theme", [pytest.param("dark", marks=pytest.mark.thorough), "light"])
def test_every_text_has_a_contrast_of_four_and_a_half(canvas: Canvas, theme: str) -> None:
    """On nodes in each state, on cards, in the sidebar and in the picker, which has rows that cannot be picked."""
    use_theme(canvas, theme)
    faint: dict[str, Any] = {}
    try:
        canvas.open(generate(model=ended().models[0].id))
        expect(canvas.page.locator(".lumenfall-toast")).to_be_visible()
        faint["remark"] = canvas.page.evaluate(FAINT)
        canvas.open(generate("a kite", seed=next(seeds), n=2))
        canvas.run()
        canvas.finished(GENERATE)
        expect(canvas.page.locator(".lumenfall-takes")).to_be_visible()
        faint["done"] = canvas.page.evaluate(FAINT)
        canvas.page.get_by_role("button", name="Hide the picture").dispatch_event("click")
        faint["hidden"] = canvas.page.evaluate(FAINT)
        canvas.open(generate("something forbidden", seed=next(seeds)))
        canvas.run()
        canvas.finished(GENERATE, "error")
        canvas.close_host_error()
        faint["failed"] = canvas.page.evaluate(FAINT)
        canvas.bar(GENERATE).locator(".lumenfall-model").click()
        canvas.page.get_by_role("dialog", name="model").get_by_role("searchbox").fill("image")
        faint["picker"] = canvas.page.evaluate(FAINT)
        canvas.shoot(f"theme-{theme}-{canvas.kind}")
        canvas.page.keyboard.press("Escape")
        canvas.page.keyboard.press("Escape")
        toggle_sidebar(canvas)
        expect(canvas.page.locator(".lumenfall-sidebar button.lumenfall-call").first).to_be_visible()
        faint["sidebar"] = canvas.page.evaluate(FAINT)
        toggle_sidebar(canvas)
    finally:
        use_theme(canvas, "dark")
    assert not any(faint.values()), faint


def test_dialogs_are_opened_and_left_with_keys_and_the_focus_is_back(canvas: Canvas) -> None:
    canvas.open(generate("a kite", seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE)
    toggle_sidebar(canvas)
    sidebar = canvas.page.locator(".lumenfall-sidebar")
    openers = {
        "Choose a model": canvas.bar(GENERATE).locator(".lumenfall-model"),
        "What this workflow would cost": canvas.page.locator(".lumenfall-total"),
        "Lumenfall settings": sidebar.get_by_role("button", name="Settings"),
        "Generate Image": sidebar.locator("button.lumenfall-call").first,
    }
    for name, opener in openers.items():
        opener.focus()
        canvas.page.keyboard.press("Enter")
        dialog = canvas.page.get_by_role("dialog", name=name, exact=True)
        expect(dialog).to_be_visible()
        if name == "Lumenfall settings":
            expect(dialog.get_by_role("button", name="Replace")).to_be_focused()
        assert dialog.evaluate("it => it.contains(document.activeElement)"), name
        canvas.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(opener).to_be_focused()
    openers["Choose a model"].focus()
    canvas.page.keyboard.press("Enter")
    canvas.page.keyboard.type("klein 9b")
    canvas.page.keyboard.press("Enter")
    expect(openers["Choose a model"]).to_be_focused()
    assert canvas.widget(GENERATE, "model") == "flux.2-klein-9b"
    toggle_sidebar(canvas)
