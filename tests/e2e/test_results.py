"""The result on its node: the pictures, before and after, the mask, and what can be done with them."""

from __future__ import annotations

import itertools
from typing import Any

from playwright.sync_api import Locator, expect

from nodes.spend import newest
from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, SAVE, example, generate

seeds = itertools.count(70_000)
INPAINT = 3
"""Its id in the example."""


def made(canvas: Canvas, n: int = 2) -> Locator:
    """A node that has run, and its result."""
    canvas.open(generate("Two kites, blue & red", seed=next(seeds), n=n))
    canvas.unzoom(60)
    canvas.run()
    canvas.finished(GENERATE)
    result = canvas.page.locator(".lumenfall-result")
    expect(result.locator("img[src]")).to_have_count(1)
    return result


def repainted(canvas: Canvas) -> Locator:
    canvas.open(example("inpaint")[0])
    canvas.set_widget(INPAINT, "seed", next(seeds))
    canvas.run()
    canvas.finished(INPAINT)
    result = canvas.page.locator(".lumenfall-result")
    expect(result.locator("img[src]")).to_have_count(2)
    return result


def node_of(canvas: Canvas, node_id: int) -> Any:
    (found,) = (node for node in canvas.saved()["nodes"] if node["id"] == node_id)
    return found


def loaders(canvas: Canvas, count: int) -> list[Any]:
    canvas.page.wait_for_function(
        "count => window.app.canvas.graph.nodes.filter(node => node.type === 'LoadImage').length === count", arg=count
    )
    return [node for node in canvas.saved()["nodes"] if node["type"] == "LoadImage"]


ASTRAY = """() => {
    window.seen = { onTheirNodes: new Set(), astray: [] };
    const look = element => {
        const { canvas, ds, graph } = window.app.canvas;
        const box = element.closest(".dom-widget");
        const node = graph.nodes.find(node => node.widgets?.some(it => it.element === element));
        if (!box || !node || window.seen.onTheirNodes.has(element)) return;
        const corner = canvas.getBoundingClientRect();
        const [left, top] = ds.convertOffsetToCanvas(node.pos);
        const { x, y, width } = element.getBoundingClientRect();
        if (width && x >= corner.x + left && y >= corner.y + top) window.seen.onTheirNodes.add(element);
        else if (getComputedStyle(box).visibility === "visible") window.seen.astray.push([element.className, x, y]);
        const title = document.elementFromPoint(corner.x + left + node.size[0] / 2, corner.y + top - 14 * ds.scale);
        if (title.contains(element)) window.seen.astray.push([title.className]);
    };
    const lookAtAll = () => document.querySelectorAll(".lumenfall-mounted").forEach(look);
    new MutationObserver(lookAtAll).observe(document.body, { childList: true, subtree: true });
    const draw = window.app.canvas.onDrawForeground;
    window.app.canvas.onDrawForeground = function () { lookAtAll(); draw?.apply(this, arguments); };
}"""
"""Notes what of ours is seen, or lies over the title of its node, before it has its place on the canvas."""


def test_nothing_of_ours_is_seen_before_it_stands_on_its_node(canvas: Canvas) -> None:
    canvas.page.evaluate(ASTRAY)
    result = made(canvas)
    expect(result).to_be_visible()
    assert canvas.page.evaluate("() => window.seen.astray") == []
    assert canvas.page.evaluate("() => window.seen.onTheirNodes.size") or canvas.kind.endswith("nodes2")


def test_a_node_shows_its_pictures_and_is_saved_as_it_was(canvas: Canvas) -> None:
    canvas.open(generate("Two kites, blue & red", seed=next(seeds), n=2))
    canvas.unzoom(60)
    before = node_of(canvas, GENERATE)
    canvas.run()
    canvas.finished(GENERATE)
    result = canvas.page.locator(".lumenfall-result")
    expect(result.locator("img[src]")).to_have_count(1)
    assert node_of(canvas, GENERATE) == before
    takes = result.locator(".lumenfall-takes")
    expect(takes).to_contain_text("1/2")
    first = result.locator("img").first.get_attribute("src")
    result.get_by_role("button", name="Next picture").click()
    expect(takes).to_contain_text("2/2")
    expect(result.locator("img").first).not_to_have_attribute("src", first or "")


