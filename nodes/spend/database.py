"""Opening the database: SQLite in the pack's folder, or the one that a URL names. Schema by alembic."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..host.forking import in_child
from . import damage, postgresql, sums
from .turns import FORGOTTEN_AFTER, Turns

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

log = logging.getLogger(__name__)

BUSY = "STORE_BUSY"

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes."""

_AT_ONCE = 0.1
"""Seconds of them that are not worth a statement, and that are always there."""

FIRST_WITH_SUMS = "0005"
"""The first migration from which on the sums are those of the calls, whoever enters them."""

SCHEMA = Path(__file__).with_name("schema.sql")
"""What all migrations together make of an empty SQLite file, statement by statement. Alembic takes as long to import as
a small run to do all else.
"""

_opened: dict[str, Database] = {}
_opening = threading.Lock()


class Database:
    """One engine for the length of the process; writers take turns."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_postgresql = engine.dialect.name == "postgresql"
        self._turns = Turns(engine)
        self.inode: int | None = None
        self.has_caught_up = False
        """Whether all has been entered that it had missed when it was opened."""
        self._is_closed = False

    def close(self) -> None:
        """Let go of its connections; those in use go when they are given back. It may still be used meanwhile."""
        self._is_closed = True
        # Not engine.dispose(), which would leave those in use to a pool that nobody empties any more.
        self.engine.pool.dispose()

    @contextlib.contextmanager
    def _connections(self) -> Iterator[None]:
        try:
            with explained():
                yield
        finally:
            self._empty()

    def _empty(self) -> None:
        if self._is_closed:
            self.engine.pool.dispose()

    def give_back(self, connection: Connection) -> None:
        """One that was taken from ``engine``."""
        connection.close()
        self._empty()

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer can overlap, committed durably when the block has ended.

        Raises StoreError where the database cannot be used.
        """
        with self._connections(), self.engine.begin() if self.is_postgresql else self._turns.write() as connection:
            if self.is_postgresql:
                postgresql.take_turn(connection)
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction for reading. Raises StoreError."""
        with self._connections(), self.engine.connect() as connection:
            yield connection


Fill = Callable[["Connection"], None]
"""Enters what is known already."""


def open_database(folder: Path, url: str | None, fill: Fill, complete: Fill) -> Database:
    """The database at ``url``, else ``folder/spend.db``, with its tables.

    A damaged SQLite file is put aside and a new one begun. New tables appear to others together with what ``fill``
    enters, or not at all, and a file that was there with what ``complete`` enters, should it be an older one. Raises
    StoreError, and OSError for a folder that cannot be made.
    """
    path = folder / "spend.db"
    name = url or _resolved(path)
    with _opening:
        known = _opened.get(name)
        if known and (url or _is_still(path, known.inode)):
            return known
        if known:
            _opened.pop(name, known).close()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _one_patience(name):
            if name in _refused and not url and path.is_file():
                _check_free(path)
            database = _brought_up(url, path, fill, complete)
        with contextlib.suppress(OSError):
            database.inode = None if url else _inode(path)
        _opened[name] = database
        return database


_refused: dict[str, float] = {}
"""When it was last waited in vain for a process that held it, by the name of the database."""


@contextlib.contextmanager
def _one_patience(name: str) -> Iterator[None]:
    """For all who open it, one after the other, while another process holds it."""
    if time.monotonic() - _refused.get(name, 0.0) > FORGOTTEN_AFTER:
        _refused.pop(name, None)
    try:
        with explained():
            yield
    except StoreError as error:
        if error.code == BUSY:
            _refused[name] = time.monotonic()
        raise
    _refused.pop(name, None)


def _check_free(path: Path) -> None:
    """Raise OperationalError where another process holds the file, almost at once."""
    import sqlite3

    import sqlalchemy as sa

    with contextlib.closing(sqlite3.connect(path, timeout=_AT_ONCE, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE").close()
        except sqlite3.OperationalError as error:
            if damage.is_busy(error):
                raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, error) from error
        except sqlite3.DatabaseError:
            pass  # which is seen to when it is opened


@cache
def _resolved(path: Path) -> str:
    """What it leads to, once for a process: where another file comes to lie there, its inode tells."""
    return str(path.resolve())


def _inode(path: Path) -> int:
    """Tells the file from another of the same name, which a process may put there that found this one damaged."""
    return path.stat().st_ino


def _is_still(path: Path, inode: int | None) -> bool:
    """Whether the file is the one that was opened. So it is where nobody can look any more, as in a folder that was
    given to another user: what is open can still be written, and nothing else.
    """
    try:
        return _inode(path) == inode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _brought_up(url: str | None, path: Path, fill: Fill, complete: Fill) -> Database:
    def bring_up() -> Database:
        database = Database(_engine(url)) if url else _open_file(path)
        with _closed_on_failure(database):
            _upgrade(database, fill, complete, url or "")
        postgresql.trust(url or "")
        return database

    try:
        return bring_up()
    except StoreError as error:
        if url or error.code != damage.DAMAGED:
            raise
        damage.suspect(path)
        return bring_up()


def _open_file(path: Path) -> Database:
    import sqlalchemy as sa
    from filelock import FileLock

    with FileLock(path.with_suffix(".lock"), timeout=BUSY_TIMEOUT):
        if damage.has_odd_header(path):
            damage.put_aside(path)
        database = Database(_engine(path))
        try:
            with _closed_on_failure(database), database.engine.connect() as connection:
                damage.check(connection, path)
        except (sa.exc.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sa.exc.OperationalError) and not damage.is_told(error):
                raise  # busy or read-only, not damaged
            damage.put_aside(path)
            database = Database(_engine(path))
        damage.clear(path)
        return database


@contextlib.contextmanager
def _closed_on_failure(database: Database) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise


def _engine(target: str | Path) -> Engine:
    import sqlalchemy as sa

    if isinstance(target, str):
        return postgresql.engine_of(target)
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(target)), connect_args={"timeout": BUSY_TIMEOUT})

    # First of all, since what is no database is found out here, and nobody else would close the connection then.
    @sa.event.listens_for(engine, "connect", insert=True)
    def configure(connection: Any, _: Any) -> None:
        # Transactions are begun below, not by the driver, which would begin them too late.
        connection.isolation_level = None
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        waited = connection.get_execution_options().get("lumenfall_waited")
        if waited is None:
            connection.exec_driver_sql("BEGIN")
        elif waited < _AT_ONCE:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # For its turn, for which another process may have been waited too; and a moment for who is just writing.
            left = max(_AT_ONCE, BUSY_TIMEOUT - waited)
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")

    return engine


def _upgrade(database: Database, fill: Fill, complete: Fill, url: str) -> None:
    """Bring the tables to REVISION. Alembic takes a while to import, so it is only asked where there is something to
    do.
    """
    import sqlalchemy as sa

    from .tables import REVISION

    with database.write() as connection:
        versioned = sa.inspect(connection).has_table("alembic_version")
        revision = (
            connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if versioned else None
        )
        if revision == REVISION:
            # A program of an older version, whose files were replaced while it ran, migrates and knows nothing of sums.
            if sums.are_missing(connection):
                sums.fill(connection)
            if database.is_postgresql:
                postgresql.count_on(connection)
            complete(connection)
            return
        if not sa.inspect(connection).get_table_names() and not database.is_postgresql:
            for statement in SCHEMA.read_text(encoding="utf-8").split("\n\n"):
                connection.exec_driver_sql(statement)
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})
            fill(connection)
            return
        if revision is None:
            postgresql.check_not_restored(url)
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        # Percent signs would be taken for interpolation.
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"The spend database was written by a newer version of this pack (schema {revision}).",
                code="STORE_NEWER",
                hint="Update the pack.",
            ) from error
        if revision is None:
            fill(connection)
        elif revision < FIRST_WITH_SUMS:
            sums.fill(connection)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Errors of the database in the pack's own words."""
    try:
        import sqlalchemy as sa
        from filelock import Timeout

        try:
            yield
        except (sa.exc.SQLAlchemyError, Timeout, OverflowError, ValueError) as error:
            raise _unusable(error, busy=isinstance(error, Timeout)) from error
    except ImportError as error:
        if error.name in postgresql.DRIVERS:
            raise StoreError(
                f"LUMENFALL_DATABASE needs the package {error.name}, which is not installed.",
                code="STORE_INCOMPLETE",
                hint='Run pip install "psycopg[binary]" in the Python that runs this, '
                "ComfyUI's or the command line's, and begin the address with postgresql+psycopg:// .",
            ) from error
        raise StoreError(
            f"The journal of paid calls needs {error.name}, which ComfyUI installs.",
            code="STORE_INCOMPLETE",
            hint="Run pip install sqlalchemy alembic filelock in ComfyUI's Python.",
        ) from error


