"""The records: what was put away last, by which a database that is older than they are is told and completed; and what
a full disk has refused of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.spend import Call, Journal, Limits, State, clean, records
from nodes.spend.journal import are_finished
from tests.spend.conftest import forget_databases
from tests.spend.test_journal import CALLER, KEY, begun, done

NEW = "cd" * 32


@pytest.fixture
def restore(journal: Journal) -> Iterator[Callable[[], Journal]]:
    """Puts the database back as it was when this was asked for, with several finished calls."""
    path, backup = journal.folder / "spend.db", journal.folder / "backup.db"
    for number in range(8):
        journal.mark_delivered([done(journal, begun(journal, f"{number:064}"), bytes([number]))])
    journal.mark_delivered([done(journal, begun(journal))])
    source, copy = sqlite3.connect(path), sqlite3.connect(backup)
    with contextlib.closing(source), contextlib.closing(copy):
        source.backup(copy)

    def put_back() -> Journal:
        forget_databases()
        for part in journal.folder.glob("spend.db*"):
            part.unlink()
        shutil.copy(backup, path)
        return Journal(journal.folder)

    yield put_back


def next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_databases()
    monkeypatch.setattr(records, "_noted", {})


def found_in(journal: Journal) -> list[tuple[str, State]]:
    journal.open()
    return [(call.id, call.state) for call in journal.equal(NEW)]


def notes(journal: Journal) -> Path:
    return journal.folder / "calls" / "newest"


@pytest.mark.parametrize("is_another", [False, True], ids=["by the same process", "by the next one"])
def test_it_is_not_what_was_bought_long_ago_and_cleaned_now(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch, is_another: bool
) -> None:
    call = done(journal, begun(journal, NEW), b"not handed on yet")
    if is_another:
        next_process(monkeypatch)
    assert clean(journal, 0.0).calls == 9
    next_process(monkeypatch)
    Journal(journal.folder).open()
    assert found_in(restore()) == [(call.id, State.DONE)]


def test_nor_what_was_bought_long_ago_and_has_got_its_price_now(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = done(journal, begun(journal, NEW), b"another")
    (old,) = journal.equal(KEY)
    journal.settle(replace(old, cost=5))
    assert found_in(restore()) == [(call.id, State.DONE)]


def test_it_is_told_whatever_the_clock_says(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = os.listdir(notes(journal))
    ahead = time.time() + 1000
    os.utime(notes(journal) / old, (ahead, ahead))
    next_process(monkeypatch)
    call = done(journal, begun(Journal(journal.folder), NEW), b"another")
    next_process(monkeypatch)
    Journal(journal.folder).open()
    assert found_in(restore()) == [(call.id, State.DONE)]


def test_it_is_noted_anew_where_the_notes_are_gone(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = done(journal, begun(journal, NEW), b"another")
    next_process(monkeypatch)
    shutil.rmtree(notes(journal))
    Journal(journal.folder).open()
    assert found_in(restore()) == [(call.id, State.DONE)]


def test_who_is_killed_while_it_is_noted_loses_nothing(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(Path, "touch", kill)
        done(journal, begun(journal, NEW), b"another")
    ((_, state),) = found_in(restore())
    assert state is State.DONE


def test_what_another_process_puts_away_meanwhile_stays_noted(
    journal: Journal, restore: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = "e" * 32

    def look(*arguments: Any) -> bool:
        (notes(journal) / meanwhile).touch()
        return are_finished(*arguments)

    monkeypatch.setattr("nodes.spend.memory.are_finished", look)
    forget_databases()
    journal.find(KEY)
    assert meanwhile in os.listdir(notes(journal))


@pytest.mark.parametrize("is_freed", [True, False], ids=["and has room again", "until the database is gone"])
def test_what_a_full_disk_refused_is_not_put_away_as_less_than_it_is(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch, is_freed: bool
) -> None:
    """Otherwise a database that is written anew would not know the pictures."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    call = begun(journal)
    call = replace(call.with_picture(journal.files.put(1, b"picture", ".png")), state=State.DONE, cost=5)
    with monkeypatch.context() as full:
        full.setattr(records, "write_durably", refuse)
        journal.settle(call)
    if is_freed:
        journal.open()
    for part in journal.folder.glob("spend.db*"):
        part.unlink()
    again = reopened()
    again.open()
    (found,) = again.equal(KEY)
    assert (found.state, found.cost, found.pictures) == (State.DONE, 5, call.pictures)


