"""What the nodes cost in the browser, in the playground with ComfyUI's newest frontend on Nodes 2.0 and on the classic
canvas: what the page fetches of the pack at its start; from adding a node to the first frame with its bar; looking at
the bars of 200 nodes once; and 200 Generate nodes against 200 nodes of no pack with the same widgets, loaded and
panned over. Needs Chromium.

    python benchmarks/browser.py
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from benchmarks.summary import sum_up
from nodes.headless.playground import running

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
READY = "() => window.app && window.graph && window.app.extensionManager?.spinner === false"
COUNT, ROUNDS = 200, 2
OURS, TWIN = "LumenfallGenerate", "Twin"

TWINNED = """async name => {
    const [definition] = Object.values(await (await fetch("/object_info/LumenfallGenerate")).json());
    await window.app.registerNodeDef(name, { ...definition, name, display_name: name, python_module: "nodes" });
}"""

FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

FIRST_BAR = """async () => {
    const started = performance.now();
    const node = window.LiteGraph.createNode("LumenfallGenerate");
    window.app.canvas.graph.add(node);
    const bar = node.widgets.find(widget => widget.name === "lumenfall_bar").element;
    while (!bar.isConnected || !bar.getBoundingClientRect().height) await new Promise(requestAnimationFrame);
    return performance.now() - started;
}"""

LOADED = """async graph => {
    const started = performance.now();
    await window.app.loadGraphData(graph);
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - started;
}"""

PANNED = """async () => {
    const { canvas } = window.app;
    const started = performance.now();
    for (let frame = 0; frame < 60; frame++) {
        canvas.ds.offset[0] -= 8;
        canvas.setDirty(true, true);
        await new Promise(requestAnimationFrame);
    }
    return performance.now() - started;
}"""

REFRESHED = """async url => {
    const { refreshBars } = await import(url);
    const started = performance.now();
    for (let round = 0; round < 10; round++) refreshBars();
    return (performance.now() - started) / 10;
}"""


def graph(kind: str) -> dict[str, Any]:
    nodes = [
        {
            "id": number + 1,
            "type": kind,
            "pos": [number % 20 * 420, number // 20 * 420],
            "size": [400, 380],
            "flags": {},
            "order": number,
            "mode": 0,
            "inputs": [],
            "outputs": [],
            "properties": {},
            "widgets_values": [f"picture {number}", "gpt-image-2", "auto", 1, number, "fixed"],
        }
        for number in range(COUNT)
    ]
    whole = {"last_node_id": COUNT, "last_link_id": 0, "links": [], "groups": [], "config": {}, "extra": {}}
    return {**whole, "version": 0.4, "nodes": nodes}


def open_page(page: Page, url: str, is_new: bool) -> tuple[list[int], str]:
    """The sizes of what is fetched of the pack, and where its bars come from."""
    sizes: list[int] = []
    modules: list[str] = []

    def note(response: Any) -> None:
        if "/extensions/" in response.url and "lumenfall" in response.url.lower():
            sizes.append(len(response.body()))
            modules.extend([response.url] if "/bar.js" in response.url else [])

    page.on("requestfinished", lambda request: note(request.response()))
    page.request.post(f"{url}/settings/Comfy.VueNodes.Enabled", data="true" if is_new else "false")
    page.request.post(f"{url}/settings/Comfy.TutorialCompleted", data="true")
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_timeout(1000)
    return sizes, modules[0]


def measure(page: Page, url: str, is_new: bool) -> None:
    print(f"### {'Nodes 2.0' if is_new else 'Classic canvas'}\n")
    sizes, module = open_page(page, url, is_new)
    print(f"at the start: {len(sizes)} files of the pack, {sum(sizes) / 1024:.0f} KiB")
    bar = statistics.median(page.evaluate(FIRST_BAR) for _ in range(ROUNDS))
    print(f"a new node's bar: {bar:.0f} ms")
    page.evaluate(TWINNED, TWIN)
    loaded: dict[str, list[float]] = {OURS: [], TWIN: []}
    panned: dict[str, list[float]] = {OURS: [], TWIN: []}
    refreshed = []
    for number in range(ROUNDS + 1):
        # One of each to begin with; then each is the first as often as the other.
        for kind in (OURS, TWIN)[:: 1 if number % 2 else -1]:
            loaded[kind].append(page.evaluate(LOADED, graph(kind)))
            page.evaluate(FRAME)
            panned[kind].append(page.evaluate(PANNED))
            if kind == OURS:
                refreshed.append(page.evaluate(REFRESHED, module))
    print(f"looking at {COUNT} bars: {statistics.median(refreshed[1:]):.1f} ms")
    ratios = []
    for verb, taken in (("loading", loaded), ("panning over", panned)):
        ours, twins = (statistics.median(taken[kind][1:]) for kind in (OURS, TWIN))
        print(f"{verb} {COUNT} nodes: {ours:.0f} ms, of no pack {twins:.0f} ms, ratio {ours / twins:.2f}")
        ratios.append(f"{ours / twins:.2f}")
    name = "Nodes 2.0" if is_new else "the classic canvas"
    sum_up(
        f"Loading, and panning over, {COUNT} nodes, against nodes of no pack: {name}", f"{' and '.join(ratios)} times"
    )
    sum_up(f"A new node's bar: {name}", f"{bar:.0f} ms; {len(sizes)} files, {sum(sizes) / 1024:.0f} KiB before")
    print()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), sandbox=True) as site,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for is_new in (True, False):
            page = browser.new_page(viewport={"width": 1600, "height": 950})
            measure(page, site.url, is_new)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
