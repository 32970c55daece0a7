"""Damage that is seen only where indexes are compared with their tables: what was bought would not be found again, or
nothing could be bought any more.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from nodes.errors import StoreError
from nodes.spend import Call, Journal, Limits, State, entries
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
