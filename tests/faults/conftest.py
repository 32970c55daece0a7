"""The faults' world, and the line at the end that says how many were survived."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.faults.child import QUICK, find
from tests.faults.world import Forks, World, forget

HERE = "tests/faults/"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("processes are killed by the dozen here, which takes os.fork")


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("pipes"))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One, in place of the hundreds that each client would read, for connections that use none."""
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def world(tmp_path: Path, forks: Forks, certificate: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    for name, value in QUICK.items():
        monkeypatch.setattr(*find(name), value)
    world = World(tmp_path / "data", forks)
    yield world
    forks.end_children()
    world.stop_server()
    forget()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ends = {
        kind: [one for one in terminalreporter.stats.get(kind, ()) if one.nodeid.startswith(HERE)]
        for kind in ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
    }
    survived = len(ends["passed"]) + len(ends["xpassed"])
    tried = survived + len(ends["failed"]) + len(ends["error"]) + len(ends["xfailed"])
    if tried:
        untried = f", {len(ends['skipped'])} not tried" if ends["skipped"] else ""
        terminalreporter.write_line(f"faults survived: {survived} of {tried}{untried}", bold=True)
