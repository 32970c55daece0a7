"""A browser on each frontend and each canvas. The playground serves the installed frontend and, from a folder of its
own, the oldest one that the pack claims; where COMFYUI_DIR names a checkout, that ComfyUI serves its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from nodes.headless.playground.folders import PACK_ROOT
from tests.e2e.canvas import Canvas
from tests.e2e.sites import Site, playground, real_comfyui

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OLDEST = PACK_ROOT / ".venv" / "oldest-frontend" / "comfyui_frontend_package" / "static"
"""Put there by ``make test``; pip installs only one version of a package."""

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    # A node that is added stands where it was asked for, and does not hang on the pointer.
    "Comfy.NodeSearchBoxImpl.FollowCursor": False,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take ``canvas`` can run on each frontend and canvas; those that take ``page`` run on one."""
    if "canvas" in metafunc.fixturenames:
        metafunc.parametrize("canvas", kinds(), indirect=True)


def kinds() -> list[str]:
    return ["current-classic", "current-nodes2", *([] if "COMFYUI_DIR" in os.environ else ["oldest-classic"])]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --every-canvas each test runs on one of its kinds, always the same, and all kinds are used; those that
    are marked as thorough, next of kin to one that runs, run only with it.
    """
    if config.getoption("every_canvas"):
        return
    left_out = {item for item in items if (kind := _kind(item)) and kind != _chosen(item.nodeid.replace(kind, ""))}
    left_out |= {item for item in items if item.get_closest_marker("thorough")}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _kind(item: pytest.Item) -> str | None:
    return item.callspec.params.get("canvas") if hasattr(item, "callspec") else None


def _chosen(test: str) -> str:
    return kinds()[zlib.crc32(test.encode()) % len(kinds())]


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


# For the package, not for the session: Playwright keeps an event loop running, which no other test could stand.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        except Error:
            pytest.skip("no Chromium: install it with apt, or with `playwright install chromium`")
        yield started
        started.close()


@pytest.fixture(scope="package")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Each kind of site is started when it is first needed, and lives until the end."""
    with contextlib.ExitStack() as stack:

        class Started(dict[str, Site]):
            def __missing__(self, frontend: str) -> Site:
                root = tmp_path_factory.mktemp(frontend)
                if "COMFYUI_DIR" in os.environ:
                    chosen = os.environ.get("COMFYUI_FRONTEND")
                    self[frontend] = stack.enter_context(real_comfyui(root, Path(chosen) if chosen else None))
                else:
                    static = OLDEST if frontend == "oldest" else None
                    if static is not None and not static.is_dir():
                        pytest.skip("the oldest frontend is not there: `make test` fetches it")
                    self[frontend] = stack.enter_context(playground(root, static))
                for name, value in SETTINGS.items():
                    self[frontend].post(f"/settings/{name}", value)
                return self[frontend]

        yield Started()


@pytest.fixture(scope="package")
def opened(browser: Browser, sites: dict[str, Site]) -> Iterator[dict[str, Canvas]]:
    """A page for each frontend and canvas, opened when it is first needed: booting takes seconds."""
    pages: dict[str, Canvas] = {}
    yield pages
    for canvas in pages.values():
        canvas.page.context.close()


def choose_canvas(site: Site, kind: str) -> None:
    site.post("/settings/Comfy.VueNodes.Enabled", kind.endswith("nodes2"))


def open_page(browser: Browser, site: Site, kind: str) -> Canvas:
    site.configure()
    choose_canvas(site, kind)
    context = browser.new_context(viewport={"width": 1600, "height": 950}, locale="en-GB")
    # What was fetched is looked at; a real ComfyUI's page fetches more than the browser remembers of itself.
    context.add_init_script("performance.setResourceTimingBufferSize(5000)")
    page = context.new_page()
    page.set_default_timeout(15_000)
    local = (site.url, "data:", "blob:")
    page.route("**/*", lambda it: it.continue_() if it.request.url.startswith(local) else it.abort())
    canvas = Canvas(page, site, kind)
    canvas.boot()
    return canvas


Pages = Callable[[str], Canvas]


@pytest.fixture
def prepared(
    request: pytest.FixtureRequest, browser: Browser, sites: dict[str, Site], opened: dict[str, Canvas]
) -> Iterator[Pages]:
    """Gives the page of a kind ``<frontend>-<canvas>``, with an empty graph, and fresh settings behind it."""
    used: list[Canvas] = []

    def prepare(kind: str) -> Canvas:
        if kind not in opened:
            opened[kind] = open_page(browser, sites[kind.partition("-")[0]], kind)
        used.append(opened[kind])
        refresh(opened[kind])
        return opened[kind]

    yield prepare
    for canvas in used:
        if request.node.stash.get(FAILED, False):
            canvas.shoot(f"failed-{request.node.name}")
        assert not canvas.complaints


@pytest.fixture
def canvas(request: pytest.FixtureRequest, prepared: Pages) -> Canvas:
    """The page of the frontend and canvas that the test is run for."""
    return prepared(request.param)


@pytest.fixture
def page(prepared: Pages) -> Canvas:
    """The page of the current frontend with the classic canvas."""
    return prepared("current-classic")


def refresh(canvas: Canvas) -> None:
    """Begin a test."""
    site = canvas.site
    site.configure()
    # The other canvas' page has chosen its own meanwhile, and this one may be loaded anew.
    choose_canvas(site, canvas.kind)
    site.sandbox.latency = 0.0
    site.sandbox.faults.clear()
    canvas.complaints.clear()
    canvas.page.evaluate(
        """() => {
            for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
            for (const card of document.querySelectorAll(".lumenfall-toast")) card.remove();
            // ComfyUI's own error, which older frontends show in a dialog.
            for (const close of document.querySelectorAll(".p-dialog-close-button")) close.click();
        }"""
    )
    expect(canvas.page.locator(".p-dialog-mask")).to_have_count(0)
    canvas.page.keyboard.press("Escape")
    canvas.open(EMPTY)


EMPTY = {"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "extra": {}}