def test_what_is_owed_is_not_written_over_what_came_since(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    call, write = begun(journal), records.write_durably
    owed = replace(call, state=State.ANSWERED)
    later = replace(call.with_picture(journal.files.put(1, b"picture", ".png")), state=State.DONE)
    settling = threading.Thread(target=journal.records.write, args=[later])

    def write_slowly(path: Path, content: bytes) -> None:
        if settling.ident is None:
            settling.start()
            settling.join(1.0)
        write(path, content)

    monkeypatch.setitem(records._owed, journal.folder / "calls" / "open" / f"{call.id}.json", records._content(owed))
    with monkeypatch.context() as slow:
        slow.setattr(records, "write_durably", write_slowly)
        assert list(journal.records.unfinished()) in ([owed], [later])
    settling.join()
    journal.records.archive(later)
    for part in journal.folder.glob("spend.db*"):
        part.unlink()
    again = reopened()
    again.open()
    assert [found.state for found in again.equal(KEY)] == [State.DONE]


def test_what_is_owed_is_written_with_the_next_record(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other call may be begun in this process, only others finish."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    call, other = begun(journal), begun(journal, "cd" * 32)
    with monkeypatch.context() as full:
        full.setattr(records, "write_durably", refuse)
        journal.settle(replace(call, state=State.ANSWERED))
    journal.settle(replace(other, state=State.ANSWERED))
    assert [told.state for told in records.Records(journal.records.root)._read(journal.folder / "calls" / "open")] == [
        State.ANSWERED,
        State.ANSWERED,
    ]


_ENDS_ON_A_FULL_DISK = """
import errno, pathlib, sys
from dataclasses import replace
from nodes.spend import Call, Caller, Journal, Limits, State, records

journal, write, refused = Journal(pathlib.Path(sys.argv[1])), records.write_durably, []
call = journal.begin(Call("ab" * 32, "http://server", "images/generations", "m"), Caller("run"), Limits(), None)

def refuse(path, content):
    if len(refused) < 3:
        refused.append(path)
        raise OSError(errno.ENOSPC, "No space left on device")
    write(path, content)

records.write_durably = refuse
try:
    journal.records.write(replace(call, state=State.ANSWERED))
except OSError:
    pass
"""


def test_what_is_owed_is_written_at_the_end_of_the_process(journal: Journal) -> None:
    subprocess.run([sys.executable, "-c", _ENDS_ON_A_FULL_DISK, str(journal.folder)], check=True)
    journal.open()
    assert [call.state for call in journal.equal(KEY)] == [State.ANSWERED]


@pytest.mark.parametrize("sent_at", [None, 1798761599.0], ids=["now", "in December"])
def test_it_is_told_where_a_version_without_notes_has_put_it_away(
    journal: Journal, restore: Callable[[], Journal], sent_at: float | None
) -> None:
    before = os.listdir(notes(journal))
    call = Call(NEW, "http://server", "images/generations", "m")
    call = done(journal, journal.begin(replace(call, sent_at=sent_at or call.sent_at), CALLER, Limits(), None))
    (notes(journal) / call.id).unlink()
    for name in before:
        (notes(journal) / name).touch()
    shutil.rmtree(journal.folder / "calls" / "bought")
    assert found_in(restore()) == [(call.id, State.DONE)]


def test_odd_folders_are_no_months(journal: Journal, reopened: Callable[[], Journal]) -> None:
    call = done(journal, begun(journal))
    for name in ("9999-13", "2999-aa", "3000-01-copy", "0000-00"):
        (journal.folder / "calls" / name).mkdir()
    (journal.folder / "calls" / "9999-12").write_text("")
    assert [found.id for found in reopened().equal(KEY)] == [call.id]
