"""The journal: nothing it was told is lost, whatever happens to its database."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from nodes.errors import BudgetExceeded, Charged, StoreError
from nodes.spend import Call, Caller, Journal, Limits, State, database, entries, nanos, records
from nodes.spend.rows import enter

KEY = "ab" * 32
CALLER = Caller("run 1", "Generate Image", "cats")


def begun(journal: Journal, key: str = KEY) -> Call:
    return journal.begin(Call(key, "http://server", "images/generations", "flux.2-pro"), CALLER, Limits(), None)


def done(journal: Journal, call: Call, content: bytes = b"picture", price: float = 0.04) -> Call:
    """Take ``call`` through all its states."""
    call = replace(call, state=State.ANSWERED, charged=Charged.YES, cost=nanos(price), currency="USD")
    journal.settle(call)
    call = call.with_picture(journal.files.put(1, content, ".png"))
    call = replace(call, state=State.DONE)
    assert journal.settle(call) == []
    return call


@contextlib.contextmanager
def held_by_another(journal: Journal) -> Iterator[None]:
    """Another program has locked the database."""
    other = sqlite3.connect(journal.folder / "spend.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_a_call_is_found_again_in_every_state(journal: Journal, reopened: Callable[[], Journal]) -> None:
    call = begun(journal)
    assert reopened().equal(KEY)[0] == call
    call = done(journal, call)
    assert reopened().equal(KEY)[0] == call
    assert reopened().find(call.id[:8]) == call
    assert journal.files.get(call.pictures[0]) == b"picture"


@pytest.mark.parametrize("is_open", [False, True], ids=["between two runs", "while it is open"])
def test_an_older_database_in_its_place_learns_what_was_finished_since(
    journal: Journal, reopened: Callable[[], Journal], is_open: bool
) -> None:
    """A backup of the database, but not of the folder, or the database of another folder."""
    in_the_air = begun(journal)
    path = journal.folder / "spend.db"
    backup = sqlite3.connect(path.with_name("backup.db"))
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.closing(backup):
        connection.backup(backup)
    finished = [done(journal, in_the_air), done(journal, begun(journal, "cd" * 32), b"another")]
    journal = journal if is_open else reopened()
    for part in journal.folder.glob("spend.db-*"):
        part.unlink()
    path.with_name("backup.db").replace(path)
    for call in finished:
        (known,) = journal.equal(call.key)
        assert (known.state, known.cost, known.pictures) == (State.DONE, call.cost, call.pictures)
    assert sum(entry.cost or 0 for entry in entries(journal, None)) == nanos(0.08)


@pytest.mark.parametrize("is_open", [False, True], ids=["between two runs", "while it is open"])
def test_nor_is_anything_forgotten_where_a_backup_of_all_is_laid_over_the_folder(
    journal: Journal, reopened: Callable[[], Journal], tmp_path: Path, is_open: bool
) -> None:
    """What came since stays, beside a database that has not heard of it."""
    known = done(journal, begun(journal))
    reopened()
    shutil.copytree(journal.folder, tmp_path / "backup")
    finished = [known, done(journal, begun(journal, "cd" * 32), b"another")]
    journal = journal if is_open else reopened()
    shutil.copytree(tmp_path / "backup", journal.folder, dirs_exist_ok=True)
    journal.open()
    for call in finished:
        (found,) = journal.equal(call.key)
        assert (found.state, found.cost, found.pictures) == (State.DONE, call.cost, call.pictures)
    assert sum(entry.cost or 0 for entry in entries(journal, None)) == nanos(0.08)


def test_what_processes_have_put_away_last_does_not_add_up(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        call = done(journal, begun(journal, f"{number:064}"), bytes([number]))
        monkeypatch.setattr(records, "_noted", {})  # as in the next process
        reopened().open()
    assert journal.records.newest() == [call.id]


def test_a_database_that_knows_what_came_last_is_not_compared(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be a million records."""
    call = done(journal, begun(journal))
    closed = reopened()
    monkeypatch.setattr("nodes.spend.records.Records.finished", lambda *_: pytest.fail("all were read"))
    assert closed.equal(KEY) == [call]


