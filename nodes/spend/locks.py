"""One owner at a time for a key, over all processes. A lock falls with the process that holds it, whatever the clock
says: a call that the journal shows as sent, and whose lock is free, belongs to nobody any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import StoreError
from .database import Database, explained

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DIGITS = 4
"""Of the key, in the name of its lock file. Files stay behind, so their number is bounded: 65536, all empty."""


class KeyLock(Protocol):
    def acquire(self) -> bool:
        """Take the lock if it is free; at once either way. Raises StoreError where there are no locks."""

    def is_held(self) -> bool:
        """Whether it still is, after :meth:`acquire`: nobody else can have had it since. It falls where a database
        server is started anew, or its connection is cut, or somebody removes its file.
        """

    def release(self) -> None: ...


class Overtaken(Exception):
    """Somebody else has begun an equal call, which can be only where a lock has fallen."""


def key_lock(database: Database, folder: Path, *keys: str) -> KeyLock:
    """The lock of all ``keys``: in the database where several machines share one, else files below ``folder``."""
    if database.is_postgresql:
        return _AllOf([_AdvisoryLock(database, key) for key in sorted(set(keys))])
    return _AllOf([_FileLock(folder / name) for name in sorted({key[:_DIGITS] for key in keys})])


class _AllOf:
    """Several locks, all of them taken or none; in one order everywhere, so that two of these cannot get half each."""

    def __init__(self, locks: Sequence[KeyLock]) -> None:
        self._locks = locks
        self._held: list[KeyLock] = []

    def acquire(self) -> bool:
        try:
            for lock in self._locks:
                if not lock.acquire():
                    self.release()
                    return False
                self._held.append(lock)
        except BaseException:
            self.release()
            raise
        return True

    def is_held(self) -> bool:
        return bool(self._held) and all(lock.is_held() for lock in self._held)

    def release(self) -> None:
        """Where that fails, it may be tried again."""
        while self._held:
            self._held[-1].release()
            self._held.pop()


class _FileLock:
    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._inode: int | None = None
        # Taken and released in different threads of one pool.
        self._lock = FileLock(path, thread_local=False)

    def acquire(self) -> bool:
        from filelock import Timeout

        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise StoreError(
                f"No lock can be taken in {self._path.parent} ({error.strerror or error}), so nothing is ordered.",
                code="NOT_WRITABLE",
                hint="Make room there, or make the folder writable.",
            ) from error
        self._inode = self._inode_there()
        return True

    def is_held(self) -> bool:
        return self._inode is not None and self._inode == self._inode_there()

    def _inode_there(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except OSError:
            return None

    def release(self) -> None:
        self._lock.release()


class _AdvisoryLock:
    """PostgreSQL's advisory lock, which belongs to a connection: one is kept as long as the lock is."""

    def __init__(self, database: Database, key: str) -> None:
        self._database = database
        self._number = int.from_bytes(bytes.fromhex(key[:16]), "big", signed=True)
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        from sqlalchemy import text

        with explained():
            connection = self._database.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
            try:
                query = text("SELECT pg_try_advisory_lock(:number)")
                taken = connection.execute(query, {"number": self._number}).scalar()
            except BaseException:
                # It may have been taken all the same, and would be held by a connection that is free.
                connection.invalidate()
                self._database.give_back(connection)
                raise
            if not taken:
                self._database.give_back(connection)
                return False
        self._connection = connection
        return True

    def is_held(self) -> bool:
        import sqlalchemy as sa

        try:
            return self._connection is not None and self._connection.execute(sa.text("SELECT 1")).scalar() == 1
        except sa.exc.SQLAlchemyError:
            return False

    def release(self) -> None:
        import sqlalchemy as sa

        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:number)"), {"number": self._number})
        except BaseException as error:
            # The lock falls with the connection.
            connection.invalidate()
            if not isinstance(error, sa.exc.SQLAlchemyError):
                raise
        finally:
            self._database.give_back(connection)
