"""The ledger: what was spent, read from the journal. Amounts are added in nanos and therefore exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ..errors import Charged
from .budget import spent_now
from .calls import NANOS, Call, State
from .journal import Journal
from .locks import key_lock
from .rows import read_calls

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from .database import Database

SAMPLE = 500
"""Calls from which it is told how long a model takes."""

By = Literal["day", "month", "model", "workflow", "provider"]


@dataclass(frozen=True)
class Total:
    """The sum of some calls. ``name`` is None where they have no workflow or provider; ``cost`` is in nanos of
    ``currency``, ``seconds`` is what the server took for all of them together.
    """

    name: str | None
    currency: str
    count: int
    pictures: int
    cost: int
    seconds: float

    @property
    def price(self) -> float:
        """The cost in units of ``currency``."""
        return self.cost / NANOS


def entries(journal: Journal, since: float | None = None, until: float | None = None) -> list[Call]:
    """Every call with a confirmed cost that was sent from ``since`` on and before ``until`` (seconds since 1970),
    oldest first and without their graphs. Calls that were refused are no spend. Raises StoreError.
    """
    from .tables import calls

    paid = (calls.c.cost.is_not(None), calls.c.state != State.REFUSED.value)
    return _read(journal, *paid, *_between(since, until), without=("graph",))


def uncertain(journal: Journal, since: float | None = None, until: float | None = None) -> list[Call]:
    """The calls that were or may have been charged, but whose cost nobody has named, oldest first; among them those
    that are in the air. Their ``reserved`` counts against the limits. Raises StoreError.
    """
    from .tables import calls

    unpriced = (calls.c.cost.is_(None), calls.c.charged != Charged.NO.value)
    return _read(journal, *unpriced, *_between(since, until))


def counted(journal: Journal) -> tuple[int, int]:
    """What counts today, and this month, against the limits: nanos, reservations included. Raises StoreError."""
    with journal.open().read() as connection:
        return spent_now(connection)


def kept(journal: Journal) -> list[Call]:
    """Every call with pictures in the store, or with pictures still to be fetched, oldest first. Raises StoreError."""
    import sqlalchemy as sa

    from .tables import calls, pictures

    return _read(journal, sa.or_(calls.c.id.in_(sa.select(pictures.c.call_id)), calls.c.state == State.ANSWERED.value))


def newest(journal: Journal, count: int, before: str | None = None) -> list[Call]:
    """The last ``count`` calls that were not refused, newest first; of those older than the call with the id
    ``before``, where it is given. Raises StoreError.
    """
    import sqlalchemy as sa

    from .tables import calls

    conditions = [calls.c.state != State.REFUSED.value]
    if before is not None:
        # The requests of a node leave at the same moment, so the moment alone would lose some.
        place = sa.tuple_(calls.c.sent_at, calls.c.number)
        conditions.append(
            place < sa.select(calls.c.sent_at, calls.c.number).where(calls.c.id == before).scalar_subquery()
        )
    return _read(journal, *conditions, last=count)[::-1]


def in_the_air(journal: Journal) -> list[Call]:
    """The calls that are waited for now, by whichever process, oldest first. Raises StoreError."""
    from .tables import calls

    database = journal.open()
    sent = _read(journal, calls.c.state == State.SENT.value)
    return [call for call in sent if _is_held(database, journal.folder / "locks", call.key)]


def _is_held(database: Database, folder: Path, key: str) -> bool:
    """Whether somebody has the lock of ``key``: whoever waits for its call does, and nobody where there are none."""
    try:
        lock = key_lock(database, folder, key)
        if not lock.acquire():
            return True
    except OSError:
        return False
    lock.release()
    return False


def typical_seconds(journal: Journal) -> dict[str, float]:
    """How long each model took, in the middle, as far as it was asked. Raises StoreError."""
    times: dict[str, list[float]] = defaultdict(list)
    for call in newest(journal, SAMPLE):
        if call.seconds and call.pictures:
            times[call.model].append(call.seconds)
    import statistics

    return {model: round(statistics.median(seconds), 1) for model, seconds in times.items()}


def with_picture(journal: Journal, sha256: str) -> list[Call]:
    """The calls that brought exactly this file, oldest first. Raises StoreError."""
    import sqlalchemy as sa

    from .tables import calls, pictures

    return _read(journal, calls.c.id.in_(sa.select(pictures.c.call_id).where(pictures.c.sha256 == sha256)))


def totals(calls: Iterable[Call], by: By) -> list[Total]:
    """The sums of ``calls`` by day or month of the local calendar, oldest first, or by another feature, dearest first.

    Amounts in different currencies are not added: each has a row of its own.
    """
    groups: dict[tuple[str | None, str], list[Call]] = defaultdict(list)
    for call in calls:
        groups[_name(call, by), call.currency or "USD"].append(call)
    sums = [_sum(name, currency, group) for (name, currency), group in groups.items()]
    if by in ("day", "month"):
        return sorted(sums, key=lambda total: (total.name or "", total.currency))
    return sorted(sums, key=lambda total: (-total.cost, total.name or "", total.currency))


def total(calls: Iterable[Call]) -> list[Total]:
    """The sum of ``calls``; one for each currency, so usually one, and none where there are no calls."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.currency or "USD"].append(call)
    return [_sum(None, currency, group) for currency, group in sorted(groups.items())]


def picture_count(call: Call) -> int:
    """How many pictures a call brought, also where they are not in the store any more."""
    entries = call.facts.get("entries")
    return entries if isinstance(entries, int) else len(call.pictures)


def _sum(name: str | None, currency: str, calls: list[Call]) -> Total:
    return Total(
        name,
        currency,
        len(calls),
        sum(picture_count(call) for call in calls),
        sum(call.cost or 0 for call in calls),
        round(sum(call.seconds or 0.0 for call in calls), 3),
    )


def _name(call: Call, by: By) -> str | None:
    if by == "day":
        return datetime.fromtimestamp(call.sent_at).strftime("%Y-%m-%d")
    if by == "month":
        return datetime.fromtimestamp(call.sent_at).strftime("%Y-%m")
    return {"model": call.model, "workflow": call.workflow, "provider": call.provider}[by]


def _between(since: float | None, until: float | None) -> list[ColumnElement[bool]]:
    from .tables import calls

    bounds = []
    if since is not None:
        bounds.append(calls.c.sent_at >= since)
    if until is not None:
        bounds.append(calls.c.sent_at < until)
    return bounds


def _read(journal: Journal, *conditions: Any, last: int | None = None, without: tuple[str, ...] = ()) -> list[Call]:
    """The calls that meet all ``conditions``, in the order in which they were sent; two queries however many. Columns
    named in ``without`` are left at their defaults.
    """
    import sqlalchemy as sa

    from .tables import calls

    columns = [column for column in calls.c if column.name not in without]
    chosen = sa.select(*columns).where(*conditions)
    chosen = chosen.order_by(calls.c.sent_at.desc(), calls.c.number.desc()).limit(last)
    with journal.open().read() as connection:
        return read_calls(connection, chosen)[::-1]
