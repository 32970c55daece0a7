"""A database of an older version is brought up to this one with everything in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from nodes.spend import Call, Caller, Journal, Limits
from nodes.spend.tables import REVISION


def test_a_database_without_graphs_keeps_its_calls_and_takes_graphs(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    call = journal.begin(Call("k" * 64, "https://x.test", "images/generations", "m"), Caller("run"), Limits(), 7)
    journal = reopened()
    with sqlite3.connect(journal.folder / "spend.db") as database:
        database.execute("ALTER TABLE calls DROP COLUMN graph")
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()

    found = journal.latest(call.key)
    assert found is not None and found.id == call.id and found.reserved == 7 and found.graph is None
    kept = {"node": "1", "nodes": {"1": {"class_type": "LumenfallGenerate", "inputs": {}}}}
    later = journal.begin(Call("l" * 64, "https://x.test", "images/edits", "m"), Caller(graph=kept), Limits(), None)
    assert journal.find(later.id) == later and later.graph == kept
    with sqlite3.connect(journal.folder / "spend.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    database.close()


def test_a_record_without_a_graph_is_read(journal: Journal) -> None:
    content = Call("k" * 64, "https://x.test", "images/edits", "m").as_dict()
    del content["graph"]
    assert Call.from_dict(content).graph is None
