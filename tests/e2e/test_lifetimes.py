"""A node lives through whatever makes it anew: undo, redo, paste, tabs, subgraphs, a reload. So does its bar."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.e2e.canvas import READY, Canvas
from tests.e2e.graphs import GENERATE, example, generate
from tests.faults.world import Gate
from tests.templates import twin

numbers = itertools.count(1)
EDIT, LOAD = 3, 5
"""Ids in the example edit.json. Of its Load Image nodes the last one: a redone link from the other
is another order of execution to the oldest frontend, and so a change, whoever made the nodes.
"""

VALUES = "id => ['model', 'size'].map(name => window.graph.getNodeById(id).widgets.find(w => w.name === name).value)"
SOCKETS = "id => window.graph.getNodeById(id).inputs.map(it => it.name).filter(name => name.startsWith('image_'))"


def title(canvas: Canvas, node_id: int) -> tuple[float, float]:
    """Where the title of a node is on the screen."""
    x, y = canvas.page.evaluate(
        """id => {
            const { pos } = window.app.canvas.graph.getNodeById(id);
            const [x, y] = window.app.canvas.ds.convertOffsetToCanvas([pos[0] + 200, pos[1] - 14]);
            const box = window.app.canvas.canvas.getBoundingClientRect();
            return [x + box.x, y + box.y];
        }""",
        node_id,
    )
    return x, y


def position(canvas: Canvas, node_id: int) -> list[float]:
    at: list[float] = canvas.page.evaluate("id => [...window.app.canvas.graph.getNodeById(id).pos]", node_id)
    return at


def moved(canvas: Canvas, node_id: int, act: Callable[[], object]) -> None:
    """Do it, and wait until the node stands elsewhere."""
    before = position(canvas, node_id)
    act()
    canvas.page.wait_for_function(
        "([id, x]) => (window.app.canvas.graph.getNodeById(id)?.pos[0] ?? x) !== x", arg=[node_id, before[0]]
    )
    canvas.settle()


def drag(canvas: Canvas, node_id: int) -> None:
    x, y = title(canvas, node_id)
    mouse = canvas.page.mouse
    mouse.move(x, y)
    mouse.down()

    def drop() -> None:
        mouse.move(x + 40, y + 20, steps=4)
        mouse.up()

    moved(canvas, node_id, drop)


def press(canvas: Canvas, keys: str, node_id: int = GENERATE) -> None:
    """Undo or redo a move."""
    moved(canvas, node_id, lambda: canvas.page.keyboard.press(keys))


def command(canvas: Canvas, name: str) -> None:
    canvas.page.evaluate("name => window.app.extensionManager.command.execute(name)", name)
    canvas.settle()


def pick(canvas: Canvas, node_id: int, words: str) -> None:
    canvas.bar(node_id).locator(".lumenfall-model").click()
    picker = canvas.page.get_by_role("dialog", name="model")
    picker.get_by_role("searchbox").fill(words)
    canvas.page.keyboard.press("Enter")
    expect(picker).to_be_hidden()


def probe(canvas: Canvas, node_id: int, fail: bool = False) -> None:
    """The bar is seen, follows the widgets, picks, and tells of a run."""
    expect(canvas.bar(node_id)).to_be_visible()
    canvas.set_widget(node_id, "prompt", f"{'something forbidden' if fail else 'a red fox'} {next(numbers)}")
    canvas.set_widget(node_id, "n", 2)
    canvas.set_widget(node_id, "model", "gpt-image-2")
    expect(canvas.price(node_id)).to_have_text("\u2248 $0.106")
    pick(canvas, node_id, "klein 4b")
    assert canvas.widget(node_id, "model") == "flux.2-klein-4b"
    expect(canvas.price(node_id)).to_have_text("\u2248 $0.01")
    if fail:
        canvas.run()
        canvas.finished(node_id, "error")
        expect(canvas.status(node_id)).to_contain_text("content policy")
        return
    gate = Gate()
    canvas.site.sandbox.fail_next(gate.fault)
    canvas.run()
    expect(canvas.status(node_id)).to_contain_text("waiting for flux.2-klein-4b")
    gate.open()
    canvas.finished(node_id, "done")
    expect(canvas.status(node_id)).to_contain_text("$0.01")


def test_bars_outlive_undo_redo_and_paste(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    for _ in range(3):
        drag(canvas, GENERATE)
    press(canvas, "Control+z")
    probe(canvas, GENERATE)
    for _ in range(3):
        drag(canvas, GENERATE)
    for keys in ("Control+z", "Control+z", "Control+y"):
        press(canvas, keys)
    canvas.shoot(f"undone-{canvas.kind}")
    probe(canvas, GENERATE)

    canvas.page.mouse.click(*title(canvas, GENERATE))
    canvas.page.keyboard.press("Control+c")
    canvas.page.mouse.move(950, 150)
    canvas.page.keyboard.press("Control+v")
    canvas.page.wait_for_function("() => window.graph.nodes.length === 3")
    (pasted,) = {node["id"] for node in canvas.saved()["nodes"]} - {1, 2}
    canvas.page.evaluate("id => window.graph.getNodeById(id).connect(0, window.graph.getNodeById(2), 0)", pasted)
    probe(canvas, pasted, fail=True)


def test_bars_outlive_tabs_and_subgraphs(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    command(canvas, "Comfy.NewBlankWorkflow")
    canvas.page.wait_for_function("() => !window.graph.nodes.length")
    command(canvas, "Workspace.PreviousOpenedWorkflow")
    canvas.page.wait_for_function("() => window.graph.nodes.length === 2")
    canvas.unzoom(80)
    probe(canvas, GENERATE)

    outer = canvas.page.evaluate(
        "id => window.graph.convertToSubgraph(new Set([window.graph.getNodeById(id)])).node.id", GENERATE
    )
    for _ in range(2):
        inner = enter(canvas, outer)
        canvas.unzoom(80)
        probe(canvas, inner)
        command(canvas, "Comfy.Graph.ExitSubgraph")
        canvas.page.wait_for_function("id => window.app.canvas.graph.getNodeById(id)", arg=outer)
    inner = enter(canvas, outer)
    canvas.unzoom(80)
    drag(canvas, inner)
    press(canvas, "Control+z", inner)
    canvas.unzoom(80)
    probe(canvas, inner)


def enter(canvas: Canvas, subgraph_node: Any) -> Any:
    """Open a subgraph; the id of the only node in it."""
    (inner,) = canvas.page.evaluate(
        """id => {
            const node = window.graph.getNodeById(id);
            window.app.canvas.openSubgraph(node.subgraph, node);
            return window.app.canvas.graph.nodes.map(node => node.id);
        }""",
        subgraph_node,
    )
    return inner


def becomes(canvas: Canvas, expression: str, node_id: int, expected: list[str]) -> None:
    canvas.page.wait_for_function(
        f"([id, expected]) => JSON.stringify(({expression})(id)) === expected",
        arg=[node_id, json.dumps(expected, separators=(",", ":"))],
    )
    canvas.settle()


def test_each_pick_is_a_step_of_undo(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    drag(canvas, GENERATE)
    place = position(canvas, GENERATE)
    pick(canvas, GENERATE, "klein 4b")
    canvas.bar(GENERATE).locator("select").select_option("16:9")
    becomes(canvas, VALUES, GENERATE, ["flux.2-klein-4b", "16:9"])
    canvas.page.keyboard.press("Control+z")
    becomes(canvas, VALUES, GENERATE, ["flux.2-klein-4b", "256x256"])
    canvas.page.keyboard.press("Control+z")
    becomes(canvas, VALUES, GENERATE, ["gpt-image-2", "256x256"])
    assert position(canvas, GENERATE) == place
    press(canvas, "Control+z")
    press(canvas, "Control+y")
    canvas.page.keyboard.press("Control+y")
    becomes(canvas, VALUES, GENERATE, ["flux.2-klein-4b", "256x256"])
    expect(canvas.bar(GENERATE).locator(".lumenfall-model")).to_have_text("FLUX.2 klein 4B")


def test_a_pick_outlives_a_reload(canvas: Canvas) -> None:
    canvas.open(generate())
    canvas.unzoom(80)
    before = canvas.page.evaluate("() => ({ ...localStorage })")
    pick(canvas, GENERATE, "klein 4b")
    # The drafts of other workflows lie there too.
    canvas.page.wait_for_function(
        """before => Object.entries({ ...localStorage }).some(
            ([name, kept]) => kept !== before[name] && kept.includes("flux.2-klein-4b"))""",
        arg=before,
    )
    canvas.page.reload(wait_until="domcontentloaded")
    canvas.page.wait_for_function(READY, timeout=60_000)
    canvas.page.wait_for_function("() => window.graph.nodes.length === 2")
    canvas.unzoom(80)
    assert canvas.widget(GENERATE, "model") == "flux.2-klein-4b"
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.005")
    probe(canvas, GENERATE)


def test_a_file_that_is_opened_beside_a_workflow_takes_nothing_from_it(canvas: Canvas) -> None:
    """In API format, where nodes come without a word that a workflow is being opened."""
    canvas.open(generate())
    canvas.unzoom(80)
    opened = "() => window.app.extensionManager.workflow.activeWorkflow.path"
    path = canvas.page.evaluate(opened)
    canvas.page.evaluate(
        "async text => await window.app.handleFile(new File([text], 'edit.json', {type: 'application/json'}))",
        twin("edit").read_text(encoding="utf-8"),
    )
    canvas.page.wait_for_function("() => window.graph.nodes.some(node => node.type === 'LumenfallEdit')")
    canvas.settle()
    command(canvas, "Workspace.PreviousOpenedWorkflow")
    canvas.page.wait_for_function(f"path => ({opened})() === path", arg=path)
    canvas.page.wait_for_function("() => window.graph.nodes.some(node => node.type === 'LumenfallGenerate')")
    canvas.unzoom(80)
    before = canvas.widget(GENERATE, "model")
    pick(canvas, GENERATE, "klein 4b")
    size = canvas.widget(GENERATE, "size")
    for keys, model in (("Control+z", before), ("Control+y", "flux.2-klein-4b")):
        canvas.page.keyboard.press(keys)
        becomes(canvas, VALUES, GENERATE, [model, size])
    for there in ("Workspace.NextOpenedWorkflow", "Workspace.PreviousOpenedWorkflow"):
        command(canvas, there)
        canvas.page.wait_for_function(
            f"([path, back]) => (({opened})() === path) === back", arg=[path, "Prev" in there]
        )
    canvas.page.wait_for_function("() => window.graph.nodes.some(node => node.type === 'LumenfallGenerate')")
    canvas.unzoom(80)
    assert canvas.widget(GENERATE, "model") == "flux.2-klein-4b"


def test_sockets_that_come_and_go_are_part_of_the_step_that_moves_them(canvas: Canvas) -> None:
    canvas.open(example("edit")[0])
    canvas.unzoom(80)
    becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3"])
    for _ in range(2):
        drag(canvas, EDIT)
    for keys in ("Control+z", "Control+z", "Control+y"):
        press(canvas, keys, EDIT)
    becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3"])
    mouse = canvas.page.mouse
    mouse.move(*canvas.slot(LOAD, "output", "IMAGE"))
    mouse.down()
    mouse.move(*canvas.slot(EDIT, "input", "image_3"), steps=8)
    mouse.up()
    becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3", "image_4"])
    for _ in range(2):
        look(canvas)
        canvas.page.keyboard.press("Control+z")
        becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3"])
        look(canvas)
        canvas.page.keyboard.press("Control+y")
        becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3", "image_4"])
    look(canvas)
    canvas.page.keyboard.press("Control+z")
    becomes(canvas, SOCKETS, EDIT, ["image_2", "image_3"])
    look(canvas)
    press(canvas, "Control+z", EDIT)


def look(canvas: Canvas) -> None:
    """Let the frontend look for changes, as it does after any click and some keys."""
    canvas.page.evaluate("() => window.app.extensionManager.workflow.activeWorkflow.changeTracker.checkState()")
