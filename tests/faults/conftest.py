"""The faults' world."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.faults.child import QUICK, find
from tests.faults.world import Forks, World, forget


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
def noon() -> Iterator[None]:
    """It is about noon where the tests run: what was half an hour ago was today, and counts against limits per day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", f"NOON{time.gmtime().tm_hour - 12:+d}")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def world(
    tmp_path: Path, forks: Forks, certificate: str, monkeypatch: pytest.MonkeyPatch, noon: None
) -> Iterator[World]:
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    for name, value in QUICK.items():
        monkeypatch.setattr(*find(name), value)
    world = World(tmp_path / "data", forks)
    yield world
    forks.end_children()
    world.stop_server()
    forget()
