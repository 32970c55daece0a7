"""The journal: what was sent, what came back, and where it lies.

Before anything is sent, a journal that cannot be written is an error (StoreError). Afterwards it never is: each
call's record is a file too, so that what the database missed is entered when it is next opened.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Charged, StoreError
from .budget import Limits, require
from .calls import Call, Caller, State
from .database import Database, open_database
from .files import Files
from .locks import KeyLock, key_lock
from .records import Records

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

LEAST_SPACE = 64 * 2**20
"""Bytes that must be free before a picture is ordered: a large answer, twice."""


class Journal:
    """The calls of all processes that share ``folder``, or the database at ``url``.

    Methods block and may be called from any thread. Files lie in ``folder`` also where the database does not.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.records = Records(folder / "calls")
        self.files = Files(folder / "store")
        self._url = url

    # Before anything is sent

    def check_writable(self) -> None:
        """Raise StoreError where nothing can be kept, before anything is paid for."""
        probe = self.folder / f".writable-{secrets.token_hex(4)}"
        try:
            for folder in (self.records.root, self.files.root):
                folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(bytes(2**20))
            probe.unlink()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if free < LEAST_SPACE:
            raise self._unwritable(f"only {free / 2**20:.0f} MiB are free")

    def open(self) -> Database:
        """The database, after entering what it had missed. Raises StoreError."""
        database = self._database()
        try:
            unfinished = list(self.records.unfinished())
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        _enter_missed(database, unfinished)
        return database

    def _database(self) -> Database:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            database, fresh = open_database(self.folder, self._url)
            if fresh:
                _enter_missed(database, list(self.records.all()))
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        return database

    def lock(self, key: str) -> KeyLock:
        """The lock of ``key``, to be held from looking the key up until its call is finished. Raises StoreError."""
        try:
            return key_lock(self.open(), self.folder / "locks", key)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def begin(self, call: Call, caller: Caller, limits: Limits, needed: int | None) -> Call:
        """Reserve ``needed`` nanos and enter ``call`` as sent, durably. Raises BudgetExceeded or StoreError."""
        call = replace(call, **asdict(caller), reserved=needed)
        with self._database().write() as connection:
            if limits:
                require(connection, limits, caller.run_id, needed or 0)
            _enter(connection, call)
        try:
            self.records.write(call)
        except OSError as error:
            self.settle(replace(call, state=State.REFUSED, charged=Charged.NO))
            raise self._unwritable(error.strerror or str(error)) from error
        return call

    # After something was sent

    def settle(self, call: Call) -> list[str]:
        """Write down how far ``call`` has come: its record, then the database. Returns notes, never raises."""
        notes = []
        try:
            if call.state is State.REFUSED:
                self.records.remove(call)
            else:
                self.records.write(call)
        except OSError as error:
            notes.append(f"The call could not be recorded on disk: {error.strerror or error}.")
        try:
            with self._database().write() as connection:
                _enter(connection, call)
        except StoreError as error:
            log.warning("%s", error.message)
            if notes or call.state is State.REFUSED:
                notes.append(error.message)
        return notes

    def delivered(self, calls: Iterable[Call]) -> None:
        """Note that a node has handed the pictures of ``calls`` on. Never raises."""
        import sqlalchemy as sa

        from .tables import calls as table

        now = time.time()
        try:
            with self._database().write() as connection:
                for call in calls:
                    seen = sa.func.coalesce(table.c.delivered_at, now)
                    connection.execute(
                        sa.update(table).where(table.c.id == call.id).values(delivered_at=seen, used_at=now)
                    )
        except StoreError as error:
            log.warning("%s", error.message)

    # Looking up

    def latest(self, key: str) -> Call | None:
        """The last call for ``key`` that was not refused. Raises StoreError."""
        from .tables import calls

        return self._first(calls.c.key == key, calls.c.state != State.REFUSED.value)

    def find(self, name: str) -> Call | None:
        """The call with this request id, or with a call id that begins so (8 digits at least). Raises StoreError."""
        from .tables import calls

        found = self._first(calls.c.request_id == name)
        if found is None and len(name) >= 8 and all(digit in "0123456789abcdef" for digit in name):
            found = self._first(calls.c.id.startswith(name))
        return found

    def undelivered(self) -> Call | None:
        """The newest call whose pictures were paid for and that no node has handed on. Raises StoreError."""
        from .tables import calls

        states = (State.ANSWERED.value, State.DOWNLOADED.value, State.DONE.value)
        return self._first(calls.c.state.in_(states), calls.c.delivered_at.is_(None))

    def unresolved(self, server: str, since: float) -> list[Call]:
        """Calls to ``server`` since then that are unfinished, or of which nobody knows what they cost. StoreError."""
        import sqlalchemy as sa

        from .tables import calls

        unfinished = calls.c.state.in_([State.SENT.value, State.ANSWERED.value, State.DOWNLOADED.value])
        unknown = sa.and_(calls.c.state == State.LOST.value, calls.c.charged == Charged.UNKNOWN.value)
        with self._database().read() as connection:
            query = sa.select(calls).where(calls.c.server == server, calls.c.sent_at >= since, unfinished | unknown)
            return [read_call(connection, row) for row in list(connection.execute(query).mappings())]

    def _first(self, *conditions: Any) -> Call | None:
        import sqlalchemy as sa

        from .tables import calls

        with self._database().read() as connection:
            query = sa.select(calls).where(*conditions).order_by(calls.c.number.desc()).limit(1)
            row = connection.execute(query).mappings().first()
            return None if row is None else read_call(connection, row)

    def _unwritable(self, reason: str) -> StoreError:
        return StoreError(
            f"Pictures cannot be kept in {self.folder} ({reason}), so none is ordered.",
            code="NOT_WRITABLE",
            hint="Make room there, or make the folder writable.",
        )


