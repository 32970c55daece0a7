"""Faults of this machine's disk: full, read-only, or with something in the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged, StoreError
from nodes.spend.database import Database
from tests.faults.child import find
from tests.faults.table import B64, Act, Row, both, bought, fails, replayed
from tests.faults.world import World

# What is written for one picture, in this order.
WRITES = ("the record sent", "the answer", "the record answered", "the picture", "the record done")


def _failing(original: Callable[..., Any], fails: Callable[[int], bool], error: Callable[[], Exception]) -> Any:
    count = 0

    def write(*args: Any) -> Any:
        nonlocal count
        count += 1
        if fails(count):
            raise error()
        return original(*args)

    return write


def _full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk(fails: Callable[[int], bool]) -> Act:
    """Fail those durable writes of a run whose number ``fails`` says yes to; the first is 1."""

    def provoke(world: World, patch: pytest.MonkeyPatch) -> None:
        from nodes.spend import records

        write = _failing(records.write_durably, fails, _full)
        patch.setattr("nodes.spend.records.write_durably", write)
        patch.setattr("nodes.spend.files.write_durably", write)

    return provoke


def full_database(fails: Callable[[int], bool]) -> Act:
    """Fail those writing transactions whose number ``fails`` says yes to. The first makes the tables, the second is
    ``sent``.
    """

    def provoke(world: World, patch: pytest.MonkeyPatch) -> None:
        full = StoreError("The journal of paid calls cannot be used (database or disk is full).")
        patch.setattr(Database, "write", _failing(Database.write, fails, lambda: full))

    return provoke


def _no_partial(world: World, patch: pytest.MonkeyPatch) -> None:
    """A picture that is being fetched cannot be written to the disk."""
    original = Path.open

    def open_(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.suffix == ".part":
            raise _full()
        return original(path, *args, **kwargs)

    patch.setattr(Path, "open", open_)


def _read_only(world: World, patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("mkdir", "write_bytes"):
        patch.setattr(Path, name, refuse)


def _little_room(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(*find("nodes.spend.journal.LEAST_SPACE"), 2**62)


def in_the_way(name: str) -> Act:
    """A file where a folder should be, until the first run is over."""

    def provoke(world: World, patch: pytest.MonkeyPatch) -> None:
        path = world.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("in the way")

    return provoke


def out_of_the_way(name: str) -> Act:
    return lambda world, patch: (world.folder / name).unlink()


def _unsent(name: str, provoke: Act, **more: Any) -> Row:
    """Nothing was sent; when the disk is well again, it is bought."""
    return Row(name, fails(errors.StoreError), bought(), (0, 1), provoke=provoke, **more)


def _kept(name: str, provoke: Act, **more: Any) -> Row:
    pictures = more.get("inputs", {}).get("n", 1)
    return Row(name, bought(pictures), replayed(pictures), (1, 1), provoke=provoke, **more)


def at(number: int) -> Callable[[int], bool]:
    return lambda count: count == number


def since(number: int) -> Callable[[int], bool]:
    return lambda count: count >= number


_GONE = fails(errors.AnswerError, Charged.YES)

ROWS = [
    _unsent(f"disk full at {WRITES[0]}", full_disk(at(1)), says="No space left"),
    *(_kept(f"disk full at {what}", full_disk(at(n))) for n, what in enumerate(WRITES[1:], 2)),
    *(_kept(f"disk full at {what} in base64", full_disk(at(n)), inputs=B64) for n, what in enumerate(WRITES[1:], 2)),
    *(_kept(f"disk full from {what} on", full_disk(since(n))) for n, what in enumerate(WRITES[1:], 2)),
    *(
        _kept(f"disk full from {what} on in base64", full_disk(since(n)), inputs=B64)
        for n, what in enumerate(WRITES[2:], 3)
    ),
    _kept("disk full at the second of three pictures", full_disk(at(6)), inputs={"n": 3}),
    _kept("disk full at a partial download", _no_partial),
    _unsent("database full from its tables on", full_database(since(1))),
    _unsent("database full at sent", full_database(at(2))),
    _kept("database full at answered", full_database(at(3))),
    _kept("database full at done", full_database(at(4))),
    _kept("database full at delivered", full_database(at(5))),
    _kept("database full from answered on", full_database(since(3))),
    _kept("database full from answered on in base64", full_database(since(3)), inputs=B64),
    _kept("database full for three pictures", full_database(since(3)), inputs={"n": 3}),
    _unsent(
        "disk and database full at sent",
        both(full_disk(at(1)), full_database(since(3))),
    ),
    Row(
        "disk and database full from the answer on",
        bought(),
        fails(errors.Unresolved, Charged.YES),
        (1, 1),
        provoke=both(full_disk(since(2)), full_database(since(3))),
        ledger_late=True,
    ),
    Row(
        "disk full from the answer on in base64",
        bought(),
        _GONE,
        (1, 1),
        inputs=B64,
        provoke=full_disk(since(2)),
    ),
    _unsent("read-only folder", _read_only, says="Read-only file system"),
    _unsent("no room left", _little_room, says="MiB are free"),
    Row("no room left for what was bought before", bought(), replayed(), (1, 1), between=_little_room),
    _unsent(
        "the folder is a file",
        in_the_way(""),
        between=out_of_the_way(""),
        ledger_late=True,
    ),
    _unsent("the records' folder is a file", in_the_way("calls"), between=out_of_the_way("calls")),
    _unsent("the folder of what is open is a file", in_the_way("calls/open"), between=out_of_the_way("calls/open")),
    _unsent("the store is a file", in_the_way("store"), between=out_of_the_way("store")),
    _unsent("the locks' folder is a file", in_the_way("locks"), between=out_of_the_way("locks")),
]
