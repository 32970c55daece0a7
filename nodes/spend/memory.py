"""What the records tell a database that has forgotten it: a new one, an older one in its place, or a damaged one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..host.files import write_durably
from .budget import share_limits, shared_limits
from .calls import Call, State
from .damage import require_whole
from .database import Database, doubt_files
from .files import Files
from .records import Records
from .rows import are_finished, enter_each, finished_in, known_finished, last_entered, refused
from .sums import follow

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    """``limits`` are those that were set from here; ``is_shared`` says whether other folders use the database too."""

    records: Records
    limits: Path
    is_shared: bool

    def keep_limits(self, limits: Mapping[str, float]) -> None:
        """So that a database that has to be written anew gets them back. Raises OSError."""
        write_durably(self.limits, json.dumps(limits).encode())

    def fill(self, connection: Connection) -> None:
        """Enter every record into a new database, and the limits. Who had handed the pictures on is not known any
        more; those of long ago must not be kept for ever as never delivered.
        """
        self._enter_limits(connection)
        self._enter(connection, self._told())

    def enter_finished(self, connection: Connection) -> None:
        """Enter what was finished here, into a database that does not know it: a backup, or that of another folder, was
        put in its place. Otherwise a record is put away only when the database has it.
        """
        if not self.is_shared:
            self._enter_limits(connection)
        noted = self.records.newest()
        if noted and are_finished(connection, noted) and not self._is_short(connection):
            # Each process has left one.
            self.records.keep_newest(noted, noted, last_entered(connection, noted))
            return
        if noted:
            require_whole(connection)  # laid over the one that was in use, it may be neither
        known = known_finished(connection)
        told = self._told(known)
        if any(call.id not in known and not call.is_open for call in told):
            log.warning("The spend database lacked what the records beside it have: it was entered")
            follow(connection)
            self._enter_limits(connection)
            self._enter(connection, told)
            known = known_finished(connection)
        self.records.keep_newest(noted, known, last_entered(connection))

    def _is_short(self, connection: Connection) -> bool:
        """Whether there are records of the last month that it does not know. A version without notes has put them
        away.
        """
        month, count = self.records.last_month()
        return count > 0 and finished_in(connection, month) < count

    def _told(self, known: Container[str] = ()) -> list[Call]:
        """What the records tell, but for those of some finished calls; of one that is told twice the later says more.
        What is unfinished is read before the others and after them: it may be put away meanwhile.
        """
        before = list(self.records.unfinished())
        finished = [replace(call, delivered_at=call.used_at) for call in self.records.finished(known)]
        return [*before, *finished, *self.records.unfinished()]

    def _enter(self, connection: Connection, told: Sequence[Call]) -> None:
        enter_each(connection, sorted(told, key=lambda call: call.sent_at))

    def _enter_limits(self, connection: Connection) -> None:
        """Those that were set from here: what the database has of them is no surer than the rest of it."""
        try:
            known = json.loads(self.limits.read_bytes())
            found = shared_limits(connection)
            # Elsewhere others may have set theirs since.
            others = found if self.is_shared else {}
            wanted = {name: min(limit, others.get(name, limit)) for name, limit in known.items()}
            if {**others, **wanted} != found:
                share_limits(connection, {**dict.fromkeys(found.keys() - others.keys()), **wanted})
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError):
            log.warning("%s cannot be read", self.limits.name)

    def lost(self, keys: Sequence[str], found: Sequence[Call], files: Files) -> list[Call]:
        """What was sent with one of ``keys``, and is not among the calls that the database has ``found`` for them, or
        with other pictures, or none, which are not there.
        """
        pictures = {call.id: call.pictures for call in found}
        left_out = {call.id for call in found if _is_known(call, files)}
        sent = self.records.bought.calls(keys, left_out)
        return [
            call
            for call in sent
            if call.pictures != pictures.get(call.id) and len(call.pictures) >= len(pictures.get(call.id, ()))
        ]

    def remember(self, database: Callable[[], Database], lost: Sequence[Call]) -> None:
        """Let the database know these calls, and be looked at as a whole before. Raises StoreError."""
        with database().read() as connection:
            free = refused(connection, [call.id for call in lost])
        forgotten = [call for call in lost if call.id not in free]
        if forgotten:
            log.warning("The spend database did not find what was bought before: it is told by the records beside it")
            doubt_files()
            with database().write() as connection:
                follow(connection)
                enter_each(connection, forgotten)


def _is_known(call: Call, files: Files) -> bool:
    """Whether no record can tell more of ``call`` than the database does."""
    if call.state is State.DONE:
        return bool(call.pictures) and all(map(files.has, call.pictures))
    return call.state is State.CLEANED