def test_who_comes_after_another_has_waited_in_vain_waits_no_more(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all rows of a run have to write would take minutes, one patience after the other."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.5)
    call = begun(journal)
    patience: list[float] = []

    @sa.event.listens_for(journal.open().engine, "before_cursor_execute")
    def note(connection: sa.Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement == "BEGIN IMMEDIATE":
            patience.append(cursor.execute("PRAGMA busy_timeout").fetchone()[0])

    with held_by_another(journal):
        for _ in range(3):
            journal.settle(call)
        assert patience == [500, 100, 100]
    for _ in range(2):
        journal.settle(call)
    assert patience[3:] == [100, 500]


def test_nor_does_who_opens_it_next(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = begun(journal)
    closed = reopened()
    with held_by_another(journal):
        monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
        with pytest.raises(StoreError):
            closed.open()
        monkeypatch.setattr(database, "BUSY_TIMEOUT", 60.0)
        told: list[StoreError] = []

        def open_too() -> None:
            with pytest.raises(StoreError) as caught:
                closed.open()
            told.append(caught.value)

        thread = threading.Thread(target=open_too)
        thread.start()
        thread.join(20)
        assert [error.code for error in told] == ["STORE_BUSY"]
    assert closed.equal(KEY) == [call]


def test_a_refused_call_leaves_nothing_behind(journal: Journal) -> None:
    call = begun(journal)
    journal.settle(replace(call, state=State.REFUSED, charged=Charged.NO))
    assert not journal.equal(KEY)
    assert [*journal.records.finished(), *journal.records.unfinished()] == []


def test_what_only_the_record_knows_is_entered_at_the_next_opening(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    """A process that was killed between its record and the database."""
    call = begun(journal)
    answered = replace(call, state=State.ANSWERED, cost=nanos(0.04)).with_picture(journal.files.put(1, b"x", ".png"))
    journal.records.write(answered)
    opened = reopened()
    opened.open()
    assert opened.equal(KEY)[0] == answered


@pytest.mark.parametrize("entries", [1, 2])
def test_the_answer_goes_with_the_last_entry_where_its_pictures_are_all_of_it(
    journal: Journal, reopened: Callable[[], Journal], entries: int
) -> None:
    """Also where the process was killed in between."""
    call = begun(journal)
    journal.records.keep_answer(call, b"{}")
    call = replace(call, state=State.DONE, cost=nanos(0.04), facts={"entries": entries})
    call = call.with_picture(journal.files.put(1, b"x", ".png"))
    with journal.open().write() as connection:
        enter(connection, call)
    journal.records.write(call)
    reopened().open()
    assert journal.records.answers() == ({} if entries == 1 else {call.id: 2})
    assert not journal.records.has(call) and journal.records.knows(call)


def test_a_finished_call_that_the_database_missed_is_entered_later(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, reopened: Callable[[], Journal]
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    call = begun(reopened())
    with held_by_another(journal):
        finished = done(journal, call)
    opened = reopened()
    opened.open()
    assert opened.equal(KEY)[0] == finished and list(opened.records.unfinished()) == []
    assert [*opened.records.finished(), *opened.records.unfinished()] == [finished]


def test_what_a_budget_refuses_leaves_no_record(journal: Journal) -> None:
    with pytest.raises(BudgetExceeded):
        journal.begin(Call(KEY, "http://server", "images/edits", "m"), CALLER, Limits(day=0.1), nanos(0.2))
    assert not journal.equal(KEY)
    assert list((journal.folder / "calls" / "open").iterdir()) == []


def test_an_answer_that_comes_after_the_call_was_given_up_counts(journal: Journal) -> None:
    """Its lock had fallen with the database's connection, and another process took it for lost."""
    call = begun(journal)
    journal.settle(replace(call, state=State.LOST, cost=nanos(0.04), charged=Charged.YES))
    finished = done(journal, call)
    assert journal.equal(KEY)[0] == finished


def test_a_picture_at_which_nobody_can_look_is_not_taken_for_gone(journal: Journal) -> None:
    stored = journal.files.put(1, b"picture", ".png")
    folder = journal.files.path(stored).parent
    folder.rename(folder.with_name("elsewhere"))
    assert not journal.files.is_there(stored)
    folder.symlink_to(folder)
    assert journal.files.is_there(stored)


def test_what_a_full_disk_has_refused_is_written_when_there_is_room(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would seem to the next one that no picture of the call ever came."""
    call = replace(begun(journal), state=State.ANSWERED, facts={"links": ["http://server/picture"]})

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, held_by_another(journal):
        patch.setattr("nodes.spend.records.write_durably", refuse)
        patch.setattr(database, "BUSY_TIMEOUT", 0.05)
        assert len(journal.settle(call)) == 2
    journal.open()
    (found,) = journal.equal(KEY)
    assert (found.state, found.facts) == (State.ANSWERED, call.facts)
    assert reopened().equal(KEY) == [found]


def test_an_older_record_does_not_undo_the_database(journal: Journal, reopened: Callable[[], Journal]) -> None:
    call = begun(journal)
    finished = done(journal, call)
    journal.records.write(call)
    opened = reopened()
    opened.open()
    assert opened.equal(KEY)[0] == finished


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b"", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_database_is_written_anew_from_the_records(
    journal: Journal, reopened: Callable[[], Journal], damage: bytes
) -> None:
    finished, pending = done(journal, begun(journal)), begun(journal, "cd" * 32)
    database._opened[str((journal.folder / "spend.db").resolve())].engine.dispose()
    for path in journal.folder.glob("spend.db*"):
        path.unlink()
    (journal.folder / "spend.db").write_bytes(damage)
    opened = reopened()
    # Who had seen the picture is not known any more, so that it may be cleaned away.
    assert opened.equal(KEY)[0] == replace(finished, delivered_at=finished.used_at)
    assert opened.equal("cd" * 32)[0] == pending


def test_a_database_that_is_damaged_while_it_is_open_is_mended_at_the_next_try(journal: Journal) -> None:
    finished = done(journal, begun(journal))
    for path in journal.folder.glob("spend.db*"):
        path.write_bytes(b"garbage" * 10_000)
    with pytest.raises(StoreError) as caught:
        begun(journal, "cd" * 32)
    assert caught.value.code == "STORE_DAMAGED" and "Run again" in caught.value.hint
    assert journal.equal(KEY)[0] == replace(finished, delivered_at=finished.used_at)
    begun(journal, "cd" * 32)


def test_a_database_of_a_newer_version_is_left_alone(journal: Journal, reopened: Callable[[], Journal]) -> None:
    begun(journal)
    with sqlite3.connect(journal.folder / "spend.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="newer version") as caught:
        reopened().open()
    assert caught.value.code == "STORE_NEWER"


def test_a_locked_database_is_an_error_before_sending_and_none_after(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, reopened: Callable[[], Journal]
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    call = begun(reopened())
    with held_by_another(journal):
        with pytest.raises(StoreError) as caught:
            begun(journal, "cd" * 32)
        assert caught.value.code == "STORE_BUSY" and caught.value.charged is Charged.NO
        answered = replace(call, state=State.ANSWERED, cost=nanos(0.04))
        assert journal.settle(answered) == []
    opened = reopened()
    opened.open()
    assert opened.equal(KEY)[0] == answered


def test_nothing_is_begun_where_nothing_can_be_kept(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.check_writable()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nodes.spend.records.write_durably", full)
    with pytest.raises(StoreError, match="No space left"):
        begun(journal)
    assert not journal.equal(KEY)


def test_a_full_disk_is_noticed_before_anything_is_ordered(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10 * 2**20

    monkeypatch.setattr("nodes.spend.journal.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(StoreError, match="only 10 MiB are free"):
        journal.check_writable()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("first", [Journal.check_writable, Journal.open], ids=["checked", "opened"])
def test_the_folder_is_private_whatever_makes_it(first: Callable[[Journal], object], tmp_path: Path) -> None:
    first(Journal(tmp_path / "user" / "private"))
    assert (tmp_path / "user" / "private").stat().st_mode & 0o777 == 0o700


def test_the_newest_call_that_no_node_has_seen_is_offered(journal: Journal) -> None:
    first, second = done(journal, begun(journal)), done(journal, begun(journal, "cd" * 32))
    assert journal.undelivered() == second
    journal.mark_delivered([second])
    assert journal.undelivered() == first
    journal.mark_delivered([first])
    assert journal.undelivered() is None


def test_a_key_has_one_owner(journal: Journal) -> None:
    mine, yours, other = journal.lock(KEY), journal.lock(KEY), journal.lock("cd" * 32)
    assert mine.acquire() and not yours.acquire() and other.acquire()
    mine.release()
    assert yours.acquire()
    yours.release()
    other.release()


def test_the_tables_are_those_that_the_migrations_make(journal: Journal) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from nodes.spend.tables import metadata

    with journal.open().engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_half_a_record_is_passed_over(journal: Journal, tmp_path: Path) -> None:
    call = begun(journal)
    (journal.folder / "calls" / "open" / "broken.json").write_text('{"key": "')
    assert list(journal.records.unfinished()) == [call]


def test_a_request_id_that_is_another_calls_id_leads_to_no_other_call(journal: Journal) -> None:
    first, second = begun(journal), begun(journal)
    for call in (first, replace(second, request_id=first.id)):
        journal.settle(call)
    for found in (journal.get(first.id), journal.find(first.id)):
        assert found and found.id == first.id


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_what_a_disk_has_refused_is_not_written_by_a_forked_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent may have written what came after it."""
    monkeypatch.setitem(records._owed, Path("record.json"), b"{}")
    child = os.fork()
    if not child:
        os._exit(len(records._owed))
    assert os.waitpid(child, 0)[1] == 0
    assert records._owed


def test_what_could_not_be_begun_blocks_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, reopened: Callable[[], Journal]
) -> None:
    """It was entered, and then the database could not be used any more."""
    journal.open()

    def enter_and_fail(connection: Any, call: Call) -> None:
        enter(connection, call)
        monkeypatch.setattr(Journal, "_database", fail)

    def fail(_: Journal) -> Any:
        raise StoreError("The journal of paid calls cannot be used.")

    monkeypatch.setattr("nodes.spend.journal.enter", enter_and_fail)
    with pytest.raises(StoreError):
        begun(journal)
    monkeypatch.undo()
    journal = reopened()
    journal.open()
    assert journal.equal(KEY) == []
    assert list(journal.records.unfinished()) == []
    journal.begin(Call("cd" * 32, "http://server", "images/generations", "m"), CALLER, Limits(day=0.05), nanos(0.05))


def test_a_database_that_is_opened_anew_meanwhile_counts_a_call_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread has met damage in it."""

    def enter_and_doubt(connection: Any, call: Call) -> None:
        enter(connection, call)
        database.doubt_files()

    monkeypatch.setattr("nodes.spend.journal.enter", enter_and_doubt)
    call = Call(KEY, "http://server", "images/generations", "m")
    assert journal.begin(call, CALLER, Limits(day=0.05), nanos(0.05)).id == call.id
    assert [found.reserved for found in journal.equal(KEY)] == [nanos(0.05)]
