"""The example workflows in ComfyUI's own browser page."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import EXAMPLES, ComfyUI

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

READY = "() => window.app && window.graph && window.app.extensionManager?.spinner === false"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def page(comfyui: ComfyUI) -> Iterator[Any]:
    tutorial = urllib.request.Request(
        f"{comfyui.url}/api/settings/Comfy.TutorialCompleted", b"true", {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(tutorial).close()
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        except playwright.Error:
            pytest.skip("no Chromium: install it with apt, or with `playwright install chromium`")
        opened = browser.new_page(viewport={"width": 1600, "height": 900})
        local = (comfyui.url, "data:", "blob:")
        opened.route("**/*", lambda it: it.continue_() if it.request.url.startswith(local) else it.abort())
        opened.goto(comfyui.url, wait_until="domcontentloaded")
        opened.wait_for_function(READY, timeout=120_000)
        yield opened
        browser.close()


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_an_example_opens_and_means_what_its_twin_says(page: Any, name: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    saved = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    page.evaluate("async graph => { await window.app.loadGraphData(graph) }", saved)
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    twin = json.loads((EXAMPLES / "api" / f"{name}.json").read_text(encoding="utf-8"))

    def meaning(graph: dict[str, Any]) -> dict[str, Any]:
        return {node_id: (node["class_type"], node["inputs"]) for node_id, node in graph.items()}

    assert meaning(prompt) == meaning(twin)
    assert not [text for text in complaints if "lumenfall" in text.lower()]
