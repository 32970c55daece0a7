"""A workflow from nothing, with mouse and keyboard only; and workflows that come from elsewhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, TimeoutError, expect

from nodes.headless.playground.folders import PACK_ROOT
from tests.e2e.canvas import READY, Canvas
from tests.e2e.conftest import open_page
from tests.e2e.graphs import GENERATE, example, generate, meaning
from tests.e2e.sites import Site
from tests.templates import TEMPLATES

numbers = itertools.count()
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*/*.json"))


def add_by_search(canvas: Canvas, name: str, x: int, y: int) -> int:
    """Double-click an empty place, type, press Enter; the id of the new node."""
    before = {node["id"] for node in canvas.saved()["nodes"]}
    search = canvas.page.locator("input:focus")
    reach(canvas, x, y)
    persist(lambda: canvas.page.mouse.dblclick(x, y), lambda patience: search.wait_for(timeout=patience))
    search.press_sequentially(name)
    expect(canvas.page.get_by_text(name, exact=True).first).to_be_visible()
    grown = "count => window.graph.nodes.length > count"
    persist(
        lambda: canvas.page.keyboard.press("Enter"),
        lambda patience: canvas.page.wait_for_function(grown, arg=len(before), timeout=patience),
    )
    (new,) = {node["id"] for node in canvas.saved()["nodes"]} - before
    return int(new)


def persist(act: Callable[[], object], wait: Callable[[float], object]) -> None:
    """Do it again, as a person would, where a menu that was opening or closing did not notice."""
    for patience in (1500, 1500, 1500, 5000):
        act()
        try:
            wait(patience)
            return
        except TimeoutError:
            continue
    wait(0.1)


def reach(canvas: Canvas, x: float, y: float) -> None:
    """Wait until no overlay, on its way out, lies between the pointer and the graph any more."""
    canvas.page.wait_for_function(
        "([x, y]) => document.elementFromPoint(x, y)?.closest('#graph-canvas, [data-node-id]')", arg=[x, y]
    )


def test_a_workflow_is_built_run_saved_and_opened_again(canvas: Canvas) -> None:
    page = canvas.page
    canvas.unzoom()
    generator = add_by_search(canvas, "Generate Image", 420, 330)
    saver = add_by_search(canvas, "Save Image", 1050, 330)

    x, y = canvas.slot(generator, "output", "images")
    reach(canvas, x, y)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(*canvas.slot(saver, "input", "images"), steps=12)
    page.mouse.up()
    page.wait_for_function("id => window.graph.getNodeById(id).inputs[0].link != null", arg=saver)

    prompt = page.locator("textarea").first
    prompt.click()
    name = f"lighthouse {next(numbers)}"
    prompt.fill(f"a {name} at dusk")

    canvas.bar(generator).locator(".lumenfall-model").click()
    picker = page.get_by_role("dialog", name="model")
    picker.get_by_role("searchbox").fill("klein 4b")
    page.keyboard.press("Enter")
    expect(picker).to_be_hidden()
    assert canvas.widget(generator, "model") == "flux.2-klein-4b"
    expect(canvas.price(generator)).to_contain_text("0.005")

    canvas.run()
    canvas.finished(generator)
    expect(canvas.status(generator)).to_contain_text("$0.005")
    page.wait_for_function("id => window.app.nodeOutputs[id]?.images?.length === 1", arg=str(saver))
    canvas.shoot(f"built-{canvas.page.evaluate('() => window.LiteGraph.vueNodesMode ? 1 : 0')}")

    before = canvas.prompt()
    page.keyboard.press("Control+s")
    field = page.get_by_role("dialog").locator("input").first
    field.fill(name)
    field.press("Enter")
    page.wait_for_function("name => window.app.extensionManager.workflow?.activeWorkflow?.filename === name", arg=name)
    page.reload(wait_until="domcontentloaded")
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_function("() => window.graph.nodes.length === 2")
    assert meaning(canvas.prompt()) == meaning(before)
    kept = json.loads(canvas.site.get(f"/userdata/{quote(f'workflows/{name}.json', safe='')}"))
    assert {node["type"] for node in kept["nodes"]} == {"LumenfallGenerate", "SaveImage"}


def own_values(prompt: dict[str, Any]) -> dict[str, Any]:
    """The pack's nodes of a graph, with what their widgets say."""
    own = {node_id: node for node_id, node in prompt.items() if str(node["class_type"]).startswith("Lumenfall")}
    return {
        node_id: {**node, "inputs": {name: it for name, it in node["inputs"].items() if not isinstance(it, list)}}
        for node_id, node in own.items()
    }


