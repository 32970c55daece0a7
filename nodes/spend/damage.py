"""A damaged SQLite file: how it is told, and put aside, so that it is written anew from the records beside it."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Charged
from .calls import State
from .sums import agree

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

DAMAGED = "STORE_DAMAGED"

_suspects: set[Path] = set()
"""Those that this process has met damage in, should the disk take no mark of it."""


def suspect(path: Path) -> None:
    """Damage was met in ``path``, which may be of a kind that is seen only where all of it is compared."""
    _suspects.add(path)
    with contextlib.suppress(OSError):
        _mark(path).touch()


def clear(path: Path) -> None:
    """``path`` was looked at as a whole, or put aside."""
    _suspects.discard(path)
    with contextlib.suppress(OSError):
        _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    """Beside it, since the next process is to know."""
    return path.with_suffix(".suspect")


def check(connection: Connection, path: Path) -> None:
    """Raise DatabaseError for a damaged file. Whether all indexes fit their tables is compared only where there is a
    reason, as it takes several times as long; of those by which a purchase is found the entries are counted.
    """
    version = _version(connection)
    _require_columns(connection, version)
    if path in _suspects or _mark(path).exists():
        _require(connection, "integrity_check")
        _require_readable(connection)
        _require_sums(connection, version)
        return
    _require(connection, "quick_check")
    _require_sums(connection, version)
    for table, index in _FIND_PURCHASES:
        if _has(connection, index):
            # Of *, SQLite counts in whatever index is the smallest.
            count = f'SELECT count("key") FROM {table}'
            rows, entries = (
                connection.exec_driver_sql(f"{count} {way}").scalar() for way in ("NOT INDEXED", f"INDEXED BY {index}")
            )
            if rows != entries:
                raise _malformed(f"wrong number of entries in {index}")


def require_whole(connection: Connection) -> None:
    """Raise DatabaseError for a SQLite file that is damaged in any way."""
    if connection.dialect.name == "sqlite":
        _require(connection, "integrity_check")


class UnreadableRow(ValueError):
    """A row of ``calls`` that says what none says."""


def is_unreadable(error: BaseException) -> bool:
    """Whether a text of the file is none, no JSON where it should be, or none of the words that it can be. No check of
    SQLite's own looks at that.
    """
    return isinstance(error, (json.JSONDecodeError, UnreadableRow)) or "Could not decode to UTF-8" in str(error)


_MISNAMED = """
SELECT 1 FROM pictures WHERE length(sha256) != 64 OR sha256 GLOB '*[^0-9a-f]*' OR extension GLOB '*[^.0-9a-z]*' LIMIT 1
"""


_TELLING = (
    "malformed",
    "not a database",
    "unsupported file format",
    "no such table",
    "no such column",
    "has no column named",
    "integer overflow",
)
"""What SQLite says of a damaged file. The tables of this version have their columns, as far as they can be read."""


def is_told(error: BaseException) -> bool:
    """Whether ``error``, of SQLite or of reading what it has found, comes of a damaged file."""
    cause = str(getattr(error, "orig", None) or error)
    # It does not say which text of the file it cannot tell of.
    return any(words in cause for words in _TELLING) or isinstance(error, UnicodeDecodeError) or is_unreadable(error)


_HEADER = 100
"""Bytes (sqlite.org/fileformat.html)."""


def has_odd_header(path: Path) -> bool:
    """Whether its first bytes say that it was written by a SQLite that there has never been: then it is only read, or
    not at all.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return False
    if len(header) < _HEADER:
        return False
    return header[18] not in (1, 2) or header[19] not in (1, 2) or int.from_bytes(header[44:48], "big") > 4


def _version(connection: Connection) -> str | None:
    """That of the tables, None before there are any. Raises DatabaseError for what is none."""
    if not _has(connection, "alembic_version"):
        return None
    version = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    if not re.fullmatch(r"\d{4}", version):
        raise _malformed("no version")
    return version


def _require_sums(connection: Connection, version: str | None) -> None:
    """That no amount has changed, of a call or of what limits count."""
    from .tables import REVISION

    if version == REVISION and not agree(connection):
        raise _malformed("sums that are not those of the calls")


def _require_columns(connection: Connection, version: str | None) -> None:
    """That nothing has changed in the names by which they are read, and written by triggers."""
    import sqlalchemy as sa

    from .tables import REVISION, metadata

    if version is None or version > REVISION:
        return
    is_older = version != REVISION
    try:
        for table in metadata.sorted_tables:
            connection.execute(sa.select(table).limit(0)).close()
        for statement in _PULL_TRIGGERS:
            connection.exec_driver_sql(f"EXPLAIN {statement}").close()
    except sa.exc.OperationalError as error:
        if is_busy(error):
            raise
        if is_older:
            return
        raise _malformed("other columns") from error
    if is_older:
        # Each migration adds some, and all at once: with all of them the version is what has changed.
        raise _malformed("another version")


_PULL_TRIGGERS = ("UPDATE calls SET state = ''", "INSERT INTO calls (worker) VALUES ('')")


def is_busy(error: BaseException) -> bool:
    """Whether another process holds the file."""
    return "locked" in str(getattr(error, "orig", None) or error)


def _has(connection: Connection, name: str) -> bool:
    return bool(connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).scalar())


def _require_readable(connection: Connection) -> None:
    if not _has(connection, "calls"):
        return
    try:
        for row in connection.exec_driver_sql("SELECT * FROM calls").mappings():
            for name in ("asked", "facts", "graph"):
                json.loads(row.get(name) or "{}")
            State(row["state"])
            Charged(row["charged"])
        if connection.exec_driver_sql(_MISNAMED).scalar():
            raise ValueError
    except Exception as error:
        if not isinstance(error, ValueError) and not is_unreadable(error):
            raise
        raise _malformed("a call that cannot be read") from error


_FIND_PURCHASES = (("calls", "calls_by_key"), ("further_keys", "further_keys_by_key"))


def _require(connection: Connection, kind: str) -> None:
    found = connection.exec_driver_sql(f"PRAGMA {kind}(1)").scalar()
    if found != "ok":
        raise _malformed(str(found))


def _malformed(what: str) -> Exception:
    import sqlalchemy as sa

    return sa.exc.DatabaseError(what, None, Exception("malformed"))


def put_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    log.warning("The spend database was damaged: put aside, and written anew from the records beside it")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"spend-damaged-{stamp}.db{suffix}"))