def test_a_picture_is_folded_away_in_one_step_and_is_not_fetched_while_it_is(canvas: Canvas) -> None:
    result = made(canvas)
    result.get_by_role("button", name="Hide the picture").click()
    expect(result.locator("img").first).to_be_hidden()
    fetched: list[str] = []
    canvas.page.on("request", lambda request: "/pictures/" in request.url and fetched.append(request.url))
    canvas.set_widget(GENERATE, "seed", next(seeds))
    canvas.run()
    canvas.finished(GENERATE)
    expect(result.get_by_role("button", name="Show the picture")).to_be_visible()
    assert fetched == []
    result.get_by_role("button", name="Show the picture").click()
    expect(result.locator("img[src]")).to_have_count(1)
    canvas.page.mouse.click(1200, 850)
    canvas.page.keyboard.press("Control+z")
    expect(result.get_by_role("button", name="Show the picture")).to_be_visible()


def test_a_picture_becomes_an_input_beside_its_node_in_one_step(canvas: Canvas) -> None:
    result = made(canvas)
    result.get_by_role("button", name="Next picture").click()
    result.get_by_role("button", name="Use as input").click()
    (loader,) = loaders(canvas, 1)
    canvas.page.wait_for_function(
        "() => [...window.app.canvas.selectedItems].map(node => node.type).join() === 'LoadImage'"
    )
    name = loader["widgets_values"][0]
    assert name.startswith("two-kites-blue-red-")
    call = newest(canvas.site.journal, 1)[0]
    assert canvas.site.get(f"/view?type=input&filename={name}") == canvas.site.journal.files.get(call.pictures[1])
    save = node_of(canvas, SAVE)
    assert loader["pos"][0] > 60 + 340 and loader["pos"][1] >= save["pos"][1] + save["size"][1]
    # Once it shows its picture.
    expect(result.get_by_role("button", name="Use as input")).to_be_enabled()
    canvas.page.mouse.click(1200, 850)
    canvas.page.keyboard.press("Control+z")
    canvas.page.wait_for_function("() => window.graph.nodes.length === 2")
    canvas.settle()
    expect(result.locator("img[src]")).to_have_count(1)
    canvas.page.keyboard.press("Control+y")
    assert loaders(canvas, 1)[0]["widgets_values"][0] == name
    # Else ComfyUI calls the file missing.
    offered = "() => window.graph.nodes.find(node => node.type === 'LoadImage').widgets[0].options.values"
    assert name in canvas.page.evaluate(offered)


def test_before_and_after_are_compared_by_key_and_pointer_and_the_mask_laid_over_them(canvas: Canvas) -> None:
    result = repainted(canvas)
    knob = result.get_by_role("slider", name="Compare before and after")
    # Half of what was changed is seen at first.
    expect(knob).to_have_attribute("aria-valuenow", "67")
    knob.focus()
    for key, now in (("ArrowLeft", "62"), ("PageUp", "82"), ("End", "100"), ("Home", "0")):
        knob.press(key)
        expect(knob).to_have_attribute("aria-valuenow", now)
    box = result.locator(".lumenfall-frame").bounding_box()
    assert box
    canvas.page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 40)
    canvas.page.mouse.down()
    canvas.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40, steps=3)
    canvas.page.mouse.up()
    expect(knob).to_have_attribute("aria-valuenow", "40")
    toggle = result.get_by_role("button", name="Show the mask")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(result.get_by_text("Mask: 7.1% of the picture")).to_be_visible()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    canvas.page.wait_for_function("() => document.querySelector('.lumenfall-mask').style.getPropertyValue('--mask')")
    canvas.shoot("result")
    result.get_by_role("button", name="Enlarge").click()
    expect(canvas.page.get_by_role("dialog").get_by_text("Mask: 7.1% of the picture")).to_be_visible()
    canvas.shoot("result-large")
    canvas.page.keyboard.press("Escape")
    # What ComfyUI shows of the mask during the run is gone, and so is the room that it took.
    shown = "id => window.graph.getNodeById(id).widgets.some(widget => widget.name.startsWith('$$'))"
    canvas.page.wait_for_function(f"id => !({shown})(id)", arg=INPAINT)
    if not canvas.kind.endswith("nodes2"):
        canvas.page.wait_for_function("id => window.graph.getNodeById(id).serialize().size[1] === 370", arg=INPAINT)