_ORDER = list(State)


def _enter_missed(database: Database, records: Sequence[Call]) -> None:
    """Enter those of ``records`` that the database does not know, or not as far."""
    import sqlalchemy as sa

    from .tables import calls, pictures

    if not records:
        return
    known = (
        sa.select(calls.c.id, calls.c.state, sa.func.count(pictures.c.number))
        .outerjoin(pictures, pictures.c.call_id == calls.c.id)
        .where(calls.c.sent_at >= min(call.sent_at for call in records))
        .group_by(calls.c.id, calls.c.state)
    )
    with database.read() as connection:
        rows = {call_id: (State(state), count) for call_id, state, count in connection.execute(known)}
    missed = [call for call in records if call.id not in rows or _is_further(call, *rows[call.id])]
    if missed:
        with database.write() as connection:
            for call in sorted(missed, key=lambda call: call.sent_at):
                _enter(connection, call)


def _is_further(call: Call, state: State, pictures: int) -> bool:
    mine, its = _ORDER.index(call.state), _ORDER.index(state)
    return mine > its or (mine == its and len(call.pictures) > pictures)


def _enter(connection: Connection, call: Call) -> None:
    """Insert ``call``, or bring its row up to it; a row that is further is left alone."""
    import sqlalchemy as sa

    from .tables import calls, pictures

    row = connection.execute(sa.select(calls.c.state).where(calls.c.id == call.id)).scalar()
    if row is None:
        connection.execute(sa.insert(calls).values(call.columns()))
    elif _ORDER.index(State(row)) > _ORDER.index(call.state):
        return
    else:
        columns = {name: value for name, value in call.columns().items() if name != "delivered_at"}
        connection.execute(sa.update(calls).where(calls.c.id == call.id).values(columns))
    connection.execute(sa.delete(pictures).where(pictures.c.call_id == call.id))
    for picture in call.pictures:
        connection.execute(sa.insert(pictures).values(call_id=call.id, **asdict(picture)))


def read_call(connection: Connection, row: Any) -> Call:
    """The call of a row of ``calls``, with its pictures."""
    import sqlalchemy as sa

    from .tables import pictures

    found = connection.execute(
        sa.select(pictures).where(pictures.c.call_id == row["id"]).order_by(pictures.c.number)
    ).mappings()
    stored = [{name: value for name, value in picture.items() if name != "call_id"} for picture in found]
    return Call.from_dict({**row, "pictures": stored})
