"""ComfyUI's page as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Locator, Page, expect

from tests.e2e.sites import Site, until

SHOTS = Path(__file__).parents[2] / "screenshots"

READY = "() => window.app && window.graph && window.app.extensionManager?.spinner === false"
"""Set in this order: extensions are done, the graph is there, the last workflow is restored."""


class Canvas:
    """One open page, of the ``kind`` <frontend>-<canvas>. ``complaints`` are what its console says of us, or what
    nobody caught.
    """

    def __init__(self, page: Page, site: Site, kind: str = "") -> None:
        self.page = page
        self.kind = kind
        self.site = site
        self.complaints: list[str] = []
        # Frontends have errors of their own; ours come from our files.
        page.on(
            "pageerror", lambda error: "lumenfall" in (error.stack or "") and self.complaints.append(str(error.stack))
        )
        page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        url = str(message.location.get("url", ""))
        ours = "lumenfall" in message.text.lower() or (url.startswith(self.site.url) and "lumenfall" in url)
        if ours and message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def boot(self) -> None:
        self.page.goto(self.site.url, wait_until="domcontentloaded")
        self.page.wait_for_function(READY, timeout=60_000)

    def open(self, workflow: dict[str, Any]) -> None:
        """Open a workflow in UI format, as dropping its file does."""
        self.page.evaluate("async graph => { await window.app.loadGraphData(graph) }", workflow)
        self.settle()

    def unzoom(self, offset: int = 0) -> None:
        """One pixel of the graph is one of the screen, and its origin is the corner, or that far below the menus."""
        self.page.evaluate(
            "at => { const { ds } = window.app.canvas; ds.scale = 1; ds.offset[0] = ds.offset[1] = at }", offset
        )
        self.settle()

    def settle(self) -> None:
        """Let an undo end and two frames pass: what reacts to a change has reacted."""
        # The oldest frontend forgets a state when the next undo begins before the last one has ended.
        self.page.wait_for_function(
            "() => !window.app.extensionManager.workflow.activeWorkflow?.changeTracker?._restoringState"
        )
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def saved(self) -> dict[str, Any]:
        """The graph as a saved workflow holds it."""
        text = self.page.evaluate("() => JSON.stringify((window.app.rootGraph ?? window.app.graph).serialize())")
        return cast(dict[str, Any], json.loads(text))

    def prompt(self) -> dict[str, Any]:
        """The graph in API format, as it is queued."""
        return cast(dict[str, Any], self.page.evaluate("async () => (await window.app.graphToPrompt()).output"))

    def widget(self, node_id: int, name: str) -> Any:
        return self.page.evaluate(
            "([id, name]) => window.app.canvas.graph.getNodeById(id).widgets.find(w => w.name === name).value",
            [node_id, name],
        )

    def set_widget(self, node_id: int, name: str, value: Any) -> None:
        """What typing into a widget ends with, in both canvases."""
        self.page.evaluate(
            """([id, name, value]) => {
                const widget = window.app.canvas.graph.getNodeById(id).widgets.find(w => w.name === name);
                widget.value = value;
                widget.callback?.(value);
            }""",
            [node_id, name, value],
        )
        self.settle()

    def slot(self, node_id: int, kind: str, name: str) -> tuple[float, float]:
        """Where a socket is on the screen."""
        x, y = self.page.evaluate(
            """([id, kind, name]) => {
                const node = window.graph.getNodeById(id);
                const index = node[kind + "s"].findIndex(slot => slot.name === name);
                const key = `${id}-${kind === "input" ? "in" : "out"}-${index}`;
                const dot = document.querySelector(`[data-slot-key="${key}"]`);
                if (dot) {
                    const box = dot.getBoundingClientRect();
                    return [box.x + box.width / 2, box.y + box.height / 2];
                }
                const place = kind === "input" ? node.getInputPos(index) : node.getOutputPos(index);
                const [x, y] = window.app.canvas.ds.convertOffsetToCanvas(place);
                const box = window.app.canvas.canvas.getBoundingClientRect();
                return [x + box.x, y + box.y];
            }""",
            [node_id, kind, name],
        )
        return x, y

    def bar(self, node_id: int) -> Locator:
        """The pack's bar of a node."""
        self.page.evaluate(
            """id => {
                const widget = window.app.canvas.graph.getNodeById(id).widgets.find(w => w.name === "lumenfall_bar");
                widget.element.dataset.test = id;
            }""",
            node_id,
        )
        return self.page.locator(f'.lumenfall-bar[data-test="{node_id}"]')

    def status(self, node_id: int) -> Locator:
        return self.bar(node_id).locator(".lumenfall-status")

    def price(self, node_id: int) -> Locator:
        return self.bar(node_id).locator(".lumenfall-price")

    def run(self) -> None:
        """Press the Run button."""
        self.page.get_by_test_id("queue-button").first.click()

    def finished(self, node_id: int, state: str = "done") -> None:
        """Wait until the bar of a node tells of its end."""
        expect(self.bar(node_id)).to_have_attribute("data-state", state, timeout=30_000)

    def close_host_error(self) -> None:
        """ComfyUI's own error, which older frontends show in a dialog over everything else."""
        until(lambda: not any(self.site.json("/queue").values()), 20)
        self.settle()
        for close in self.page.locator(".p-dialog-close-button").all():
            close.click()
        expect(self.page.locator(".p-dialog-mask")).to_have_count(0)

    def shoot(self, name: str) -> None:
        """A picture for people to look at, in a folder that git ignores."""
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")