def test_no_text_is_cut_on_a_narrow_node(canvas: Canvas) -> None:
    result = made(canvas)
    canvas.page.evaluate(
        "id => { const node = window.graph.getNodeById(id); node.setSize([220, node.size[1]]) }", GENERATE
    )
    canvas.page.mouse.click(1200, 850)
    canvas.settle()
    bar = canvas.bar(GENERATE)
    expect(bar.locator(".lumenfall-model")).to_have_text("GPT Image 2")
    # What stands there once it has been paid, in the language that takes most room for it.
    canvas.price(GENERATE).evaluate("it => { it.textContent = 'kostenlos, im Speicher' }")
    cut = """root => [...root.querySelectorAll("button, select, output, .lumenfall-status, .lumenfall-tag")]
        .filter(part => part.offsetParent)
        .filter(part => part.scrollWidth > part.clientWidth + 1
            || part.getBoundingClientRect().right > root.getBoundingClientRect().right + 1
            || part.getBoundingClientRect().bottom > root.getBoundingClientRect().bottom + 1)
        .map(part => part.className)"""
    assert bar.evaluate(cut) == [] and result.evaluate(cut) == []
    # Beside these an inpainted picture has one for its mask.
    rows = """tools => {
        tools.append(tools.lastElementChild.cloneNode(true));
        const tops = [...tools.children].filter(tool => tool.offsetParent).map(tool => tool.offsetTop);
        tools.lastElementChild.remove();
        return [tops.length, new Set(tops).size];
    }"""
    assert result.locator(".lumenfall-tools").evaluate(rows) == [7, 1]
    canvas.shoot("narrow")


def test_the_mask_editor_opens_on_the_picture(canvas: Canvas) -> None:
    result = made(canvas, 1)
    result.get_by_role("button", name="Open in mask editor").click()
    editor = canvas.page.locator("#maskEditor, .maskEditor_hidden, [class*=mask-editor], [data-testid*=mask-editor]")
    expect(editor.first).to_be_visible()
    # The oldest editor leaves something behind that keeps the page from undoing, which the next tests do.
    canvas.boot()


def test_a_picture_is_downloaded_as_it_came_and_copied_where_the_browser_lets_it(page: Canvas) -> None:
    result = made(page, 1)
    with page.page.expect_download() as downloaded:
        result.get_by_role("button", name="Download").click()
    call = newest(page.site.journal, 1)[0]
    assert downloaded.value.path().read_bytes() == page.site.journal.files.get(call.pictures[0])
    assert downloaded.value.suggested_filename == f"two-kites-blue-red-{call.id[:8]}-1.png"
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = result.get_by_role("button", name="Copy")
    copy.click()
    expect(result.get_by_role("button", name="Copied")).to_be_visible()
    held = page.page.evaluate(
        "async () => { const [item] = await navigator.clipboard.read(); return (await item.getType('image/png')).size }"
    )
    assert held > 0
    expect(copy).to_be_visible()
    page.page.context.clear_permissions()
    page.page.evaluate(
        "() => { navigator.clipboard.write = async () => { throw new DOMException('', 'NotAllowedError') } }"
    )
    copy.click()
    card = page.page.locator(".lumenfall-toast.warning")
    expect(card).to_contain_text("Download it instead")
    card.get_by_role("button", name="Close").click()


def test_a_picture_of_the_history_becomes_an_input(page: Canvas) -> None:
    made(page)
    toggle = "() => window.app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lumenfall')"
    page.page.evaluate(toggle)
    page.page.locator(".lumenfall-sidebar .lumenfall-call").first.click()
    dialog = page.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Download")).to_have_count(2)
    dialog.get_by_role("button", name="Use as input").last.click()
    expect(dialog).to_have_count(0)
    call = newest(page.site.journal, 1)[0]
    (loader,) = loaders(page, 1)
    assert loader["widgets_values"][0] == f"two-kites-blue-red-{call.id[:8]}-2.png"
    page.page.evaluate(toggle)
