"""Rows of the database that have changed: what was bought is found all the same, by the records beside it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nodes.errors import Charged
from nodes.spend import Call, Journal, Limits, State, entries, nanos, records
from nodes.spend.rows import enter
from tests.spend.conftest import forget_databases
from tests.spend.test_journal import CALLER, KEY, begun, done

FURTHER = "ef" * 32


def bought(journal: Journal) -> Call:
    done(journal, begun(journal, "cd" * 32), b"another")
    call = Call(KEY, "http://server", "images/generations", "flux.2-pro", {"prompt": "a fox"}, further_keys=(FURTHER,))
    return done(journal, journal.begin(call, CALLER, Limits(), None))


def flip(journal: Journal, found: str, offset: int, occurrence: int = 0) -> None:
    """Change a bit of the database's file, at ``offset`` in what is ``found`` there."""
    forget_databases()
    path = journal.folder / "spend.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    content = bytearray(path.read_bytes())
    place = -1
    for _ in range(occurrence + 1):
        place = content.index(found.encode(), place + 1)
    content[place + offset] ^= 1
    path.write_bytes(content)


def require_known(journal: Journal, call: Call) -> None:
    for key in (KEY, FURTHER):
        (found,) = journal.equal(key)
        assert (found.id, found.state, found.charged, found.cost) == (call.id, State.DONE, Charged.YES, call.cost)
        assert found.pictures == call.pictures
    assert sum(entry.cost or 0 for entry in entries(journal)) == nanos(0.08)


@pytest.mark.parametrize("column", ["id", "key", "state", "charged"])
def test_a_row_that_has_changed_is_found(journal: Journal, column: str) -> None:
    call = bought(journal)
    offset = {"id": 0, "key": 32, "state": 96, "charged": 100}[column]
    flip(journal, f"{call.id}{call.key}donecharged", offset)
    require_known(Journal(journal.folder), call)


@pytest.mark.parametrize("occurrence", [0, 1], ids=["the row", "its index"])
@pytest.mark.parametrize("offset", [0, 32], ids=["call", "key"])
def test_a_further_key_that_has_changed_is_found(journal: Journal, offset: int, occurrence: int) -> None:
    call = bought(journal)
    flip(journal, f"{call.id}{FURTHER}", offset, occurrence)
    require_known(Journal(journal.folder), call)


@pytest.mark.parametrize("offset", [0, 32, 33, 97], ids=["call", "folder", "content", "extension"])
def test_a_picture_that_the_database_names_wrongly_is_found(journal: Journal, offset: int) -> None:
    call = bought(journal)
    flip(journal, f"{call.id}{call.pictures[0].sha256}", offset)
    require_known(Journal(journal.folder), call)


def test_a_key_that_has_changed_in_the_row_and_in_all_indexes_is_found(journal: Journal) -> None:
    """As where it was spoilt in memory: no check of SQLite's own can tell."""
    call = bought(journal)
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute("UPDATE calls SET key = ? WHERE id = ?", ["ba" * 32, call.id]).close()
        connection.commit()
    (found,) = Journal(journal.folder).equal(KEY)
    assert found == replace(call, used_at=found.used_at, delivered_at=found.delivered_at)


@pytest.mark.parametrize("state", [State.SENT, State.ANSWERED, State.LOST])
@pytest.mark.parametrize("offset", [0, 32], ids=["id", "key"])
def test_a_row_of_a_call_without_pictures_that_has_changed_is_found(
    journal: Journal, state: State, offset: int
) -> None:
    """A process was killed while it was in the air, say."""
    call = begun(journal)
    if state is not State.SENT:
        call = replace(call, state=state)
        journal.settle(call)
    flip(journal, f"{call.id}{call.key}{state.value}", offset)
    _let_go()
    opened = Journal(journal.folder)
    opened.open()
    (found,) = opened.equal(KEY)
    assert (found.id, found.state) == (call.id, state)
    with opened.open().read() as connection:
        assert connection.exec_driver_sql("SELECT id FROM calls").scalars().all() == [call.id]


def _let_go() -> None:
    """As if the process had ended."""
    records._in_hand.clear()


