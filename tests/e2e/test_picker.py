"""The model picker."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from nodes.api import bundled, ended
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, example, generate


def open_picker(canvas: Canvas, node_id: int) -> Locator:
    canvas.bar(node_id).locator(".lumenfall-model").click()
    picker = canvas.page.get_by_role("dialog", name="model")
    expect(picker).to_be_visible()
    return picker


def test_it_searches_filters_and_picks_by_keyboard(canvas: Canvas) -> None:
    canvas.open(generate())
    picker = open_picker(canvas, GENERATE)
    canvas.shoot("picker")
    filters, order = (picker.locator(name).bounding_box() for name in (".lumenfall-chips", "select"))
    assert filters is not None and order is not None and order["x"] - filters["x"] - filters["width"] >= 8
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


def test_a_model_that_has_ended_or_ends_soon_is_told_with_its_successor(canvas: Canvas) -> None:
    """A shared workflow still names it: the node says so before it is run, and so does the picker."""
    gone = ended().models[0]
    leaving = next(model for model in bundled().models if model.ends)
    canvas.open(generate(model=f"openai/{gone.id}"))
    expect(canvas.status(GENERATE)).to_contain_text(gone.name)
    expect(canvas.status(GENERATE)).to_contain_text(gone.successors[0])
    canvas.shoot("bar-ended")
    picker = open_picker(canvas, GENERATE)
    row = picker.locator(f'[role=option][data-slug="{gone.id}"]')
    expect(row.locator(".lumenfall-ends")).to_contain_text(gone.successors[0])
    row.scroll_into_view_if_needed()
    canvas.shoot("picker-ended")
    expect(picker.get_by_role("option", name=ended().models[-1].id)).to_have_count(0)
    search = picker.get_by_role("searchbox")
    rows = picker.get_by_role("listbox").get_by_role("option")
    search.fill(ended().models[-1].id)
    expect(rows.first.locator(".lumenfall-ends")).to_contain_text(gone.successors[0])
    search.fill(f"fal/{leaving.id}")
    expect(rows.first.locator(".lumenfall-ends")).to_contain_text(leaving.successors[0])
    search.fill(leaving.id)
    canvas.page.keyboard.press("Enter")
    expect(canvas.status(GENERATE)).to_contain_text(leaving.successors[-1])
    assert canvas.widget(GENERATE, "model") == leaving.id, "nothing is replaced silently"


def test_the_picker_says_how_old_its_list_is(page: Canvas) -> None:
    page.open(generate())
    picker = open_picker(page, GENERATE)
    compiled = bundled().compiled
    assert compiled is not None
    expect(picker.get_by_role("status")).to_contain_text(f"{compiled:%b} {compiled.day}, {compiled.year}")


@pytest.mark.parametrize(
    ("words", "name"), [("openai", "gpt-image-2"), ("black forest", "flux.2-pro"), ("dalle", "dall-e-3")]
)
def test_makers_and_families_are_found_however_they_are_written(page: Canvas, words: str, name: str) -> None:
    page.open(generate())
    picker = open_picker(page, GENERATE)
    picker.get_by_role("searchbox").fill(words)
    expect(picker.locator(f'[role=option][data-slug="{name}"]')).not_to_have_count(0)
    expect(picker.locator('[role=option][data-slug="qwen-image-2512"]')).to_have_count(0)


def test_a_whole_name_is_taken_as_it_is_typed_whatever_else_fits_it(canvas: Canvas) -> None:
    """One without any mark in it, and that of a fixed version of a model that is in the list."""
    for name in ("imagen5", bundled().models[0].snapshots[0]):
        canvas.open(generate())
        picker = open_picker(canvas, GENERATE)
        picker.get_by_role("searchbox").fill(name)
        canvas.page.keyboard.press("Enter")
        expect(picker).to_have_count(0)
        assert canvas.widget(GENERATE, "model") == name


def test_each_model_of_a_comparison_is_chosen_in_one_go(canvas: Canvas) -> None:
    """The second is replaced, one is added, the first is removed; each is a step of undo."""
    saved, _ = example("compare")
    (node,) = (node["id"] for node in saved["nodes"] if node["type"] == "LumenfallCompare")
    canvas.open(saved)
    first, *more = [canvas.widget(node, "model"), *canvas.widget(node, "more_models").split("\n")]
    picker = open_picker(canvas, node)
    chosen = picker.get_by_role("group", name="compare")
    search = picker.get_by_role("searchbox")
    chosen.get_by_role("button").nth(1).click()
    search.fill("klein 9b")
    canvas.page.keyboard.press("Enter")
    assert canvas.widget(node, "more_models").split("\n") == ["flux.2-klein-9b", *more[1:]]
    chosen.get_by_role("button", name="one more").click()
    search.fill("imagen5")
    canvas.page.keyboard.press("Enter")
    chosen.get_by_role("button").first.click()
    chosen.get_by_role("button", name="Remove").click()
    canvas.shoot(f"picker-compare-{canvas.kind}")
    picker.get_by_role("button", name="Done").click()
    said = ["flux.2-klein-9b", *more[1:], "imagen5"]
    assert [canvas.widget(node, "model"), *canvas.widget(node, "more_models").split("\n")] == said
    canvas.page.evaluate("() => document.activeElement.blur()")
    canvas.page.keyboard.press("Control+z")
    canvas.settle()
    assert canvas.widget(node, "model") == first


def test_an_opened_workflow_that_names_an_ended_model_is_mended_with_one_click(canvas: Canvas) -> None:
    gone = ended().models[0]
    canvas.open(generate(model=f"openai/{gone.id}"))
    card = canvas.page.locator(".lumenfall-toast", has_text=gone.name)
    expect(card).to_be_visible()
    canvas.shoot(f"ended-{canvas.kind}")
    assert canvas.widget(GENERATE, "model") == f"openai/{gone.id}", "nothing is replaced silently"
    card.get_by_role("button", name="sunburst").click()
    expect(card).to_have_count(0)
    assert canvas.widget(GENERATE, "model") == gone.successors[0]
    canvas.page.keyboard.press("Control+z")
    canvas.settle()
    assert canvas.widget(GENERATE, "model") == f"openai/{gone.id}"
    expect(card).to_have_count(0)
