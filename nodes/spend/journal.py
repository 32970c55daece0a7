"""The journal: what was sent, what came back, and where it lies.

Before anything is sent, a journal that cannot be written is an error (StoreError). Afterwards it never is: each
call's record is a file too, so that what the database missed is entered when it is next opened.
"""

from __future__ import annotations

import logging
import math
import secrets
import shutil
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Charged, LumenfallError, StoreError
from .budget import Limits, require, share_limits, shared_limits
from .calls import Call, Caller, State, Stored
from .damage import DAMAGED
from .database import Database, doubt_files, open_database
from .files import Files
from .locks import KeyLock, Overtaken, key_lock
from .memory import Memory
from .records import Records
from .rows import are_finished, behind, enter, enter_each, ids_of_keys, is_shared, of_keys, read_calls
from .sums import QUARTER, are_behind, follow, unpriced_since

if TYPE_CHECKING:
    from sqlalchemy import Connection, Update

log = logging.getLogger(__name__)

Found = TypeVar("Found")

LINK_LIFE = 3600.0
"""Seconds for which a link to a finished picture lives (docs.lumenfall.ai)."""

LONGEST_LINK_LIFE = 30 * 24 * 3600.0
"""Seconds; the longest time for which an organisation can have its pictures kept there."""
_MOST = 500
"""Calls that are read to find those that somebody should see to."""

LEAST_SPACE = 64 * 2**20
"""Bytes that must be free before a picture is ordered: a large answer, twice."""


TRIED_FOR = 5.0
"""Seconds for which it is taken for granted that a folder can be written that just was."""

_tried: dict[Path, float] = {}

_MOST_FILES = 5
"""That come one after the other into a database's place while something is written."""


