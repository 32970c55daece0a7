"""After an update the browser runs the new code: all of it, and each module once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from nodes.headless.playground import pack
from nodes.headless.playground.folders import PACK_ROOT
from tests.e2e.canvas import READY, Canvas
from tests.e2e.conftest import SETTINGS
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.sites import Site, playground

LONG_AGO = 1_700_000_000
"""Browsers keep a file for a tenth of its age where nobody says for how long."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``web`` of a pack that can be updated."""
    for name in ("locales", "subgraphs", "example_workflows"):
        (tmp_path / name).symlink_to(PACK_ROOT / name)
    shutil.copytree(PACK_ROOT / "web", tmp_path / "web")
    for path in (tmp_path / "web").rglob("*.*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    monkeypatch.setattr(pack, "PACK_ROOT", tmp_path)
    return tmp_path / "web"


@pytest.fixture
def site(installed: Path, tmp_path: Path) -> Iterator[Site]:
    with playground(tmp_path / "root", None) as started:
        for name, value in SETTINGS.items():
            started.post(f"/settings/{name}", value)
        started.configure()
        yield started


@pytest.fixture
def cached(browser: Browser, site: Site) -> Iterator[Page]:
    """A page that keeps what it fetched, unlike those whose requests are watched."""
    context = browser.new_context(viewport={"width": 1600, "height": 950}, locale="en-GB")
    yield context.new_page()
    context.close()


def works(canvas: Canvas) -> None:
    canvas.page.wait_for_function(READY, timeout=60_000)
    canvas.open(generate())
    expect(canvas.price(GENERATE)).to_have_text("\u2248 $0.053")
    assert not canvas.complaints


@pytest.mark.skipif("COMFYUI_DIR" in os.environ, reason="it changes the files of the playground")
def test_a_reload_after_an_update_runs_the_new_code(cached: Page, site: Site, installed: Path) -> None:
    canvas = Canvas(cached, site)
    cached.goto(site.url, wait_until="domcontentloaded")
    works(canvas)
    for path in (installed / "js").rglob("*.js"):
        # Exported by bar, imported by the entry file.
        path.write_text(re.sub(r"\brefreshBars\b", "showBars", path.read_text("utf-8")), encoding="utf-8")
        os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    cached.reload(wait_until="domcontentloaded")
    works(canvas)
    assert "showBars" in cached.evaluate(
        "async () => Object.keys(await import('/extensions/comfyui-lumenfall/js/bar.js'))"
    )


def test_a_module_that_comfyui_loads_as_an_extension_is_the_one_that_the_others_import(page: Canvas) -> None:
    page.open(generate())
    listed = [path for path in page.site.json("/extensions") if path.startswith("/extensions/comfyui-lumenfall/")]
    assert sorted(Path(path).name for path in listed) == sorted(it.name for it in (PACK_ROOT / "web/js").rglob("*.js"))
    is_one = """async id => {
        const { barOf } = await import("/extensions/comfyui-lumenfall/js/bar.js");
        return Boolean(barOf(window.graph.getNodeById(id)));
    }"""
    assert page.page.evaluate(is_one, GENERATE)
    fetched = page.page.evaluate("() => performance.getEntriesByType('resource').map(it => it.name)")
    ours = [url for url in fetched if "/comfyui-lumenfall/js/" in url]
    assert sorted(ours) == sorted({f"{page.site.url}{path}" for path in listed})


@pytest.mark.parametrize("path", sorted((PACK_ROOT / "web" / "js").rglob("[!l]*.js")), ids=lambda path: path.stem)
def test_only_the_entry_file_does_anything_when_it_is_loaded(path: Path) -> None:
    # Besides comments, what is inside of something, and the ends of that.
    begun = [line for line in path.read_text("utf-8").splitlines() if re.match(r"[^\s/})\]]", line)]
    declared = re.compile(r"(import |export |const |let |(async )?function\*? |class )")
    assert [line for line in begun if not declared.match(line)] == []
