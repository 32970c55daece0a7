"""What belongs to a host is read once for each use, and anew for the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes.errors import CredentialError, InputError, OldDependency, StoreError
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import dependencies
from nodes.purchase.session import Session
from nodes.spend import newest


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def write(data_dir: Path, **settings: object) -> None:
    data_dir.mkdir(exist_ok=True)
    (data_dir / "settings.json").write_text(json.dumps(settings))


def test_what_changes_counts_from_the_next_use_on(data_dir: Path, sandbox: Sandbox) -> None:
    host = Headless()
    write(data_dir, parallel=2, base_url=sandbox.base_url)
    session = Session(host)
    assert (session.settings.parallel, session.server.base_url) == (2, sandbox.base_url)
    write(data_dir, parallel=3, base_url="http://localhost:1/v1")
    assert (session.settings.parallel, session.server.base_url) == (2, sandbox.base_url)
    assert (Session(host).settings.parallel, Session(host).server.base_url) == (3, "http://localhost:1/v1")


def test_nothing_is_read_or_written_before_it_is_needed(data_dir: Path) -> None:
    write(data_dir, parallel=99)
    session = Session(Headless({"LUMENFALL_BASE_URL": "http://localhost:1/v1"}))
    assert session.server.base_url == session.base_url == session.catalogue.base_url
    for _ in range(2):
        with pytest.raises(InputError, match="parallel"):
            _ = session.journal
    assert [path.name for path in data_dir.iterdir()] == ["settings.json"]


def test_the_model_list_and_the_journal_need_no_key(data_dir: Path) -> None:
    session = Session(Headless())
    assert session.catalogue.known().models and newest(session.journal, 1) == []
    with pytest.raises(CredentialError):
        _ = session.server


def test_a_journal_that_cannot_be_opened_is_an_error_of_the_store(data_dir: Path) -> None:
    data_dir.write_text("a file in the folder's place")
    journal = Session(Headless()).journal
    with pytest.raises(StoreError):
        journal.open()


def test_an_old_package_is_told_of_before_the_journal_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "lacking", lambda: {"SQLAlchemy": "1.4"})
    with pytest.raises(OldDependency, match="SQLAlchemy"):
        _ = Session(Headless()).journal
