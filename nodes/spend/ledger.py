"""The ledger: what was spent, read from the journal. Amounts are added in nanos and therefore exact."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from ..errors import Charged
from .budget import Counted, Limits, spent_now
from .calls import NANOS, Call, State
from .journal import Journal
from .locks import key_lock
from .rows import read_calls, read_paged
from .sums import ALL, QUARTER
from .sums import since as sums_since

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from .database import Database

SAMPLE = 500
"""Calls from which it is told how long a model takes, and how often it brings pictures."""

PAGE = 1000
"""Calls that are read at a time where there may be any number."""

By = Literal["day", "month", "model", "workflow", "provider", "worker"]


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
    def cost_in_units(self) -> float:
        """The cost in units of ``currency``."""
        return self.cost / NANOS


def entries(journal: Journal, since: float | None = None, until: float | None = None) -> Iterator[Call]:
    """Every call with a confirmed cost that was sent from ``since`` on and before ``until`` (seconds since 1970),
    oldest first and without their graphs, read page by page. Calls that were refused are no spend. Raises StoreError.
    """
    return _each(journal, *_paid(), *_between(since, until))


def newest_entries(journal: Journal, count: int, since: float | None = None) -> list[Call]:
    """The last ``count`` of :func:`entries`, the newest last."""
    return _read(journal, *_paid(), *_between(since, None), last=count)


def uncertain(journal: Journal, since: float | None = None, until: float | None = None) -> Iterator[Call]:
    """The calls that were or may have been charged, but whose cost nobody has named, oldest first; among them those
    that are in the air. Their ``reserved`` counts against the limits. Raises StoreError.
    """
    return _each(journal, *_unpriced(), *_between(since, until))


def newest_uncertain(journal: Journal, count: int, since: float | None = None) -> list[Call]:
    """The last ``count`` of :func:`uncertain`, the newest last."""
    return _read(journal, *_unpriced(), *_between(since, None), last=count)


def uncertain_count(journal: Journal, since: float | None = None) -> tuple[int, int]:
    """How many :func:`uncertain` would read, and what is reserved for them in nanos; ``since`` is the beginning of a
    day. Raises StoreError.
    """
    import sqlalchemy as sa

    from .tables import sums

    query = sa.select(sa.func.sum(sums.c.unpriced), sa.func.sum(sums.c.reserved)).where(sums_since(ALL, since))
    with journal.open().read() as connection:
        count, reserved = connection.execute(query).one()
    return int(count or 0), int(reserved or 0)


def counted(journal: Journal, limits: Limits) -> tuple[Counted, Counted]:
    """What counts today, and this month, against ``limits``, reservations included. Raises StoreError."""
    with journal.open().read() as connection:
        return spent_now(connection, limits)


def dearest(journal: Journal, model: str, limits: Limits) -> int | None:
    """The most that one picture of ``model`` has cost, or was going to, in nanos of a US dollar; None where that is
    not known. Raises StoreError.
    """
    import sqlalchemy as sa

    from .tables import calls

    amount = sa.func.coalesce(calls.c.cost, calls.c.reserved)
    pictures = sa.func.coalesce(calls.c.asked["n"].as_integer(), 1)
    # Rounded up. What was refused for its price was a price all the same, but a cost of nothing tells nothing.
    each = sa.func.max((amount + pictures - 1) / pictures)
    currency = sa.case((calls.c.cost.is_(None), "USD"), else_=sa.func.coalesce(calls.c.currency, "USD"))
    query = sa.select(currency, each).where(calls.c.model == model, amount > 0).group_by(currency)
    with journal.open().read() as connection:
        rows = connection.execute(query).all()
    prices = [limits.in_dollars(int(price), name) for name, price in rows]
    return max((price for price in prices if price is not None), default=None)


def kept(journal: Journal) -> Iterator[Call]:
    """Every call with pictures in the store, or with pictures still to be fetched, oldest first and without their
    graphs, read page by page. Raises StoreError.
    """
    return _each(journal, _is_kept())


def newest_kept(journal: Journal, count: int) -> list[Call]:
    """The last ``count`` of :func:`kept`, the newest last."""
    return _read(journal, _is_kept(), last=count)


def kept_count(journal: Journal) -> int:
    """How many :func:`kept` would read. Raises StoreError."""
    import sqlalchemy as sa

    from .tables import calls

    with journal.open().read() as connection:
        query = sa.select(sa.func.count()).select_from(calls).where(_is_kept())
        return int(connection.execute(query).scalar() or 0)


def newest(journal: Journal, count: int, before: str | None = None, words: Sequence[str] = ()) -> list[Call]:
    """The last ``count`` calls that were not refused, newest first; of those older than the call with the id
    ``before``, where it is given, and of those whose model, prompt or node's title hold each of ``words``, in capitals
    or not. Raises StoreError.
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
    # What no database takes is in none of them.
    words = [word.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}") for word in words]
    searched = (calls.c.model, calls.c.node_title, calls.c.asked["prompt"].as_string())
    conditions += [sa.or_(*(text.icontains(word, autoescape=True) for text in searched)) for word in words]
    return _read(journal, *conditions, last=count)[::-1]


