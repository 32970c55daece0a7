"""Where else ComfyUI leads to us: the menu of a node, the toolbox of a selection, keys, commands."""

from __future__ import annotations

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
