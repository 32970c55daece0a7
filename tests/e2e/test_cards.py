"""The cards of nodes' errors, where a person sees and uses them."""

from __future__ import annotations

import itertools

from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, example, generate

seeds = itertools.count(30_000)

COVERED = """card => {
    const box = card.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return !card.contains(top);
}"""


def covered(card: Locator) -> bool:
    return bool(card.evaluate(COVERED))


def test_a_mask_that_is_empty_is_painted_from_the_card_which_lies_below_the_editor(canvas: Canvas) -> None:
    saved, twin = example("inpaint")
    (inpaint,) = (int(node_id) for node_id, node in twin.items() if node["class_type"] == "LumenfallInpaint")
    (loader,) = (int(node_id) for node_id, node in twin.items() if node["class_type"] == "LoadImage")
    canvas.open(saved)
    canvas.set_widget(loader, "image", "pattern.png")
    canvas.page.wait_for_function("id => window.graph.getNodeById(id).imgs?.length", arg=loader)
    canvas.run()
    canvas.finished(inpaint, "error")
    canvas.close_host_error()
    card = canvas.page.locator(".lumenfall-toast.error")
    expect(card).to_have_count(1)
    assert not covered(card)
    canvas.shoot(f"card-mask-{canvas.kind}")
    card.get_by_role("button", name="Open mask editor").click()
    editor = canvas.page.locator("#maskEditor, [role=dialog]").first
    expect(editor).to_be_visible()
    canvas.shoot(f"card-mask-editor-{canvas.kind}")
    assert covered(card)
    editor.get_by_text("Cancel", exact=True).click()
    expect(editor).to_be_hidden()


def test_what_is_wrong_before_the_run_is_told_on_the_node_and_on_a_card(canvas: Canvas) -> None:
    canvas.open(generate(prompt="", seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE, "error")
    expect(canvas.status(GENERATE)).to_contain_text("The prompt is empty.")
    canvas.close_host_error()
    card = canvas.page.locator(".lumenfall-toast.error")
    expect(card).to_contain_text("The prompt is empty. Describe the picture to make.")
    expect(card).to_contain_text("not charged")
    canvas.shoot(f"card-refused-{canvas.kind}")
    canvas.set_widget(GENERATE, "prompt", "a fox")
    expect(card).to_have_count(0)
    expect(canvas.status(GENERATE)).to_have_text("")


def test_a_card_that_has_much_to_say_leaves_the_canvas_to_be_seen_and_can_be_read_whole(page: Canvas) -> None:
    page.site.sandbox.fail_next("text-success")
    page.open(generate(seed=next(seeds)))
    page.run()
    page.finished(GENERATE, "error")
    page.close_host_error()
    card = page.page.locator(".lumenfall-toast.error")
    expect(card).to_contain_text("charged a second time")
    box = card.bounding_box()
    assert box is not None and box["height"] < 260
    text = card.locator(".lumenfall-told")
    assert text.evaluate("it => it.scrollHeight > it.clientHeight")
    text.hover()
    page.page.mouse.wheel(0, 2000)
    page.page.wait_for_function(
        "it => it.scrollTop + it.clientHeight >= it.scrollHeight - 1", arg=text.element_handle()
    )
    page.shoot("card-long")


def test_a_key_that_is_refused_is_mended_from_the_card(canvas: Canvas) -> None:
    canvas.site.configure(api_key="lmnfl_e2e00002.not-the-key-of-this-server")
    canvas.open(generate(seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE, "error")
    canvas.close_host_error()
    card = canvas.page.locator(".lumenfall-toast.error")
    card.get_by_role("button", name="Open settings").click()
    dialog = canvas.page.get_by_role("dialog", name="Lumenfall settings")
    expect(dialog.get_by_label("Limit per run")).to_be_visible()
    assert covered(card)
    canvas.shoot(f"card-settings-{canvas.kind}")
    dialog.get_by_label("Limit per run").fill("7")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(card).to_have_count(0)
    expect(canvas.status(GENERATE)).to_have_text("")


def test_a_model_that_is_unknown_is_chosen_anew_from_the_card(canvas: Canvas) -> None:
    canvas.open(generate(model="nobody/knows-this", seed=next(seeds)))
    canvas.run()
    canvas.finished(GENERATE, "error")
    canvas.close_host_error()
    card = canvas.page.locator(".lumenfall-toast.error")
    canvas.shoot(f"card-model-{canvas.kind}")
    card.get_by_role("button", name="Choose another model").click()
    canvas.page.get_by_role("dialog", name="model").get_by_role("searchbox").fill("gpt-image-2")
    canvas.page.keyboard.press("Enter")
    assert canvas.widget(GENERATE, "model") == "gpt-image-2"
    expect(card).to_have_count(0)
    expect(canvas.status(GENERATE)).to_have_text("")


def test_what_a_card_says_is_copied(page: Canvas) -> None:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.open(generate("something forbidden", seed=next(seeds)))
    page.run()
    page.finished(GENERATE, "error")
    card = page.page.locator(".lumenfall-toast.error")
    card.get_by_role("button", name="Copy").click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.page.evaluate("() => navigator.clipboard.readText()")
    assert "CONTENT_POLICY_VIOLATION" in copied and "Rephrase the prompt" in copied
    page.set_widget(GENERATE, "prompt", "something else")
    expect(card).to_have_count(0)