def calls_of_runs(journal: Journal, prefix: str) -> list[Call]:
    """The calls of the runs whose ids begin with ``prefix``, hex digits. Raises StoreError."""
    from .tables import calls

    return _read(journal, calls.c.run_id.between(prefix, f"{prefix}g"))


def in_the_air(journal: Journal) -> list[Call]:
    """The calls that are waited for now, by whichever process, oldest first. Raises StoreError."""
    from .tables import calls

    return waited_for(journal, _read(journal, calls.c.state == State.SENT.value))


def waited_for(journal: Journal, calls: Sequence[Call]) -> list[Call]:
    """Those of ``calls`` whose answer somebody is waiting for. Raises StoreError."""
    database, folder = journal.open(), journal.folder / "locks"
    return [call for call in calls if call.state is State.SENT and _is_held(database, folder, call.key)]


def left_uncertain_count(journal: Journal) -> int:
    """How many of :func:`uncertain` nobody waits for any more. Raises StoreError."""
    import sqlalchemy as sa

    from .tables import calls, sums

    sent = _read(journal, calls.c.state == State.SENT.value)
    held = {call.id for call in waited_for(journal, sent)}
    left = [call.id for call in sent if call.id not in held]
    # In one statement: between two, a call may leave or come back, and would be counted as what it is not.
    total = sa.select(sa.func.sum(sums.c.unpriced)).where(sums_since(ALL, None)).scalar_subquery()
    in_the_air = sa.select(sa.func.count()).where(
        *_unpriced(), calls.c.state == State.SENT.value, calls.c.id.not_in(left)
    )
    with journal.open().read() as connection:
        count = connection.scalar(sa.select(sa.func.coalesce(total, 0) - in_the_air.scalar_subquery()))
    return int(count or 0)


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


@dataclass(frozen=True)
class Experience:
    """What the user's last calls tell of a model: how many have ended, how many of them brought pictures, and how long
    those took, in the middle; None where none did.
    """

    calls: int
    brought: int
    seconds: float | None


def experiences(journal: Journal) -> dict[str, Experience]:
    """What is known of each model, as far as it was asked, refusals included. Raises StoreError."""
    from .tables import calls

    ended: dict[str, list[Call]] = defaultdict(list)
    for call in _read(journal, calls.c.state != State.SENT.value, last=SAMPLE):
        ended[call.model].append(call)
    return {model: _experience(known) for model, known in ended.items()}


def _experience(ended: Sequence[Call]) -> Experience:
    seconds = [call.seconds for call in ended if call.seconds and call.pictures]
    brought = sum(call.state not in (State.LOST, State.REFUSED) for call in ended)
    return Experience(len(ended), brought, round(statistics.median(seconds), 1) if seconds else None)


def with_picture(journal: Journal, sha256: str) -> list[Call]:
    """The calls that brought exactly this file, oldest first. Raises StoreError."""
    import sqlalchemy as sa

    from .tables import calls, pictures

    return _read(journal, calls.c.id.in_(sa.select(pictures.c.call_id).where(pictures.c.sha256 == sha256)))


def totals(journal: Journal, by: By, since: float | None = None) -> list[Total]:
    """The sums of :func:`entries` by day or month of the local calendar, oldest first, or by another feature, dearest
    first; from ``since`` on, the beginning of a day. Raises StoreError.

    Amounts in different currencies are not added: each has a row of its own.
    """
    groups: dict[tuple[Any, str], list[int]] = defaultdict(lambda: [0] * len(_SUMMED))
    if by in ("day", "month"):
        for day, _, currency, amounts in _days(journal, ALL, since):
            _add(groups[day if by == "day" else day.replace(day=1), currency], amounts)
        form = "%Y-%m-%d" if by == "day" else "%Y-%m"
        return [_total(day.strftime(form), currency, sums) for (day, currency), sums in sorted(groups.items())]
    found = [_total(name or None, currency, amounts) for name, currency, amounts in _sums(journal, by, since)]
    return sorted(found, key=lambda total: (-total.cost, total.name or "", total.currency))


