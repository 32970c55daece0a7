"""A store that cannot be opened, or is opened anew, lets go of its connections: tries are many in a long session."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.errors import StoreError
from nodes.spend import Journal, State, database
from tests.spend.test_journal import KEY, begun, done, held_by_another

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux shows in /proc")

TRIES = 5
Break = Callable[[Journal], contextlib.AbstractContextManager[object]]


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Nothing may depend on Python's finding lost connections later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(folder: Path) -> list[str]:
    """The open files of this process in ``folder``."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            name = os.readlink(descriptor)
            names += [name] if name.startswith(str(folder)) else []
    return names


def by_a_newer_version(journal: Journal) -> contextlib.nullcontext[None]:
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    return contextlib.nullcontext()


def in_the_way(journal: Journal) -> contextlib.nullcontext[None]:
    for path in journal.folder.glob("spend.db*"):
        path.unlink()
    (journal.folder / "spend.db").mkdir()
    return contextlib.nullcontext()


def half_made(journal: Journal) -> contextlib.nullcontext[None]:
    """Tables of the same name that the migration cannot make."""
    with contextlib.closing(sqlite3.connect(journal.folder / "spend.db")) as connection, connection:
        connection.execute("DROP TABLE alembic_version")
    return contextlib.nullcontext()


@pytest.mark.parametrize("make_unusable", [by_a_newer_version, in_the_way, half_made, held_by_another])
def test_tries_to_open_leave_no_descriptor(
    make_unusable: Break, journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    done(journal, begun(journal))
    errors = []
    closed = reopened()
    with make_unusable(closed):
        for _ in range(TRIES):
            with pytest.raises(StoreError) as caught:
                closed.open()
            errors.append(caught.value)  # with what its frames hold on to
    # After the block, since SQLite itself defers closing while another connection of the process holds a lock.
    assert held(journal.folder) == []


def test_nor_does_entering_what_is_known(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    done(journal, begun(journal))
    closed = reopened()
    for path in journal.folder.glob("spend.db*"):
        path.unlink()
    monkeypatch.setattr("nodes.spend.memory.Memory.fill", lambda *_: [][0])
    errors = []
    for _ in range(TRIES):
        with pytest.raises(IndexError) as caught:
            closed.open()
        errors.append(caught.value)
    assert held(journal.folder) == []


def test_a_file_in_its_place_is_opened_instead_of_it(journal: Journal) -> None:
    begun(journal)
    once = held(journal.folder)
    for _ in range(TRIES):
        for path in journal.folder.glob("spend.db*"):
            path.unlink()
        assert journal.equal(KEY)[0]
        assert len(held(journal.folder)) <= len(once)
    assert not [name for name in held(journal.folder) if name.endswith("(deleted)")]


def test_a_file_at_which_nobody_can_look_any_more_is_written_as_long_as_it_is_open(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was given to another user while a paid call was in the air."""
    call = replace(begun(journal), state=State.ANSWERED, facts={"links": ["http://server/picture"]})
    path, stat = journal.folder / "spend.db", Path.stat

    def refuse(self: Path, **options: bool) -> os.stat_result:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(self, **options)

    def refuse_to_write(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refuse)
        patch.setattr("nodes.spend.records.write_durably", refuse_to_write)
        patch.setattr("nodes.spend.database._engine", lambda _: pytest.fail("it was opened anew"))
        journal.settle(call)
    assert reopened().equal(KEY)[0].state is State.ANSWERED


def test_a_damaged_file_is_let_go_of(journal: Journal) -> None:
    done(journal, begun(journal))
    once = held(journal.folder)
    errors = []
    for _ in range(TRIES):
        for path in journal.folder.glob("spend.db*"):
            path.write_bytes(b"garbage" * 10_000)
        with pytest.raises(StoreError) as caught:
            begun(journal, "cd" * 32)
        errors.append(caught.value)
        assert journal.equal(KEY)[0]
        assert len(held(journal.folder)) <= len(once)


def test_a_connection_in_use_meanwhile_goes_when_it_is_given_back(journal: Journal) -> None:
    begun(journal)
    old = journal.open()
    reading, go_on = threading.Event(), threading.Event()

    def read() -> None:
        with old.read() as connection:
            reading.set()
            go_on.wait(20)
            assert connection.exec_driver_sql("SELECT count(*) FROM calls").scalar() == 1

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(20)
    for path in journal.folder.glob("spend.db*"):
        path.rename(path.with_name(f"old-{path.name}"))
    assert journal.equal(KEY)[0]
    go_on.set()
    reader.join()
    assert not [name for name in held(journal.folder) if "old-" in name]