@in_child
def _begin_in_child() -> None:
    """What its parent's threads were at is not finished in a forked child."""
    global _opening
    _opening = threading.Lock()
    _opened.clear()


def doubt_files(is_doubtful: Callable[[Path], bool] = lambda _: True) -> None:
    """Let the next opening look at the files as a whole."""
    for name, database in list(_opened.items()):
        if not database.is_postgresql and is_doubtful(Path(name)):
            damage.suspect(Path(name))
            _opened.pop(name, database).close()


def _forget_servers() -> None:
    """Let the next opening look at what the servers have."""
    for name, database in list(_opened.items()):
        if database.is_postgresql:
            postgresql.doubt(name)
            _opened.pop(name, database).close()


def _unusable(error: Exception, *, busy: bool) -> StoreError:
    origin = getattr(error, "orig", None)
    cause = next(iter(str(origin or error).splitlines()), type(error).__name__)
    if "disk I/O error" in cause:
        doubt_files()  # another file under its name may be the cause
    if "readonly" in cause:
        doubt_files(damage.has_odd_header)
    if busy or "locked" in cause:
        code, hint = BUSY, "Another program holds the database; try again."
    elif postgresql.is_incomplete(origin):
        _forget_servers()
        code, hint = damage.DAMAGED, "Run again: the database is then completed from the records beside it."
    elif not postgresql.is_of_a_driver(origin) and damage.is_told(error):
        doubt_files()
        code, hint = damage.DAMAGED, "Run again: the database is then written anew from the records beside it."
    elif "too many connections" in cause or "connection slots" in cause:
        code = BUSY
        hint = (
            "Let the database server take more connections, one for each request in the air and some for writing; or "
            "run fewer at once (--jobs)."
        )
    elif postgresql.is_of_a_driver(origin):
        code = "STORE_UNUSABLE"
        hint = "Start the database server, or correct its address: LUMENFALL_DATABASE, or database in settings.json."
    else:
        code = "STORE_UNUSABLE"
        hint = "Make room, and make the pack's folder writable; or correct LUMENFALL_DATABASE."
    return StoreError(f"The journal of paid calls cannot be used ({cause}).", code=code, hint=hint)
