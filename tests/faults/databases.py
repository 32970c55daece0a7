"""SQLite: locked by another process, damaged, deleted, or of a newer version of the pack."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged
from nodes.spend import Journal
from nodes.spend.tables import REVISION
from tests.faults.answers import setting
from tests.faults.child import Outcome
from tests.faults.killing import SETTLE, killed_at
from tests.faults.table import B64, KILLED, PAID_FOR, Act, Row, bought, fails, replayed
from tests.faults.world import Gate, World, forget, until

Run = Callable[[World], Outcome]

IMPATIENT = {"nodes.spend.database.BUSY_TIMEOUT": 0.3}


def _locked_before(world: World) -> Outcome:
    Journal(world.folder).open()
    holder = world.hold_database()
    try:
        return world.run()
    finally:
        holder.kill()


def _locked_in_the_air(die: dict[str, Any] | None = None, until_there: str | None = None) -> Run:
    """Another process takes the lock while the request is in the air, and keeps it: to the end of the run, or until
    there is a file named so.
    """

    def run(world: World) -> Outcome:
        gate = Gate()
        world.sandbox.fail_next(gate.fault)
        child = world.start(die, settings=IMPATIENT)
        gate.wait()
        holder = world.hold_database()
        gate.open()
        if until_there:
            until(lambda: any(world.folder.glob(until_there)))
            holder.kill()
        outcome = child.outcome()
        holder.end()
        return outcome

    return run


def database(change: Callable[[Path], None]) -> Act:
    """While nobody has it open."""

    def between(world: World, patch: pytest.MonkeyPatch) -> None:
        forget()
        change(world.folder / "spend.db")

    return between


def _while_open(change: Callable[[Path], None]) -> Act:
    return lambda world, patch: change(world.folder / "spend.db")


def _at_the_next_try(world: World) -> Outcome:
    """Whoever meets the damage first fails, this run or the background work that looks after earlier calls."""
    outcome = world.run_here()
    return world.run_here() if outcome.error == "StoreError" else outcome


def _delete(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def _damaged_within(path: Path) -> None:
    """The header is good, the pages behind it are not."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _sql(*commands: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for command in commands:
                connection.execute(command).close()
            connection.commit()

    return change


def _newer(world: World, patch: pytest.MonkeyPatch) -> None:
    Journal(world.folder).open()
    database(_sql("UPDATE alembic_version SET version_num = '9999'"))(world, patch)


def _folder_in_the_way(world: World, patch: pytest.MonkeyPatch) -> None:
    (world.folder / "spend.db").mkdir(parents=True)


def _damaged(name: str, change: Callable[[Path], None], **more: Any) -> Row:
    """Written anew from the records: the ledger is right, and the picture is there."""
    return Row(f"database {name}", bought(), replayed(), (1, 1), between=database(change), **more)


def _changed(table: str, **values: str) -> Callable[[Path], None]:
    """Spoilt before it was written: no check of SQLite's own can tell."""
    return _sql(
        "PRAGMA foreign_keys = OFF", f"UPDATE {table} SET " + ", ".join(f"{k} = '{v}'" for k, v in values.items())
    )


