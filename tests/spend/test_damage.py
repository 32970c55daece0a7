"""Damage that is seen only where indexes are compared with their tables: what was bought would not be found again, or
nothing could be bought any more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from nodes.errors import StoreError
from nodes.spend import Call, Journal, Limits, State, clock, entries, nanos
from nodes.spend.budget import spent_now
from nodes.spend.database import explained
from tests.spend.conftest import forget_databases
from tests.spend.test_journal import CALLER, KEY, begun, done

OTHER = "cd" * 32


def finished_with_an_older(index: str, journal: Journal) -> None:
    """Two calls, of which ``index`` knows one: as where an older copy was laid over a database in use."""
    path = journal.folder / "spend.db"
    done(journal, begun(journal))
    place, page = _page(path, index)
    done(journal, begun(journal, OTHER), b"another")
    _page(path, index)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(page)


def _page(path: Path, index: str) -> tuple[int, bytes]:
    """Where the first page of ``index`` lies in the file, and its content."""
    forget_databases()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [index]).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("rb") as file:
        file.seek((root - 1) * size)
        return (root - 1) * size, file.read(size)


@pytest.mark.parametrize("index", ["calls_by_key", "sqlite_autoindex_calls_1"])
def test_what_an_index_has_forgotten_is_found_all_the_same(
    journal: Journal, reopened: Callable[[], Journal], index: str
) -> None:
    finished_with_an_older(index, journal)
    opened = reopened()
    opened.open()
    assert [call.state for key in (KEY, OTHER) for call in opened.equal(key)] == [State.DONE, State.DONE]
    assert len(list(entries(opened))) == 2


def test_a_key_that_has_changed_in_an_index_is_found_all_the_same(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    done(journal, begun(journal))
    place, page = _page(journal.folder / "spend.db", "calls_by_key")
    assert KEY.encode() in page
    with (journal.folder / "spend.db").open("r+b") as file:
        file.seek(place + page.index(KEY.encode()))
        file.write(b"b")
    opened = reopened()
    opened.open()
    assert [call.state for call in opened.equal(KEY)] == [State.DONE]


@pytest.mark.parametrize("is_writable", [True, False])
def test_who_has_met_damage_lets_the_next_one_look_at_all_of_the_file(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch, is_writable: bool
) -> None:
    finished_with_an_older("calls_by_delivery", journal)
    opened = reopened()
    opened.open()
    if not is_writable:
        monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(StoreError, match="malformed"), explained():
        raise sqlite3_malformed()
    if is_writable:
        monkeypatch.setattr("nodes.spend.damage._suspects", set())  # which is another process
        opened = reopened()
    assert [call.state for key in (KEY, OTHER) for call in opened.equal(key)] == [State.DONE, State.DONE]
    (aside,) = journal.folder.glob("spend-damaged-*.db")
    opened = reopened()
    opened.open()
    assert list(journal.folder.glob("spend-damaged-*.db")) == [aside]
    assert not list(journal.folder.glob("*.suspect"))


@pytest.mark.parametrize("odd", [b"\x00", b"\xff"], ids=["no JSON", "no text"])
def test_a_call_that_cannot_be_read_blocks_nothing_for_ever(
    journal: Journal, reopened: Callable[[], Journal], odd: bytes
) -> None:
    prompt = "a fox in the snow"
    call = Call(KEY, "http://server", "images/generations", "flux.2-pro", {"prompt": prompt})
    call = done(journal, journal.begin(call, CALLER, Limits(), None))
    forget_databases()
    path = journal.folder / "spend.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    path.write_bytes(path.read_bytes().replace(prompt.encode(), prompt.encode().replace(b"f", odd)))
    (found,) = reopened().equal(KEY)
    assert (found.id, found.parameters, found.cost) == (call.id, call.parameters, call.cost)


def refuse(*_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def sqlite3_malformed() -> Exception:
    return sa.exc.DatabaseError("SELECT", None, sqlite3.DatabaseError("database disk image is malformed"))


@pytest.mark.parametrize(
    ("text", "offset", "bit"),
    [
        ("SQLite format 3", 18, 0x10),
        ("SQLite format 3", 47, 0x20),
        ("    facts JSON NOT NULL,\n    sent_at FLOAT NOT NULL,\n    used_at", 4, 0x01),
        ("    facts JSON NOT NULL,\n    sent_at FLOAT NOT NULL,\n    used_at", 0, 0x80),
        ("    currency VARCHAR(16),\n    model TEXT", 4, 0x01),
        ("unpriced BIGINT", 0, 0x08),
        ("OLD.worker", 4, 0x02),
        ("RAISE(ABORT", 3, 0x01),
    ],
    ids=[
        "written by",
        "format",
        "column",
        "no text",
        "column of the outdated",
        "column of the sums",
        "trigger",
        "ABORT",
    ],
)
def test_a_changed_name_or_header_blocks_nothing_for_ever(
    journal: Journal, reopened: Callable[[], Journal], text: str, offset: int, bit: int
) -> None:
    """A name in the file's own description of its tables: no check of SQLite's own looks at that."""
    call = done(journal, begun(journal))
    _change(journal, text, offset, bit)
    opened = reopened()
    opened.open()
    assert [found.state for found in opened.equal(KEY)] == [State.DONE]
    done(opened, begun(opened, OTHER))
    assert sorted(entry.key for entry in entries(opened)) == sorted([call.key, OTHER])


def _change(journal: Journal, text: str, offset: int, bit: int) -> None:
    forget_databases()
    path = journal.folder / "spend.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    content = bytearray(path.read_bytes())
    content[content.index(text.encode()) + offset] ^= bit
    path.write_bytes(content)


def test_a_header_that_changes_while_the_file_is_open_blocks_nothing_for_ever(journal: Journal) -> None:
    done(journal, begun(journal))
    _change(journal, "SQLite format 3", 18, 0x10)
    done(journal, begun(journal, OTHER))
    assert [call.state for key in (KEY, OTHER) for call in journal.equal(key)] == [State.DONE, State.DONE]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE calls SET cost = cost + 134217728",
        "UPDATE calls SET cost = CAST('x' AS BLOB)",
        "UPDATE calls SET cost = 9223372036854775807",
        "UPDATE calls SET cost = NULL",
        "UPDATE sums SET counted = 0 WHERE feature = '' AND span = 900",
        "UPDATE sums SET start = start + 86400 * 4096 WHERE feature = '' AND span = 86400",
        "DELETE FROM sums WHERE feature = 'model'",
        "UPDATE calls SET sent_at = 1e300",
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE alembic_version SET version_num = '0004'",
    ],
)
def test_an_amount_that_has_changed_is_told_as_it_was(
    journal: Journal, reopened: Callable[[], Journal], change: str
) -> None:
    """Of what was paid, or of what limits count."""
    done(journal, begun(journal))
    done(journal, begun(journal, OTHER))
    forget_databases()
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection:
        connection.execute(change).close()
        connection.commit()
    opened = reopened()
    with opened.open().read() as connection:
        spent, _ = spent_now(connection, Limits())
    assert spent.amount == nanos(0.08)
    assert all(clock(entry.sent_at) for entry in entries(opened))
    assert [entry.cost for entry in entries(opened)] == [nanos(0.04), nanos(0.04)]


def test_a_file_that_is_emptied_while_it_is_open_blocks_nothing_for_ever(journal: Journal) -> None:
    done(journal, begun(journal))
    journal.open().engine.pool.dispose()
    os.truncate(journal.folder / "spend.db", 0)
    with contextlib.suppress(StoreError):
        begun(journal, OTHER)
    done(journal, begun(journal, OTHER))
    assert [call.state for key in (KEY, OTHER) for call in journal.equal(key)] == [State.DONE, State.DONE]
