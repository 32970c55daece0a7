"""PostgreSQL, for those whose machines share a database: how it is connected to, and what it may lack after it was
restored, or another server has taken its place.
"""

from __future__ import annotations

import codecs
import contextlib
import math
import socket
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DRIVERS = ("psycopg", "psycopg2", "asyncpg", "pg8000")

# Any number will do, as long as nobody else in a shared database uses it.
_WRITERS = 5_063_201_188_014_733

_IMPATIENT: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s",
    # That of the database may be SQL_ASCII, whose texts would come as bytes.
    "client_encoding": "utf8",
}
"""A worker that stands still in its turn must not hold the others up while the links of their pictures expire."""

_INCOMPLETE = {
    "42P01": "undefined_table",
    "42703": "undefined_column",
    "23505": "unique_violation",
}
"""What it says where the database is another one, or an older one, than the one that was opened. Its numbers may begin
anew too: replicas do not follow those that it gives.
"""

_COUNT_ON = """
SELECT setval(sequence, known.highest)
FROM (SELECT CAST(pg_get_serial_sequence('calls', 'number') AS regclass) AS sequence) AS its,
    (SELECT max(number) AS highest FROM calls) AS known
WHERE known.highest > coalesce(pg_sequence_last_value(sequence), 0)
"""


LONGEST_WAIT = 45.0
"""Seconds for an answer. The server itself ends what takes too long, unless it stands still, or a proxy before it does,
and keeps its connections."""


def engine_of(url: str) -> Engine:
    import sqlalchemy as sa

    # Each request in the air holds a connection, and the lock on it; entering its answer needs one more.
    # What a writer sees must not be older than its turn.
    engine = sa.create_engine(
        url, pool_pre_ping=True, max_overflow=-1, isolation_level="READ COMMITTED", connect_args=_IMPATIENT
    )
    if engine.driver == "psycopg":
        sa.event.listen(engine, "do_connect", lambda _, __, arguments, named: _impatient().connect(*arguments, **named))
    return engine


@cache
def _impatient() -> Any:
    """A connection that ends where it is not answered: the links of what is to be entered expire."""
    from psycopg import Connection as Patient

    class Impatient(Patient[Any]):
        def wait(self, *arguments: Any, **named: Any) -> Any:
            timer = threading.Timer(LONGEST_WAIT, self._cut)
            timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no more threads, or the end of the process
                timer.start()
            try:
                return super().wait(*arguments, **named)
            finally:
                timer.cancel()

        def _cut(self) -> None:
            with contextlib.suppress(Exception):
                its = socket.socket(fileno=self.fileno())
                try:
                    its.shutdown(socket.SHUT_RDWR)
                finally:
                    its.detach()

    return Impatient


RESTORED_WITHIN = 60.0
"""Seconds for which a database that has lost its tables while it was open may just be on the way to get them back: who
made them anew would be in the way of that.
"""

_emptied: dict[str, float] = {}
"""When that was first met, by its address."""


def doubt(url: str) -> None:
    """The database lacks what it had."""
    _emptied.setdefault(url, time.monotonic())


def trust(url: str) -> None:
    """It has its tables."""
    _emptied.pop(url, None)


def check_not_restored(url: str) -> None:
    """Raise StoreError where the tables are not to be made yet."""
    if time.monotonic() - _emptied.get(url, -math.inf) < RESTORED_WITHIN:
        raise StoreError(
            "The database of paid calls has lost its tables, as while a backup is restored.",
            hint="Try again in a minute: then they are made anew, from the records beside it.",
        )


def take_turn(connection: Connection) -> None:
    """Wait until no other process writes; the turn ends with the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def count_on(connection: Connection) -> None:
    """Let new calls have higher numbers than those that are there. Best effort."""
    import sqlalchemy as sa

    with contextlib.suppress(sa.exc.DBAPIError), connection.begin_nested():
        connection.exec_driver_sql(_COUNT_ON)


def fitting(connection: Connection, columns: Mapping[str, Any]) -> dict[str, Any]:
    """``columns`` with texts that the database's encoding has, should it be an older one than UTF-8."""
    dbapi_connection: Any = connection.connection.dbapi_connection
    encoding = dbapi_connection.info.parameter_status("server_encoding")
    if encoding in (None, "UTF8", "SQL_ASCII"):
        return {**columns}
    try:
        codec = codecs.lookup(encoding.lower().replace("win", "cp")).name
    except LookupError:
        codec = "ascii"
    return {
        name: value.encode(codec, "backslashreplace").decode(codec) if isinstance(value, str) else value
        for name, value in columns.items()
    }


def is_of_a_driver(error: BaseException | None) -> bool:
    """Whether a database server, or the way to it, is what failed."""
    return type(error).__module__.partition(".")[0] in DRIVERS


def is_incomplete(error: BaseException | None) -> bool:
    """Whether the database lacks what it had when it was opened."""
    return _sqlstate(error) in _INCOMPLETE


def is_denied(error: BaseException | None) -> bool:
    """Whether the role lacks a right."""
    return _sqlstate(error) == "42501"


def _sqlstate(error: BaseException | None) -> str | None:
    code: str | None = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return code if is_of_a_driver(error) else None
