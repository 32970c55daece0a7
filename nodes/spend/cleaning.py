"""Keeping the store within its limit: the pictures that were not used for longest go first."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import StoreError
from .calls import Call, State
from .journal import Journal
from .rows import enter, is_shared, read_paged

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

GIGABYTE = 10**9

PAGE = 500
"""Calls that are read at a time."""

_TURN = hashlib.sha256(b"clean").hexdigest()
"""The lock of whoever cleans: two at once would each make all the room that is needed."""


@dataclass(frozen=True)
class Cleaned:
    """What was removed: calls, and bytes of files."""

    calls: int = 0
    size: int = 0


def clean(journal: Journal, store_gb: float, run_id: str | None = None) -> Cleaned:
    """Remove pictures, oldest use first, until the store has at most ``store_gb`` * 10**9 bytes.

    Left alone: what is unfinished, what no node has handed on yet, what belongs to the run ``run_id``, and what is
    in use at this moment. The ledger keeps its lines. Never raises.
    """
    try:
        lock = journal.lock(_TURN)
        if not lock.acquire():
            return Cleaned()
        try:
            return _clean(journal, store_gb, run_id)
        finally:
            lock.release()
    except (StoreError, OSError) as error:
        log.warning("The store could not be cleaned: %s", error)
        return Cleaned()


def stored_size(journal: Journal) -> int:
    """Bytes of the pictures in the store, and of the answers that are kept beside them. Raises StoreError."""
    return journal.files.total() + sum(size for _, size in _answers(journal))


def _answers(journal: Journal) -> list[tuple[Call, int]]:
    """The calls that are over, and of which the whole answer is still kept, as not all of it could be a picture."""
    found = ((journal.get(call_id), size) for call_id, size in journal.records.answers().items())
    return [(call, size) for call, size in found if call is not None and call.state in (State.DONE, State.CLEANED)]


def _clean(journal: Journal, store_gb: float, run_id: str | None) -> Cleaned:
    from .tables import calls

    removed = Cleaned()
    journal.files.tidy()
    excess = stored_size(journal) - store_gb * GIGABYTE
    if excess <= 0:
        return removed
    for call, size in _answers(journal):
        if call.state is State.CLEANED:
            journal.records.tidy(call)
            removed = Cleaned(removed.calls, removed.size + size)
    conditions = [calls.c.state == State.DONE.value, calls.c.delivered_at.is_not(None)]
    if run_id is not None:
        conditions.append(calls.c.run_id.is_distinct_from(run_id))
    for call in read_paged(journal.open, "used_at", conditions, PAGE):
        if removed.size >= excess:
            break
        freed = remove(journal, call)
        if freed is not None:
            removed = Cleaned(removed.calls + 1, removed.size + freed)
    return removed


def remove(journal: Journal, call: Call) -> int | None:
    """Remove the pictures of ``call``; how many bytes that freed. None where it is in use, or has no files here: those
    of a database that machines share may lie on another. Raises StoreError.
    """
    lock = journal.lock(call.key)
    if not lock.acquire():
        return None
    try:
        found = journal.get(call.id)
        if found is None or found.state is not State.DONE:
            return None
        freed = journal.records.answer_size(found)
        if not freed and not any(map(journal.files.has, found.pictures)):
            return None
        cleaned = replace(found, state=State.CLEANED, pictures=())
        with journal.open().write() as connection:
            enter(connection, cleaned)
            for picture in found.pictures:
                # In the same turn, so that nobody can begin to share the file in between.
                if not is_shared(connection, picture.sha256):
                    journal.files.remove(picture)
                    freed += picture.size
        journal.settle(cleaned)
        journal.records.tidy(cleaned)
        return freed
    finally:
        lock.release()
