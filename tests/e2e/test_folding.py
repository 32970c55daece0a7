"""What stands on a node at first, and what is folded away."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas

INPAINT = 1
RARE = ("keep_unmasked", "context", "grow", "feather", "fill_holes", "invert", "match_colour")
USUAL = ("n", "seed", "region")


def add_inpaint(canvas: Canvas) -> None:
    canvas.page.evaluate(
        """() => {
            const node = window.LiteGraph.createNode("LumenfallInpaint");
            node.pos = [120, 60];
            window.app.canvas.graph.add(node);
        }"""
    )
    canvas.unzoom()


def shown(canvas: Canvas, *names: str) -> list[str]:
    """Those of ``names`` that can be seen on the node."""
    if canvas.kind.endswith("nodes2"):
        node = canvas.page.locator(f'[data-node-id="{INPAINT}"]')
        return [name for name in names if node.get_by_text(name, exact=True).first.is_visible()]
    seen: list[str] = canvas.page.evaluate(
        """names => {
            const node = window.app.canvas.graph.getNodeById(1);
            // Newer frontends show the row of what is linked, and no widget in it.
            const isShown = widget => node.isWidgetRowVisible?.(widget) ?? node.isWidgetVisible(widget);
            return names.filter(name => isShown(node.widgets.find(widget => widget.name === name)));
        }""",
        list(names),
    )
    return seen


def unfold(canvas: Canvas) -> None:
    if canvas.kind.endswith("nodes2"):
        canvas.page.locator(f'[data-node-id="{INPAINT}"]').get_by_text("advanced").first.click()
    else:
        canvas.bar(INPAINT).locator(".lumenfall-more").click()
    canvas.settle()


def test_what_is_rarely_set_is_folded_away_and_keeps_its_values(canvas: Canvas) -> None:
    add_inpaint(canvas)
    expect(canvas.bar(INPAINT)).to_be_visible()
    canvas.set_widget(INPAINT, "grow", 7)
    assert shown(canvas, *USUAL, *RARE, "model", "size") == list(USUAL)
    (folded,), asked = canvas.saved()["nodes"], canvas.prompt()
    # Four lines of a prompt.
    assert canvas.page.locator("textarea").first.bounding_box()["height"] >= 60  # type: ignore[index]

    unfold(canvas)
    assert shown(canvas, *USUAL, *RARE, "model", "size") == [*USUAL, *RARE, "model", "size"]
    (unfolded,) = canvas.saved()["nodes"]
    assert unfolded["widgets_values"] == folded["widgets_values"]
    assert canvas.prompt() == asked
    unfold(canvas)
    assert shown(canvas, *RARE) == []


def test_what_is_linked_is_not_folded_away(canvas: Canvas) -> None:
    add_inpaint(canvas)
    canvas.page.evaluate(
        """() => {
            const source = window.LiteGraph.createNode("PrimitiveFloat");
            source.pos = [-300, 60];
            const { graph } = window.app.canvas;
            graph.add(source);
            const node = graph.getNodeById(1);
            source.connect(0, node, node.inputs.findIndex(input => input.name === "context"));
        }"""
    )
    # A slow host lays it out later than in the next frame.
    canvas.settle()
    for _ in range(100):
        if shown(canvas, "context", "grow") == ["context"]:
            break
        canvas.settle()
    assert shown(canvas, "context", "grow") == ["context"]


def test_a_value_that_cannot_matter_is_greyed_out_and_kept(canvas: Canvas) -> None:
    disabled = "name => window.app.canvas.graph.getNodeById(1).widgets.find(w => w.name === name).disabled === true"
    add_inpaint(canvas)
    canvas.settle()
    assert canvas.page.evaluate(disabled, "context")
    canvas.set_widget(INPAINT, "region", "zoom to mask")
    canvas.page.wait_for_function(f"() => !({disabled})('context')")
    assert canvas.widget(INPAINT, "context") == 0.5


def test_what_is_said_of_a_run_has_room_on_a_new_node(canvas: Canvas) -> None:
    width = canvas.page.evaluate(
        """() => {
            const node = window.LiteGraph.createNode("LumenfallEstimate");
            window.app.canvas.graph.add(node);
            return node.size[0];
        }"""
    )
    assert width >= 220