def total(journal: Journal, since: float | None = None) -> list[Total]:
    """The sum of :func:`entries`; one for each currency, so usually one, and none where there are no calls."""
    found = [_total(None, currency, amounts) for _, currency, amounts in _sums(journal, ALL, since)]
    return sorted(found, key=lambda total: total.currency)


def daily(journal: Journal, since: float | None = None) -> list[tuple[date, Total]]:
    """What each model cost on each day of the local calendar. Raises StoreError."""
    groups: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0] * len(_SUMMED))
    for day, name, currency, amounts in _days(journal, "model", since):
        _add(groups[day, name, currency], amounts)
    return [(day, _total(name, currency, sums)) for (day, name, currency), sums in sorted(groups.items())]


_SUMMED = ("count", "pictures", "cost", "milliseconds")
"""What a Total is made of."""


def _sums(journal: Journal, feature: str, since: float | None) -> list[tuple[str, str, Sequence[Any]]]:
    """Name, currency and amounts."""
    import sqlalchemy as sa

    from .tables import sums

    amounts = [sa.func.sum(sums.c[name]) for name in _SUMMED]
    query = sa.select(sums.c.name, sums.c.currency, *amounts).where(sums_since(feature, since))
    query = query.group_by(sums.c.name, sums.c.currency).having(amounts[0] > 0)
    with journal.open().read() as connection:
        return [(row[0], row[1], tuple(row)[2:]) for row in connection.execute(query)]


def _days(journal: Journal, feature: str, since: float | None) -> Iterator[tuple[date, str, str, Sequence[int]]]:
    """Day of the local calendar, name, currency and amounts, a quarter of an hour at a time."""
    import sqlalchemy as sa

    from .tables import sums

    amounts = [sums.c[name] for name in _SUMMED]
    query = sa.select(sums.c.start, sums.c.name, sums.c.currency, *amounts)
    query = query.where(sums.c.feature == feature, sums.c.span == QUARTER, amounts[0] > 0)
    if since is not None:
        query = query.where(sums.c.start >= math.floor(since))
    with journal.open().read() as connection:
        for start, name, currency, *found in connection.execute(query):
            yield date.fromtimestamp(start), name, currency, found


def _add(sums: list[int], amounts: Sequence[int]) -> None:
    for place, amount in enumerate(amounts):
        sums[place] += amount


def _total(name: str | None, currency: str, amounts: Sequence[Any]) -> Total:
    # PostgreSQL's sums are decimals.
    count, pictures, cost, thousandths = map(int, amounts)
    return Total(name, currency, count, pictures, cost, thousandths / 1000)


def picture_count(call: Call) -> int:
    """How many pictures a call brought, also where they are not in the store any more."""
    entries = call.facts.get("entries")
    return entries if isinstance(entries, int) else len(call.pictures)


def _paid() -> list[ColumnElement[bool]]:
    from .tables import calls

    return [calls.c.cost.is_not(None), calls.c.state != State.REFUSED.value]


def _unpriced() -> list[ColumnElement[bool]]:
    from .tables import calls

    return [calls.c.cost.is_(None), calls.c.charged != Charged.NO.value]


def _is_kept() -> ColumnElement[bool]:
    import sqlalchemy as sa

    from .tables import calls, pictures

    has_pictures = sa.exists().where(pictures.c.call_id == calls.c.id)
    return sa.or_(has_pictures, calls.c.state == State.ANSWERED.value)


def _between(since: float | None, until: float | None) -> list[ColumnElement[bool]]:
    from .tables import calls

    bounds = []
    if since is not None:
        bounds.append(calls.c.sent_at >= since)
    if until is not None:
        bounds.append(calls.c.sent_at < until)
    return bounds


def _read(journal: Journal, *conditions: Any, last: int | None = None) -> list[Call]:
    """The calls that meet all ``conditions``, in the order in which they were sent; two queries however many."""
    import sqlalchemy as sa

    from .tables import calls

    chosen = sa.select(calls).where(*conditions)
    chosen = chosen.order_by(calls.c.sent_at.desc(), calls.c.number.desc()).limit(last)
    with journal.open().read() as connection:
        return read_calls(connection, chosen)[::-1]


def _each(journal: Journal, *conditions: Any) -> Iterator[Call]:
    """The same, however many, page by page and without their graphs."""
    database = journal.open()
    yield from read_paged(lambda: database, "sent_at", conditions, PAGE)