def test_a_row_that_tells_less_than_the_record_that_was_put_away_is_told_more(journal: Journal) -> None:
    """It was finished in a file in whose place another one came meanwhile."""
    call = bought(journal)
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute("UPDATE calls SET state = 'sent', cost = NULL WHERE id = ?", [call.id]).close()
        connection.execute("DELETE FROM pictures WHERE call_id = ?", [call.id]).close()
        (other,) = connection.execute("SELECT id FROM calls WHERE id != ?", [call.id]).fetchone()
        connection.commit()
    newest = journal.folder / "calls" / "newest"
    (newest / call.id).rename(newest / other)
    require_known(Journal(journal.folder), call)


@pytest.mark.parametrize("size", [1, 10**6])
def test_a_size_that_has_changed_spoils_no_picture(journal: Journal, size: int) -> None:
    call = bought(journal)
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute("UPDATE pictures SET size = ? WHERE call_id = ?", [size, call.id]).close()
        connection.commit()
    require_known(Journal(journal.folder), call)


def test_what_is_put_away_while_a_database_is_written_anew_is_in_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, reopened: Callable[[], Journal]
) -> None:
    call = replace(begun(journal), state=State.DONE, charged=Charged.YES, cost=nanos(0.08), currency="USD")
    journal.records.write(call)
    for file in journal.folder.glob("spend.db*"):
        file.unlink()
    finished = records.Records.finished

    def read(told: records.Records, *leave_out: Any) -> Iterator[Call]:
        yield from list(finished(told, *leave_out))
        journal.records.archive(call)  # by another process, which will note another one next
        shutil.rmtree(journal.folder / "calls" / "newest")

    monkeypatch.setattr(records.Records, "finished", read)
    opened = reopened()
    opened.open()
    assert [(entry.id, entry.cost) for entry in entries(opened)] == [(call.id, call.cost)]


def test_what_is_begun_while_another_file_comes_into_its_place_is_in_that_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has found damage in it."""
    begun(journal)
    path = journal.folder / "spend.db"
    command = (
        f"from pathlib import Path; from nodes.spend import Journal; Journal(Path({str(journal.folder)!r})).open()"
    )

    def enter_and_replace(connection: Any, call: Call) -> None:
        enter(connection, call)
        if path.exists() and not path.with_name("aside.db").exists():
            for suffix in ("", "-wal", "-shm"):
                path.with_name(f"spend.db{suffix}").replace(path.with_name(f"aside.db{suffix}"))
            subprocess.run([sys.executable, "-c", command, str(journal.folder)], check=True)

    monkeypatch.setattr("nodes.spend.journal.enter", enter_and_replace)
    call = begun(journal, FURTHER)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        states = connection.execute("SELECT state FROM calls WHERE id = ?", [call.id]).fetchall()
    assert states == [(call.state.value,)]


def test_what_was_refused_after_all_is_not_brought_back(journal: Journal, reopened: Callable[[], Journal]) -> None:
    """Its record may not be there to be removed, as on a disk that is read-only for a while."""
    call = begun(journal)
    lost = replace(call, state=State.LOST)
    journal.settle(lost)
    (record,) = journal.folder.glob("calls/2*/*.json")
    content = record.read_bytes()
    journal.settle(replace(lost, state=State.REFUSED, charged=Charged.NO))
    record.write_bytes(content)
    assert reopened().equal(KEY) == []


def test_nor_is_what_somebody_has_removed(journal: Journal, reopened: Callable[[], Journal]) -> None:
    done(journal, begun(journal))
    forget_databases()
    for file in [*journal.folder.glob("spend.db*"), *journal.folder.glob("calls/2*/*.json")]:
        file.unlink()
    assert reopened().equal(KEY) == []


def test_a_database_without_its_version_is_written_anew(journal: Journal) -> None:
    call = bought(journal)
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ''").close()
        connection.commit()
    require_known(Journal(journal.folder), call)


@pytest.mark.parametrize("change", ["amount = amount + 17179869184", "amount = -amount", "period = 'dax'"])
def test_a_limit_that_has_changed_is_what_was_set(
    journal: Journal, reopened: Callable[[], Journal], change: str
) -> None:
    journal.share_limits({"day": 5.0})
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute(f"UPDATE limits SET {change}").close()
        connection.commit()
    assert reopened().share_limits({}) == {"day": 5.0}
    assert reopened().share_limits({"day": None}) == {}
    assert reopened().share_limits({}) == {}
