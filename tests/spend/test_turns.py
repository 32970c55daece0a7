"""Threads that write at the same moment share a transaction, and none of them pays for another."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.errors import StoreError
from nodes.spend.turns import Turns
from tests.faults.world import LONGEST


class Book:
    """A file with names in it, and how often it was committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        self.engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))

        @sa.event.listens_for(self.engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode=WAL").close()

        @sa.event.listens_for(self.engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        @sa.event.listens_for(self.engine, "commit")
        def commit(_: sa.Connection) -> None:
            self.commits += 1

        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE names (name TEXT UNIQUE, rest TEXT)")
        self.commits = 0
        self.turns = Turns(self.engine)

    def add(self, name: str, then: Callable[[], None] = lambda: None, size: int = 0) -> None:
        with self.turns.write() as connection:
            connection.exec_driver_sql("INSERT INTO names VALUES (?, ?)", (name, "x" * size))
            then()

    def names(self) -> set[str]:
        """As another process sees them."""
        connection = sqlite3.connect(self.path)
        try:
            return {name for (name,) in connection.execute("SELECT name FROM names")}
        finally:
            connection.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "book.db")
    yield book
    book.engine.dispose()


class Held(Exception):
    pass


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def together(book: Book, writers: list[Callable[[], None]]) -> list[BaseException | None]:
    """What each of them met, all of which queue while a first one writes, and what that one met."""
    met: list[BaseException | None] = [None] * (len(writers) + 1)
    gate = threading.Event()

    def hold() -> None:
        gate.wait(LONGEST)

    def run(number: int, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            met[number] = error

    everybody = [*writers, lambda: book.add("first", hold)]
    threads = [threading.Thread(target=run, args=each) for each in enumerate(everybody)]
    threads[-1].start()
    wait_for(book.turns._turn.locked)
    for thread in threads[:-1]:
        thread.start()
    wait_for(lambda: book.turns._queued == len(writers))
    gate.set()
    for thread in threads:
        thread.join(LONGEST)
        assert not thread.is_alive()
    return met


def test_those_who_queue_are_written_at_once_and_each_is_there_when_it_goes_on(book: Book) -> None:
    seen: list[bool] = []

    def write(name: str) -> None:
        book.add(name)
        seen.append(name in book.names())

    names = [str(number) for number in range(9)]
    assert together(book, [lambda name=name: write(name) for name in names]) == [None] * 10  # type: ignore[misc]
    assert seen == [True] * 9 and book.names() == {"first", *names}
    assert book.commits == 1


def test_nobody_waits_for_more_than_a_few(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.spend.turns.MOST", 4)
    names = [str(number) for number in range(9)]
    together(book, [lambda name=name: book.add(name) for name in names])  # type: ignore[misc]
    assert book.names() == {"first", *names} and book.commits == 3


@pytest.mark.skipif(sys.platform == "win32", reason="its signals interrupt no waiting")
def test_who_is_interrupted_while_it_queues_leaves_nobody_waiting(book: Book) -> None:
    """As the main thread is by Ctrl-C, at the very moment at which its turn comes."""
    gate = threading.Event()

    def hold() -> None:
        gate.wait(LONGEST)

    def interrupt() -> None:
        wait_for(lambda: book.turns._queued > 0)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def meanwhile(number: int, frame: FrameType | None) -> None:
        gate.set()
        wait_for(lambda: not book.turns._turn.locked())
        raise KeyboardInterrupt

    first = threading.Thread(target=lambda: book.add("first", hold), daemon=True)
    before = signal.signal(signal.SIGUSR1, meanwhile)
    try:
        first.start()
        wait_for(book.turns._turn.locked)
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            book.add("second")
    finally:
        signal.signal(signal.SIGUSR1, before)
    first.join(LONGEST / 8)
    assert not first.is_alive() and book.names() == {"first"}


def fail() -> None:
    raise Held


def test_who_fails_takes_nothing_of_the_others_along(book: Book) -> None:
    writers = [lambda: book.add("a"), lambda: book.add("b", fail), lambda: book.add("c"), lambda: book.add("a")]
    met = together(book, writers)
    assert [type(error) for error in met].count(Held) == 1
    assert [type(error) for error in met].count(sa.exc.IntegrityError) == 1
    assert book.names() == {"first", "a", "c"}


def test_what_sqlite_takes_back_for_all_is_an_error_for_all(book: Book) -> None:
    """A full disk may end the whole transaction, with what others had written in it."""

    def end_it() -> None:
        # As SQLite itself does (sqlite.org/lang_transaction.html, section 3).
        assert book.turns._shared is not None
        book.turns._shared.connection.exec_driver_sql("ROLLBACK")
        raise sa.exc.OperationalError("INSERT", None, Exception("database or disk is full"))

    met = together(book, [lambda: book.add("a"), lambda: book.add("b", end_it), lambda: book.add("c")])
    told = {name for name, error in zip(("a", "b", "c", "first"), met, strict=True) if error is None}
    assert told == book.names() and not {"b", "first"} & told


def test_nor_is_it_committed_as_if_it_were_there(book: Book) -> None:
    def end_it() -> None:
        assert book.turns._shared is not None
        book.turns._shared.connection.exec_driver_sql("ROLLBACK")

    with pytest.raises(StoreError, match="took back"):
        book.add("a", end_it)
    assert not book.names()


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12), st.integers(20, 60))
def test_what_was_said_to_be_written_is_there_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, threads: int, pages: int
) -> None:
    """Threads that come and go, of which some fail, on a disk that is soon full."""
    book = Book(tmp_path_factory.mktemp("book") / "book.db")

    @sa.event.listens_for(book.engine, "checkout")
    def small(connection: Any, _: Any, __: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    written: list[str] = []

    def work(number: int, seed: int) -> None:
        own = random.Random(seed)
        for turn in range(12):
            name = f"{number}.{turn}"
            try:
                book.add(name, fail if own.random() < 0.2 else lambda: None, own.randrange(6000))
            except (Held, sa.exc.SQLAlchemyError):
                continue
            written.append(name)

    running = [threading.Thread(target=work, args=(number, chance.randrange(2**32))) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(LONGEST)
        assert not thread.is_alive()
    assert book.names() == set(written)
    book.engine.dispose()


KILLED = """
import sys, threading
from pathlib import Path
from tests.spend.test_turns import Book
book = Book(Path(sys.argv[1]))
def work(number):
    for turn in range(10**6):
        book.add(f"{number}.{turn}")
        sys.stdout.write(f"{number}.{turn}\\n")
        sys.stdout.flush()
for number in range(8):
    threading.Thread(target=work, args=(number,)).start()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a kill there may take the pipe along")
def test_a_kill_loses_nothing_that_was_said_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(200)]
        process.kill()
        told += [line.strip() for line in process.stdout if line.endswith("\n")]
    connection = sqlite3.connect(path)
    names = {name for (name,) in connection.execute("SELECT name FROM names")}
    connection.close()
    assert names.issuperset(told)
