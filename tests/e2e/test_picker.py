"""The model picker."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from .canvas import Canvas
from .graphs import GENERATE, example, generate


def open_picker(canvas: Canvas, node_id: int) -> Locator:
    canvas.bar(node_id).locator(".lumenfall-model").click()
    picker = canvas.page.get_by_role("dialog", name="model")
    expect(picker).to_be_visible()
    return picker


def test_it_searches_filters_and_picks_by_keyboard(canvas: Canvas) -> None:
    canvas.open(generate())
    picker = open_picker(canvas, GENERATE)
    canvas.shoot("picker")
    picker.get_by_role("searchbox").press_sequentially("flux pro")
    expect(picker.get_by_role("listbox").get_by_role("option").first).to_contain_text("flux.2-pro")
    canvas.page.keyboard.press("ArrowDown")
    canvas.page.keyboard.press("Enter")
    expect(picker).to_have_count(0)
    assert "pro" in canvas.widget(GENERATE, "model")


def test_what_the_node_cannot_use_is_not_offered(page: Canvas) -> None:
    saved, _ = example("upscale")
    page.open(saved)
    (node,) = (node["id"] for node in saved["nodes"] if node["type"] == "LumenfallUpscale")
    picker = open_picker(page, node)
    generator = picker.get_by_role("option", name="qwen-image-2512")
    expect(generator).to_have_attribute("aria-disabled", "true")
    page.shoot("picker-upscale")
    before = page.widget(node, "model")
    generator.click(force=True)
    assert page.widget(node, "model") == before
    page.page.keyboard.press("Escape")


def test_any_slug_can_be_typed_and_survives(canvas: Canvas) -> None:
    canvas.open(generate())
    picker = open_picker(canvas, GENERATE)
    picker.get_by_role("searchbox").fill("replicate/brand-new")
    canvas.page.keyboard.press("Enter")
    expect(picker).to_have_count(0)
    assert canvas.widget(GENERATE, "model") == "replicate/brand-new"
    canvas.open(canvas.saved())
    assert canvas.widget(GENERATE, "model") == "replicate/brand-new"
    assert canvas.prompt()[str(GENERATE)]["inputs"]["model"] == "replicate/brand-new"


def test_a_picker_closed_by_escape_changes_nothing(page: Canvas) -> None:
    page.open(generate())
    picker = open_picker(page, GENERATE)
    page.page.keyboard.press("Escape")
    expect(picker).to_have_count(0)
    assert page.widget(GENERATE, "model") == "gpt-image-2"
