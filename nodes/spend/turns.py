"""Writers of one process take turns at its SQLite file, and those that queue share a transaction: what takes long is to
bring it onto the disk, which is no longer for several. Left to itself, SQLite polls, and writes them one by one.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MOST = 16
"""Writers that share a transaction: the first one waits for the last."""

FORGOTTEN_AFTER = 10.0
"""Seconds after which somebody who waits for another process waits for it anew. Until then all have one patience: with
one for each, whoever holds the file would hold up for minutes what many have to write.
"""

LEFT_AFTER = 1.0
"""Seconds after which who waits for the others looks whether one is left to commit it."""


class Turns:
    """Of those who write by ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._queued = 0
        self._shared: _Shared | None = None
        """Has not been committed: whoever queues at the moment does it."""
        self._held_since = 0.0
        """When the first one began to wait of those who waited in vain."""
        self._refused_at = -math.inf
        """When the last one of them gave up."""

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, alone or with others, committed durably when the block has ended. Where the block raises, what
        it has written is gone, and what others have written stays. Raises SQLAlchemyError.
        """
        with self._taken() as waited:
            shared = self._shared or self._begun(waited)
            try:
                with shared.part():
                    yield shared.connection
            finally:
                if shared.is_over or not self._queued or shared.size >= MOST:
                    self._end(shared)
        while not shared.wait(LEFT_AFTER):
            self._end_where_left(shared)

    @contextlib.contextmanager
    def _taken(self) -> Iterator[float]:
        """One's turn, and how many seconds it was waited for."""
        started, is_queued = time.monotonic(), True
        self._count(1)
        try:
            # For good: others may have left it to whoever queues to commit what they have written.
            with self._turn:
                is_queued = False
                self._count(-1)
                yield time.monotonic() - started
        finally:
            if is_queued:
                self._count(-1)

    def _end_where_left(self, shared: _Shared) -> None:
        """Who queued for it has gone: Ctrl-C takes the main thread out of the queue."""
        with self._turn:
            if self._shared is shared and not self._queued:
                self._end(shared)

    def _end(self, shared: _Shared) -> None:
        self._shared = None
        shared.end()

    def _count(self, change: int) -> None:
        with self._counting:
            self._queued += change

    def _begun(self, waited: float) -> _Shared:
        now = time.monotonic()
        if now - self._refused_at > FORGOTTEN_AFTER:
            self._held_since = now - waited
        connection = self._engine.connect().execution_options(lumenfall_waited=now - self._held_since)
        try:
            connection.begin()
        except BaseException:
            connection.close()
            self._refused_at = time.monotonic()
            raise
        self._refused_at = -math.inf
        self._shared = _Shared(connection)
        return self._shared


class _Shared:
    """A transaction that several write in, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.size = 0
        self.is_over = False
        """Whether nothing of it is left to be committed."""
        self._ended = threading.Event()
        self._error: Exception | None = None

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """What one of them writes, all or nothing."""
        self.size += 1
        try:
            # Of the first one there is nothing else to keep.
            with contextlib.nullcontext() if self.size == 1 else self.connection.begin_nested():
                yield
        except BaseException as error:
            # SQLite itself takes all back where the disk is full.
            self.is_over = self.size == 1 or not self._is_open()
            if self.is_over:
                self._error = _lost(error)
            raise

    def end(self) -> None:
        """Commit it. Never raises for a failure: :meth:`wait` does."""
        try:
            if not self.is_over:
                if not self._is_open():
                    raise _lost()
                self.connection.commit()
        except Exception as error:
            self._error = error
        except BaseException as error:
            self._error = _lost(error)
            raise
        finally:
            with contextlib.suppress(Exception):
                self.connection.close()
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Until it is on the disk, at most so long; whether it is. Raises what kept it from there."""
        has_ended = self._ended.wait(seconds)
        if self._error is not None:
            raise self._error
        return has_ended

    def _is_open(self) -> bool:
        return bool(self.connection.connection.dbapi_connection.in_transaction)  # type: ignore[union-attr]


def _lost(error: BaseException | None = None) -> Exception:
    """What those are told who wrote beside one who met ``error``."""
    import sqlalchemy as sa

    if isinstance(error, sa.exc.SQLAlchemyError):
        return error
    return StoreError("The journal of paid calls took back what was just written.", code="STORE_UNUSABLE")
