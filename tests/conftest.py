"""What the tests share: a clean environment, the sandbox, and a host that can be stopped."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from nodes.api import catalogue
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from nodes.host import use
from nodes.purchase import background
from nodes.table import NODE_CLASS_MAPPINGS

# How long something takes is measured in benchmarks/, not asserted on whatever machine runs the tests.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

FAULTS, BROWSER = "tests/faults/", "tests/e2e/"
ROOT = Path(__file__).parents[1]


class Collecting:
    """Keeps pytest from importing the __init__.py at the root, which is ComfyUI's way in: in a folder that is called
    comfyui-lumenfall, as a clone is, it is no package.
    """

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config: pytest.Config) -> None:
    # What stands in a conftest.py is asked about the folders below it only.
    config.pluginmanager.register(Collecting())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file is one worker's, and so are all browser tests together, so that each page is opened once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            is_together = nodeid.startswith(BROWSER) and not config.getoption("--every-canvas")
            return BROWSER if is_together else str(super()._split_scope(nodeid))

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the longest begins first."""
    items.sort(key=lambda item: not item.nodeid.startswith(BROWSER))


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-canvas", action="store_true", help="browser tests on each canvas and frontend, not on one"
    )


# Here and not beside the faults: with several workers only this file is read by the process that sums up.
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ends = {
        kind: [report for report in terminalreporter.stats.get(kind, ()) if report.nodeid.startswith(FAULTS)]
        for kind in ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
    }
    survived = len(ends["passed"]) + len(ends["xpassed"])
    tried = survived + len(ends["failed"]) + len(ends["error"]) + len(ends["xfailed"])
    if tried:
        untried = f", {len(ends['skipped'])} not tried" if ends["skipped"] else ""
        terminalreporter.write_line(f"faults survived: {survived} of {tried}{untried}", bold=True)


def wait_until_idle(timeout: float) -> int:
    """Wait until nothing runs in the background any more, at most so many seconds; how much still does."""
    return len(concurrent.futures.wait(list(background._running), timeout).not_done)


@pytest.fixture(autouse=True, scope="session")
def no_proxies() -> Iterator[None]:
    """The tests' own clients, and servers that are started for many tests, are on this machine too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key or login of the person who runs the tests reaches them."""
    for name in ("LUMENFALL_API_KEY", "LUMENFALL_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LUMENFALL_CONFIG_DIR", str(tmp_path / "no-login"))
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(tmp_path / "data"))
    catalogue._failures.clear()
    catalogue._recent.clear()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started
        # Whoever is just connecting would leave the server's end of it to the collector, in another test.
        wait_until_idle(1)


@pytest.fixture
def host(sandbox: Sandbox) -> Headless:
    return Headless({"LUMENFALL_BASE_URL": sandbox.base_url}, nodes=NODE_CLASS_MAPPINGS)


class Outcome:
    """What a node returned."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.images: torch.Tensor
        self.mask: torch.Tensor
        self.images, self.mask, text = answer["result"]
        self.report: dict[str, Any] = json.loads(text)
        assert answer["ui"] == {"lumenfall": [self.report]}


class Nodes:
    """Runs nodes as ComfyUI does: a new event loop for each prompt, inference mode, defaults filled in."""

    def __init__(self, host: Headless) -> None:
        self.host = host

    async def start(self, node_id: str, **inputs: Any) -> Outcome:
        node = NODE_CLASS_MAPPINGS[node_id]
        declared = node.INPUT_TYPES()["required"]
        defaults = {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[-1]}
        return Outcome(await getattr(node(), node.FUNCTION)(**{**defaults, **inputs}))

    def __call__(self, node_id: str, **inputs: Any) -> Outcome:
        with use(self.host), torch.inference_mode():
            return asyncio.run(self.start(node_id, **inputs))


@pytest.fixture
def nodes(host: Headless) -> Nodes:
    return Nodes(host)