def _id_flipped(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        call_id, key = connection.execute("SELECT id, key FROM calls").fetchone()
    content = path.read_bytes()
    # The row, and no index.
    assert content.count(f"{call_id}{key}".encode()) == 1
    path.write_bytes(content.replace(f"{call_id}{key}".encode(), f"{'0' * 32}{key}".encode()))


def _records_gone(world: World, patch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(world.folder / "calls")


def _damaged_record(world: World, patch: pytest.MonkeyPatch) -> None:
    (record,) = world.folder.glob("calls/*/*.json")
    record.write_text("{")


def _killed_while_anew(world: World, patch: pytest.MonkeyPatch) -> None:
    database(garbage)(world, patch)
    die = {"target": "nodes.spend.rows.enter", "when": "before", "about": "done", "count": 1}
    assert world.start(die, seed=5).outcome().died


AT_ANSWERED = {"target": SETTLE, "when": "after", "about": "answered", "count": 1}

ROWS = [
    Row(
        "database locked before sending",
        fails(errors.StoreError),
        bought(),
        (0, 1),
        provoke=setting("nodes.spend.database.BUSY_TIMEOUT", 0.3),
        runs=_locked_before,
        says="Another program holds the database",
    ),
    Row(
        "database locked after sending, to the end",
        bought(),
        replayed(),
        (1, 1),
        runs=_locked_in_the_air(),
    ),
    Row(
        "database locked after sending, for a moment",
        bought(),
        replayed(),
        (1, 1),
        runs=_locked_in_the_air(until_there="calls/open/*.answer"),
    ),
    Row(
        "database locked after sending, until the picture is there",
        bought(),
        replayed(),
        (1, 1),
        runs=_locked_in_the_air(until_there="store/*/*.png"),
    ),
    Row(
        "database locked after sending, and killed at answered",
        KILLED,
        replayed(),
        (1, 1),
        runs=_locked_in_the_air(AT_ANSWERED),
    ),
    _damaged("of garbage", garbage),
    _damaged("of garbage, in base64", garbage, inputs=B64),
    Row(
        "database of garbage, after three pictures",
        bought(3),
        replayed(3),
        (1, 1),
        inputs={"n": 3},
        between=database(garbage),
    ),
    _damaged("damaged within", _damaged_within),
    _damaged("truncated", _truncated),
    _damaged("emptied", lambda path: path.write_bytes(b"")),
    _damaged("deleted", Path.unlink),
    _damaged("with another key of the call", _changed("calls", key="0" * 64)),
    _damaged("with another id of the call", _id_flipped),
    _damaged("with a state that is none", _changed("calls", state="donf")),
    _damaged("with another picture", _changed("pictures", sha256="0" * 64)),
    _damaged("with a picture that leads elsewhere", _changed("pictures", sha256="../../secret")),
    _damaged("without the picture", _sql("DELETE FROM pictures")),
    Row(
        "database of garbage, and killed while it is written anew",
        bought(),
        replayed(),
        (1, 1),
        between=_killed_while_anew,
    ),
    Row(
        "database deleted while it is open",
        bought(),
        replayed(),
        (1, 1),
        between=_while_open(_delete),
        again=World.run_here,
    ),
    Row(
        "database of garbage while it is open",
        bought(),
        replayed(),
        (1, 1),
        between=_while_open(garbage),
        again=_at_the_next_try,
    ),
    Row(
        "database of garbage, after a call was lost",
        fails(errors.ConnectionFailed, Charged.YES),
        PAID_FOR,
        (1, 1),
        faults=("reset-before-headers",),
        between=database(garbage),
    ),
    Row(
        "database deleted, after a call was killed",
        KILLED,
        replayed(),
        (1, 1),
        runs=killed_at(AT_ANSWERED),
        between=database(Path.unlink),
    ),
    Row(
        "database deleted, when a download had failed",
        fails(errors.DownloadError, Charged.YES),
        replayed(),
        (1, 1),
        faults=("redirect-loop",),
        between=database(Path.unlink),
    ),
    Row("records deleted", bought(), replayed(), (1, 1), between=_records_gone),
    Row("record damaged", bought(), replayed(), (1, 1), between=_damaged_record),
    Row(
        "database of a newer pack",
        fails(errors.StoreError),
        bought(),
        (0, 1),
        provoke=_newer,
        says="a newer version of this pack",
        between=database(_sql(f"UPDATE alembic_version SET version_num = '{REVISION}'")),
        ledger_late=True,
    ),
    Row(
        "a folder in the database's place",
        fails(errors.StoreError),
        bought(),
        (0, 1),
        provoke=_folder_in_the_way,
        between=database(Path.rmdir),
        ledger_late=True,
    ),
]
