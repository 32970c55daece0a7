"""A database of an older version is brought up to this one with everything in it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy.engine.reflection

from nodes.errors import StoreError
from nodes.spend import Call, Caller, Journal, Limits, State, Stored, newest, uncertain
from nodes.spend.tables import REVISION
from tests.spend.conftest import forget_databases


def test_a_database_without_graphs_keeps_its_calls_and_takes_graphs(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    call = journal.begin(Call("k" * 64, "https://x.test", "images/generations", "m"), Caller("run"), Limits(), 7)
    journal = reopened()
    with sqlite3.connect(journal.folder / "spend.db") as database:
        for change in (
            "DROP TRIGGER calls_outdated",
            "DROP TABLE outdated",
            "DROP TABLE further_keys",
            "DROP TABLE sums",
            "DROP TABLE limits",
            "DROP INDEX calls_by_state",
            "DROP INDEX calls_by_delivery",
        ):
            database.execute(change)
        database.execute("DROP TRIGGER calls_of_an_older_version")
        for column in ("worker", "graph"):
            database.execute(f"ALTER TABLE calls DROP COLUMN {column}")
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()

    found = journal.equal(call.key)[0]
    assert found is not None and found.id == call.id and found.reserved == 7 and found.graph is None
    kept = {"node": "1", "nodes": {"1": {"class_type": "LumenfallGenerate", "inputs": {}}}}
    later = journal.begin(Call("l" * 64, "https://x.test", "images/edits", "m"), Caller(graph=kept), Limits(), None)
    assert journal.find(later.id) == later and later.graph == kept
    with sqlite3.connect(journal.folder / "spend.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    database.close()


def made(folder: Path) -> set[tuple[str, str, str]]:
    """Tables, indices and triggers of a new database."""
    Journal(folder).open()
    forget_databases()
    with sqlite3.connect(folder / "spend.db") as opened:
        rows = opened.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        assert opened.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    opened.close()
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in rows}


def test_a_new_database_is_what_all_migrations_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = made(tmp_path / "at once")
    with monkeypatch.context() as patch:
        patch.setattr(sqlalchemy.engine.reflection.Inspector, "get_table_names", lambda self: ["something"])
        step_by_step = made(tmp_path / "step by step")
    assert at_once == step_by_step


def test_without_alembic_a_new_journal_works_and_an_older_one_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alembic", None)  # type: ignore[arg-type]
    made(tmp_path)
    with sqlite3.connect(tmp_path / "spend.db") as opened:
        opened.execute("UPDATE alembic_version SET version_num = '0001'")
        opened.execute("DROP TABLE outdated")
    opened.close()
    with pytest.raises(StoreError, match="alembic") as caught:
        Journal(tmp_path).open()
    assert caught.value.code == "STORE_INCOMPLETE" and "pip install" in caught.value.hint


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="psycopg") as caught:
        Journal(tmp_path, "postgresql+psycopg://127.0.0.1:1/none").open()
    assert "psycopg[binary]" in caught.value.hint


def test_a_database_server_that_does_not_answer_is_what_the_hint_is_about(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with pytest.raises(StoreError) as caught:
        Journal(tmp_path, "postgresql+psycopg://me:very-secret@127.0.0.1:1/none").open()
    assert caught.value.code == "STORE_UNUSABLE" and "database server" in caught.value.hint
    assert "room" not in caught.value.hint and "very-secret" not in f"{caught.value} {caught.value.hint}"


def test_a_record_without_a_graph_is_read(journal: Journal) -> None:
    content = Call("k" * 64, "https://x.test", "images/edits", "m").as_dict()
    del content["graph"]
    assert Call.from_dict(content).graph is None


def test_a_database_of_the_first_version_is_brought_up_to_this_one(tmp_path: Path) -> None:
    """As the first version made it, with all that it entered."""
    with sqlite3.connect(tmp_path / "spend.db") as database:
        database.executescript(FIRST)
    database.close()
    journal = Journal(tmp_path)
    assert [call.id for call in newest(journal, 10)] == ["b" * 32, "a" * 32]
    found = journal.find("req_1")
    assert found is not None and (found.cost, found.parameters, found.graph) == (53_000_000, {"prompt": "a kite"}, None)
    assert found.pictures == (Stored(1, "c" * 64, ".png", 7),) and found.state is State.DONE
    assert [call.id for call in uncertain(journal)] == ["b" * 32]
    # What is entered now goes on where the first version stopped.
    call = journal.begin(Call("d" * 64, "https://x.test", "images/edits", "m"), Caller("run"), Limits(), None)
    assert newest(journal, 1) == [call]
    forget_databases()
    assert newest(Journal(tmp_path), 3)[0] == call


FIRST = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE calls (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id VARCHAR(32) NOT NULL UNIQUE, "key" VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL, charged VARCHAR(24) NOT NULL, server TEXT NOT NULL, endpoint TEXT NOT NULL,
    model TEXT NOT NULL, asked JSON NOT NULL, facts JSON NOT NULL, sent_at FLOAT NOT NULL, used_at FLOAT NOT NULL,
    delivered_at FLOAT, seconds FLOAT, reserved BIGINT, cost BIGINT, currency VARCHAR(16), executed_model TEXT,
    provider TEXT, request_id TEXT, run_id TEXT, node_title TEXT, workflow TEXT, error TEXT
);
CREATE INDEX calls_by_key ON calls ("key", number);
CREATE INDEX calls_by_time ON calls (sent_at);
CREATE INDEX calls_by_run ON calls (run_id);
CREATE INDEX calls_by_request ON calls (request_id);
CREATE TABLE pictures (
    call_id VARCHAR(32) NOT NULL REFERENCES calls (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL, extension VARCHAR(16) NOT NULL, size BIGINT NOT NULL, PRIMARY KEY (call_id, number)
);
CREATE INDEX pictures_by_content ON pictures (sha256);
INSERT INTO calls (id, "key", state, charged, server, endpoint, model, asked, facts, sent_at, used_at, cost, request_id)
VALUES (printf('%.32c', 'a'), printf('%.64c', 'a'), 'done', 'charged', 'https://x.test/v1', 'images/generations', 'm',
        '{"prompt": "a kite"}', '{}', 1000.0, 1000.0, 53000000, 'req_1'),
       (printf('%.32c', 'b'), printf('%.64c', 'b'), 'lost', 'may have been charged', 'https://x.test/v1',
        'images/edits', 'm', '{}', '{}', 1001.0, 1001.0, NULL, NULL);
INSERT INTO pictures VALUES (printf('%.32c', 'a'), 1, printf('%.64c', 'c'), '.png', 7);
"""