NAMES = sorted(TEMPLATES)


# An app is a workflow with another face; test_apps.py opens them too.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough) if name.startswith("app-") else name for name in NAMES]
)
def test_an_example_opens_and_means_what_its_twin_says(canvas: Canvas, name: str) -> None:
    saved, twin = example(name)
    canvas.open(saved)
    prompt = canvas.prompt()
    known = canvas.site.json("/object_info")
    if any(node["class_type"] not in known for node in twin.values()):
        # The playground has no local models; the values of our nodes must be right all the same.
        prompt, twin = own_values(prompt), own_values(twin)
    assert meaning(prompt) == meaning(twin)
    canvas.shoot(f"example-{name}")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_workflow_saved_by_an_older_version_keeps_every_value(canvas: Canvas, path: Path) -> None:
    saved: dict[str, Any] = json.loads(path.read_text("utf-8"))
    canvas.open(saved)
    now = {node["id"]: node for node in canvas.saved()["nodes"]}
    for node in saved["nodes"]:
        values = node.get("widgets_values") or []
        # Newer versions append widgets; what was saved stays at its place.
        assert now[node["id"]].get("widgets_values", [])[: len(values)] == values
        assert now[node["id"]]["type"] == node["type"]


def test_what_the_extension_adds_is_saved_nowhere(canvas: Canvas) -> None:
    graph = generate()
    canvas.open(graph)
    (node,) = (node for node in canvas.saved()["nodes"] if node["id"] == GENERATE)
    assert node["widgets_values"] == graph["nodes"][0]["widgets_values"]
    inputs = canvas.prompt()[str(GENERATE)]["inputs"]
    assert set(inputs) == {"prompt", "model", "size", "n", "seed"}


def test_every_node_has_its_bar_and_its_help(page: Canvas) -> None:
    listed = page.site.json("/object_info")
    for name in (name for name in listed if name.startswith("Lumenfall")):
        has_bar = page.page.evaluate(
            """name => {
                const node = window.LiteGraph.createNode(name);
                window.graph.add(node);
                return node.widgets.some(widget => widget.name === "lumenfall_bar");
            }""",
            name,
        )
        assert has_bar, name
        assert page.site.get(f"/extensions/comfyui-lumenfall/docs/{name}.md").startswith(b"#")
    assert (PACK_ROOT / "web" / "docs").is_dir()


@pytest.mark.parametrize("path", sorted((PACK_ROOT / "subgraphs").glob("*.json")), ids=lambda path: path.stem)
def test_a_blueprint_opens_with_its_nodes_inside(canvas: Canvas, path: Path) -> None:
    canvas.open(json.loads(path.read_text("utf-8")))
    inside = [node for node_id, node in canvas.prompt().items() if ":" in node_id]
    assert inside and all(node["class_type"].startswith("Lumenfall") for node in inside)
    (holder,) = {int(node_id.split(":")[0]) for node_id in canvas.prompt() if ":" in node_id}
    expect(canvas.price(holder)).to_contain_text("$0.")


def test_the_page_speaks_the_users_language(browser: Browser, sites: dict[str, Site]) -> None:
    site = sites["current"]
    site.post("/settings/Comfy.Locale", "ja")
    try:
        canvas = open_page(browser, site, "current-classic")
        canvas.open(generate())
        texts = json.loads((PACK_ROOT / "locales" / "ja" / "main.json").read_text("utf-8"))["lumenfall"]
        expect(canvas.bar(GENERATE).locator(".lumenfall-model")).to_have_attribute("title", texts["node"]["choose"])
        canvas.bar(GENERATE).locator(".lumenfall-model").click()
        expect(canvas.page.get_by_role("dialog", name=texts["picker"]["title"])).to_be_visible()
        canvas.shoot("japanese")
        canvas.page.context.close()
    finally:
        site.post("/settings/Comfy.Locale", "en")