class Journal:
    """The calls of all processes that share ``folder``, or the database at ``url``.

    Methods block and may be called from any thread. Files lie in ``folder`` also where the database does not.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.records = Records(folder / "calls")
        self.files = Files(folder / "store")
        self._url = url
        self._memory = Memory(self.records, folder / "limits.json", is_shared=url is not None)

    # Before anything is sent

    def check_writable(self) -> None:
        """Raise StoreError where nothing can be kept, before anything is paid for."""
        probe = self.folder / f".writable-{secrets.token_hex(4)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.records.make_folder()
            self.files.root.mkdir(parents=True, exist_ok=True)
            if time.monotonic() - _tried.get(self.folder, -math.inf) > TRIED_FOR:
                probe.write_bytes(bytes(2**20))
                probe.unlink()
                _tried[self.folder] = time.monotonic()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if free < LEAST_SPACE:
            raise self._unwritable(f"only {free / 2**20:.0f} MiB are free")

    def open(self) -> Database:
        """The database, after entering what it had missed. Raises StoreError."""
        return _again_where_damaged(self._opened)

    def _opened(self, is_whole: bool = False) -> Database:
        database = self._database()
        # Those that this process is at work on are read when it begins: then it is another one that was.
        records = list(self.records.left_behind() if database.has_caught_up else self.records.unfinished())
        newest = self.records.newest()
        with database.read() as connection:
            is_older = not are_finished(connection, newest)
            missed, unknown = behind(connection, records)
            sums_are_behind = are_behind(connection)
        if unknown and not is_older and not is_whole:
            # Each was entered before it was sent, so its row may be there under another id.
            doubt_files()
            return self._opened(is_whole=True)
        left: set[str] = set()
        if missed or sums_are_behind or is_older:
            with database.write() as connection:
                follow(connection)
                if is_older:
                    self._memory.enter_finished(connection)
                left = enter_each(connection, missed)
        database.has_caught_up = True
        for call in records:
            if not call.is_open and call.id not in left:
                self._put_away(call)
        return database

    def _database(self) -> Database:
        try:
            memory = self._memory
            return open_database(self.folder, self._url, memory.fill, memory.enter_finished)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def _put_away(self, call: Call) -> None:
        """The database knows that ``call`` is finished."""
        if call.state is State.REFUSED:
            self.records.remove(call)
            return
        if call.state is State.DONE and call.is_whole:
            self.records.tidy(call)
        self.records.archive(call)

    def lock(self, *keys: str) -> KeyLock:
        """The lock of ``keys``, to be held from looking one up until its call is finished. Raises StoreError."""
        try:
            return key_lock(self.open(), self.folder / "locks", *keys)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def limits(self, own: Limits) -> Limits:
        """The strictest of this machine's ``own`` limits and those that all share. Raises StoreError."""
        with self._database().read() as connection:
            return own.strictest(shared_limits(connection))

    def share_limits(self, changes: Mapping[str, float | None]) -> dict[str, float]:
        """Set limits (US dollars by "run", "day" and "month"; None lifts one) for everybody who shares the journal,
        and return those that they have now. Raises StoreError.
        """
        with self.open().write() as connection:
            share_limits(connection, changes)
            shared = shared_limits(connection)
            if changes:
                try:
                    self._memory.keep_limits(shared)
                except OSError as error:
                    raise self._unwritable(error.strerror or str(error)) from error
        return shared

    def begin(
        self, call: Call, caller: Caller, limits: Limits, needed: int | None, seen: Container[str] | None = None
    ) -> Call:
        """Reserve ``needed`` nanos and enter ``call`` as sent, durably. The limits are this machine's; those that all
        share hold too. ``seen`` are the ids of the equal calls in whose knowledge it is sent. Raises BudgetExceeded,
        StoreError, or Overtaken where there is another one by now.
        """
        call = replace(call, **asdict(caller), reserved=needed)
        is_entered = False

        def reserve(connection: Connection) -> None:
            nonlocal is_entered
            follow(connection)
            if is_entered and not behind(connection, [call])[1]:
                return  # it was this file after all, which was only opened anew
            if seen is not None:
                equal = ids_of_keys(connection, [call.key, *call.further_keys])
                if any(call_id != call.id and call_id not in seen for call_id in equal):
                    raise Overtaken
            require(connection, limits.strictest(shared_limits(connection)), call, needed)
            enter(connection, call)
            is_entered = True

        try:
            self.records.prepare(call)
            self._write(reserve)
            self.records.confirm(call)
        except OSError as error:
            self._take_back(call)
            raise self._unwritable(error.strerror or str(error)) from error
        except (LumenfallError, Overtaken):
            # Who fails to bring it onto the disk may have brought it there.
            (self._take_back if is_entered else self.records.remove)(call)
            raise
        return call

    def _take_back(self, call: Call) -> None:
        """Enter that it was not sent."""
        self.settle(replace(call, state=State.REFUSED, charged=Charged.NO))

    # After something was sent

    def settle(self, call: Call) -> list[str]:
        """Write down how far ``call`` has come: its record, then the database. Returns notes, never raises."""
        notes = []
        try:
            self.records.write(call)
        except OSError as error:
            notes.append(f"The call could not be recorded on disk: {error.strerror or error}.")
        try:
            self._write(lambda connection: enter(connection, call))
            if not call.is_open:
                self._put_away(call)
        except StoreError as error:
            self.records.let_go(call)
            log.warning("%s", error.message)
            if notes:
                notes.append(error.message)
        return notes

    def _write(self, do: Callable[[Connection], None]) -> None:
        """Once more where another file has come into the place of the one that was written: it was damaged, and what is
        put away or sent now must be in the new one. Raises StoreError.
        """
        database = self._database()
        for _ in range(_MOST_FILES):
            with database.write() as connection:
                do(connection)
            before, database = database, self._database()
            if database is before:
                return

    def mark_delivered(self, calls: Iterable[Call]) -> None:
        """Note that a node has handed the pictures of ``calls`` on. Never raises."""
        now = time.time()
        try:
            with self._database().write() as connection:
                for call in calls:
                    connection.execute(_deliver(), {"of_call": call.id, "now": now})
        except StoreError as error:
            log.warning("%s", error.message)

    def discard(self, stored: Stored) -> None:
        """Remove a file that its call no longer names, unless another call does. Never raises."""
        try:
            with self._database().write() as connection:
                if not is_shared(connection, stored.sha256):
                    self.files.remove(stored)
        except StoreError as error:
            log.warning("%s", error.message)

    # Looking up

    def equal(self, *keys: str) -> list[Call]:
        """The calls for any of ``keys`` that were not refused, the last one first. What the database does not find, and
        was put away here, it is told. Raises StoreError.
        """
        found = self._found(keys)
        lost = self._memory.lost(keys, found, self.files)
        if lost:
            self._memory.remember(self.open, lost)
            found = self._found(keys)
        return found

    def _found(self, keys: Sequence[str]) -> list[Call]:
        def read() -> list[Call]:
            with self._database().read() as connection:
                return read_calls(connection, of_keys(), {"keys": keys})

        return _again_where_damaged(read)

    def latest(self) -> str | None:
        """The id of the call that was entered last. Raises StoreError."""
        call = self._first()
        return None if call is None else call.id

    def is_as_old(self, call_id: str, other: str) -> bool:
        """Whether the first of these calls was entered no later than the other, whatever the clocks said; not where one
        of them is not known. Raises StoreError.
        """
        import sqlalchemy as sa

        from .tables import calls

        query = sa.select(calls.c.id, calls.c.number).where(calls.c.id.in_([call_id, other]))
        with self._database().read() as connection:
            numbers = {row.id: row.number for row in connection.execute(query)}
        return {call_id, other} == numbers.keys() and numbers[call_id] <= numbers[other]

    def get(self, call_id: str) -> Call | None:
        """The call with this id. Raises StoreError."""
        from .tables import calls

        return self._first(calls.c.id == call_id)

    def find(self, name: str) -> Call | None:
        """The call with this id, else with this request id, which may be anything, else with an id that begins so (8
        digits at least). Raises StoreError.
        """
        from .tables import calls

        found = self.get(name) or self._first(calls.c.request_id == name)
        if found is None and len(name) >= 8 and all(digit in "0123456789abcdef" for digit in name):
            # A range, which the index of ids serves; "g" follows every digit.
            found = self._first(calls.c.id.between(name, f"{name}g"))
        return found

    def undelivered(self) -> Call | None:
        """The newest call with pictures that were paid for and that no node has handed on: none of them or, where their
        links may still live, not all. Raises StoreError.
        """
        import sqlalchemy as sa

        from .tables import calls

        states = (State.ANSWERED.value, State.DOWNLOADED.value, State.DONE.value)
        in_part = sa.and_(calls.c.state == State.ANSWERED.value, calls.c.sent_at > time.time() - LINK_LIFE)
        return self._first(sa.and_(calls.c.delivered_at.is_(None), calls.c.state.in_(states)) | in_part)

    def unresolved(self, servers: Iterable[str], since: float) -> list[Call]:
        """The newest calls to one of ``servers`` since then that are unfinished, or of which nobody knows whether they
        were charged. Raises StoreError.
        """
        import sqlalchemy as sa

        from .tables import calls

        unfinished = calls.c.state.in_([State.SENT.value, State.ANSWERED.value, State.DOWNLOADED.value])
        unknown = sa.and_(calls.c.state == State.LOST.value, calls.c.charged == Charged.UNKNOWN.value)
        return self._newest(_MOST, calls.c.server.in_(list(servers)), calls.c.sent_at >= since, unfinished | unknown)

    def unpriced(self, servers: Sequence[str], since: float) -> list[Call]:
        """The newest calls to one of ``servers`` since then whose pictures are here, and whose cost nobody has named.
        Raises StoreError.
        """
        import sqlalchemy as sa

        from .tables import calls

        is_unpriced = calls.c.cost.is_(None) & (calls.c.charged != Charged.NO.value)
        found: list[Call] = []
        with self._database().read() as connection:
            # There are few of them among many, and the sums know when. Told the state, SQLite would look at all of it.
            for start in unpriced_since(connection, since):
                sent = sa.and_(calls.c.sent_at >= max(start, since), calls.c.sent_at < start + QUARTER)
                chosen = sa.select(calls).where(sent, is_unpriced, calls.c.server.in_(servers))
                found += [call for call in read_calls(connection, chosen) if call.state in (State.DONE, State.CLEANED)]
                if len(found) >= _MOST:
                    break
        return found

    def _first(self, *conditions: Any) -> Call | None:
        return next(iter(self._newest(1, *conditions)), None)

    def _newest(self, most: int, *conditions: Any) -> list[Call]:
        import sqlalchemy as sa

        from .tables import calls

        with self._database().read() as connection:
            query = sa.select(calls).where(*conditions).order_by(calls.c.number.desc()).limit(most)
            return read_calls(connection, query)

    def _unwritable(self, reason: str) -> StoreError:
        return StoreError(
            f"Pictures cannot be kept in {self.folder} ({reason}), so none is ordered.",
            code="NOT_WRITABLE",
            hint="Make room there, or make the folder writable.",
        )


def _again_where_damaged(use: Callable[[], Found]) -> Found:
    """The database is put aside when it is opened next."""
    try:
        return use()
    except StoreError as error:
        if error.code != DAMAGED:
            raise
        return use()


@cache
def _deliver() -> Update:
    import sqlalchemy as sa

    from .tables import calls

    now: Any = sa.bindparam("now", type_=sa.Float)
    values = {"delivered_at": sa.func.coalesce(calls.c.delivered_at, now), "used_at": now}
    return sa.update(calls).where(calls.c.id == sa.bindparam("of_call")).values(values)
