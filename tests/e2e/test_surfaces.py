"""Where else ComfyUI leads to us: the menu of a node, the toolbox of a selection, keys, commands."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, SAVE, generate


def select(canvas: Canvas, node_id: int) -> None:
    canvas.page.evaluate("id => window.app.canvas.selectItems([window.graph.getNodeById(id)])", node_id)
    canvas.settle()


def test_the_picker_opens_by_key_and_from_the_toolbox_of_a_selected_node(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    picker = canvas.page.get_by_role("dialog", name="model")
    select(canvas, SAVE)
    canvas.page.keyboard.press("Control+Shift+l")
    canvas.settle()
    expect(picker).to_have_count(0)
    select(canvas, GENERATE)
    canvas.page.keyboard.press("Control+Shift+l")
    expect(picker).to_be_visible()
    picker.get_by_role("searchbox").fill("klein 4b")
    canvas.page.keyboard.press("Enter")
    assert canvas.widget(GENERATE, "model") == "flux.2-klein-4b"
    canvas.page.locator(".selection-toolbox .pi-sparkles").click()
    expect(picker).to_be_visible()
    canvas.shoot(f"toolbox-{canvas.kind}")
    canvas.page.keyboard.press("Escape")


def test_the_menu_of_a_node_has_the_picker(page: Canvas) -> None:
    page.open(generate())
    items = "id => window.app.collectNodeMenuItems(window.graph.getNodeById(id)).map(it => it.content)"
    assert page.page.evaluate(items, GENERATE).count("Choose a model") == 1
    assert "Choose a model" not in page.page.evaluate(items, SAVE)


def test_the_key_dialog_is_a_command(canvas: Canvas) -> None:
    canvas.page.evaluate("() => window.app.extensionManager.command.execute('Lumenfall.Settings')")
    expect(canvas.page.get_by_role("dialog", name="Lumenfall")).to_be_visible()
    canvas.page.keyboard.press("Escape")


def test_our_dialog_is_seen_where_the_canvas_is_not(page: Canvas) -> None:
    page.open(generate())
    toggle = "() => window.app.extensionManager.command.execute('Comfy.ToggleLinear')"
    page.page.evaluate(toggle)
    expect(page.page.locator("#graph-canvas-container")).to_be_hidden()
    page.page.evaluate("() => window.app.extensionManager.command.execute('Lumenfall.Settings')")
    dialog = page.page.get_by_role("dialog", name="Lumenfall settings")
    expect(dialog.get_by_role("button", name="Save")).to_be_visible()
    page.shoot("settings-app-mode")
    page.page.keyboard.press("Escape")
    page.page.evaluate(toggle)
    expect(page.page.locator("#graph-canvas-container")).to_be_visible()


def test_a_switch_of_language_is_heard_by_what_is_shown(canvas: Canvas) -> None:
    canvas.open(generate(model="nobody/knows-this"))
    switch = "language => window.app.extensionManager.setting.set('Comfy.Locale', language)"
    toggle = "() => window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')"
    canvas.page.evaluate(toggle)
    sidebar = canvas.page.locator(".lumenfall-sidebar")
    expect(sidebar.get_by_role("button", name="Refresh")).to_be_visible()
    # A switch opens the workflow anew, which takes a while: the bar that is there now may be the old node's.
    price = canvas.page.locator(".lumenfall-bar .lumenfall-price")
    canvas.page.evaluate(switch, "fr")
    try:
        expect(sidebar.get_by_role("button", name="Rafra\u00eechir")).to_be_visible()
        expect(price).to_have_text("prix inconnu")
        # The reason is the list's until the server has said its own.
        expect(canvas.page.locator(".lumenfall-total")).to_have_attribute("title", re.compile("^(Pas|The).*\nCe que"))
        canvas.shoot(f"french-{canvas.kind}")
    finally:
        canvas.page.evaluate(switch, "en")
    expect(price).to_have_text("price not known")
    canvas.page.evaluate(toggle)
