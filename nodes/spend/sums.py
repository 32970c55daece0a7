"""What the calls add up to, kept in the transaction that enters each, so that nobody has to add a million of them.

A row of ``sums`` stands for the calls of one name of a feature (all of them, a model, a run ...), one currency, and one
span of time: a quarter of an hour, at which the days of every time zone begin, or a day in UTC, which is there to be
quick. So a sum is nobody's calendar, and gives everybody's.

count, pictures, cost, milliseconds   of calls with a confirmed cost (the ledger)
counted                               what counts against limits, reservations included
unpriced, reserved                    how many calls may have been charged without a known cost, and their reservations
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import Charged
from .calls import State

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

QUARTER, DAY = 900, 86400
"""Seconds of the two spans."""

ALL, RUN = "", "run"
FEATURES = ("model", "workflow", "provider", "worker")
"""``ALL`` has one name, the empty one; so has a feature that a call has not."""

AMOUNTS = ("count", "pictures", "cost", "milliseconds", "counted", "unpriced", "reserved")

_LONGEST_NAME = 200
_PAGE = 5000

Key = tuple[str, int, int, str, str]
"""feature, span, start, name, currency"""


def shown(name: str | None) -> str:
    """A name as the sums have it."""
    return (name or "")[:_LONGEST_NAME]


def shares(row: Mapping[str, Any], pictures: int) -> dict[Key, list[int]]:
    """What a row of ``calls``, with so many ``pictures`` stored, adds to which sums."""
    cost, reserved = row["cost"], row["reserved"] or 0
    is_paid = cost is not None and row["state"] != State.REFUSED.value
    is_unpriced = cost is None and row["charged"] != Charged.NO.value
    if cost is None and not is_unpriced:
        return {}
    brought = row["facts"].get("entries")
    amounts = [
        int(is_paid),
        (brought if isinstance(brought, int) else pictures) if is_paid else 0,
        cost if is_paid else 0,
        round((row["seconds"] or 0.0) * 1000) if is_paid else 0,
        # What was confirmed counts even where it was not worth it; what was refused holds no reservation.
        reserved if cost is None else cost,
        int(is_unpriced),
        reserved if is_unpriced else 0,
    ]
    # Reservations are in US dollars, whatever the server counts in.
    currency = "USD" if cost is None else (row["currency"] or "USD").upper()
    names = {ALL: "", **{feature: shown(row[feature]) for feature in FEATURES}}
    keys: list[Key] = [(RUN, 0, 0, shown(row["run_id"]), currency)] if row["run_id"] else []
    for span in (QUARTER, DAY):
        start = math.floor(row["sent_at"] / span) * span
        keys += [(feature, span, start, name, currency) for feature, name in names.items()]
    return dict.fromkeys(keys, amounts)


def book(connection: Connection, before: Mapping[Key, list[int]], after: Mapping[Key, list[int]]) -> None:
    """Let the sums follow a call whose shares were ``before`` and are ``after``."""
    changes: dict[Key, list[int]] = {}
    nothing = [0] * len(AMOUNTS)
    for key in {**before, **after}:
        pairs = zip(before.get(key, nothing), after.get(key, nothing), strict=True)
        change = [new - old for old, new in pairs]
        if any(change):
            changes[key] = change
    _add(connection, changes)


def follow(connection: Connection, call_id: str | None = None) -> None:
    """Bring the sums up to what programs of an older version have changed: in all calls, or in one of them."""
    import sqlalchemy as sa

    from .tables import calls, outdated, pictures

    summed = connection.execute(_outdated(call_id is None), {"of_call": call_id}).mappings().all()
    stored = sa.select(sa.func.count()).where(pictures.c.call_id == calls.c.id).scalar_subquery()
    for before in summed:
        columns = [calls.c[column.name] for column in outdated.c if column.name in calls.c]
        chosen = sa.select(*columns, stored.label("stored")).where(calls.c.id == before["call_id"])
        now = connection.execute(chosen).mappings().one()
        book(connection, shares({**before}, before["stored"]), shares({**now}, now["stored"]))
        followed(connection, before["call_id"])


@cache
def _outdated(is_all: bool) -> Any:
    import sqlalchemy as sa

    from .tables import outdated

    return sa.select(outdated) if is_all else sa.select(outdated).where(outdated.c.call_id == sa.bindparam("of_call"))


def followed(connection: Connection, call_id: str) -> None:
    """The sums are up to this call."""
    connection.execute(_forget(), {"of_call": call_id})


@cache
def _forget() -> Any:
    import sqlalchemy as sa

    from .tables import outdated

    return sa.delete(outdated).where(outdated.c.call_id == sa.bindparam("of_call"))


def are_behind(connection: Connection) -> bool:
    """Whether a program of an older version has changed calls."""
    return connection.execute(_first_outdated()).first() is not None


@cache
def _first_outdated() -> Any:
    import sqlalchemy as sa

    from .tables import outdated

    return sa.select(outdated.c.call_id).limit(1)


def are_missing(connection: Connection) -> bool:
    """Whether there are calls, and no sums at all."""
    import sqlalchemy as sa

    from .tables import calls, sums

    has_sums, has_calls = (
        connection.execute(sa.select(column).limit(1)).first() is not None for column in (sums.c.span, calls.c.id)
    )
    return has_calls and not has_sums


def agree(connection: Connection) -> bool:
    """Whether the calls add up to the sums, of each feature and span; so far as that can be told while a program of an
    older version has changed calls. Looks at every call.
    """
    if are_behind(connection) or are_missing(connection):
        return True
    parameters = {"refused": State.REFUSED.value, "free": Charged.NO.value}
    own = tuple(connection.exec_driver_sql(_OF_CALLS, parameters).one())
    all_calls, in_runs, farthest = own[:2], own[2:4], own[4]
    if farthest > _LAST_YEAR:
        return False
    found = {(row[0], row[1]): tuple(row[2:]) for row in connection.exec_driver_sql(_OF_SUMS)}
    expected = {(RUN, 0): in_runs, **{(name, span): all_calls for name in (ALL, *FEATURES) for span in (QUARTER, DAY)}}
    return all(found.pop(of, (0, 0)) == amounts for of, amounts in expected.items()) and not found


_PAID = "CASE WHEN state != :refused THEN cost END"
_COUNTED = "CASE WHEN cost IS NOT NULL THEN cost WHEN charged != :free THEN reserved END"
_IN_A_RUN = "CASE WHEN run_id != '' THEN {} END"
_LAST_YEAR = 253370764800.0
"""Seconds from 1970; times beyond cannot be told."""
_OF_CALLS = "SELECT {}, coalesce(max(abs(sent_at)), 0) FROM calls".format(
    ", ".join(
        f"coalesce(sum({amount}), 0)"
        for amount in (_PAID, _COUNTED, _IN_A_RUN.format(_PAID), _IN_A_RUN.format(_COUNTED))
    )
)
_OF_SUMS = "SELECT feature, span, sum(cost), sum(counted) FROM sums GROUP BY feature, span"


def fill(connection: Connection) -> None:
    """Enter the sums of all calls, in place of what there is."""
    import sqlalchemy as sa

    from .tables import calls, outdated, pictures, sums

    connection.execute(sa.delete(sums))
    connection.execute(sa.delete(outdated))
    stored = sa.select(sa.func.count()).where(pictures.c.call_id == calls.c.id).scalar_subquery()
    columns = [calls.c[name] for name in (*FEATURES, "number", "run_id", "sent_at", "state", "charged", "facts")]
    columns += [calls.c.cost, calls.c.reserved, calls.c.currency, calls.c.seconds]
    last = 0
    while True:
        page = sa.select(*columns, stored.label("stored")).where(calls.c.number > last)
        rows = connection.execute(page.order_by(calls.c.number).limit(_PAGE)).mappings().all()
        if not rows:
            return
        last = rows[-1]["number"]
        changes: dict[Key, list[int]] = defaultdict(lambda: [0] * len(AMOUNTS))
        for row in rows:
            for key, amounts in shares({**row}, row["stored"]).items():
                changes[key] = [old + new for old, new in zip(changes[key], amounts, strict=True)]
        _add(connection, changes)


def unpriced_since(connection: Connection, moment: float) -> list[int]:
    """The beginnings of the quarters of an hour from then on in which calls were sent that may have been charged
    without a known cost: the last hundred, the latest first.
    """
    import sqlalchemy as sa

    from .tables import sums

    query = (
        sa.select(sums.c.start)
        .where(sums.c.feature == ALL, sums.c.span == QUARTER, sums.c.start > moment - QUARTER)
        .group_by(sums.c.start)
        .having(sa.func.sum(sums.c.unpriced) > 0)
    )
    return list(connection.execute(query.order_by(sums.c.start.desc()).limit(100)).scalars())


def _add(connection: Connection, changes: Mapping[Key, Iterable[int]]) -> None:
    from .tables import sums

    if not changes:
        return
    names = [column.name for column in sums.c]
    rows = [dict(zip(names, (*key, *amounts), strict=True)) for key, amounts in sorted(changes.items())]
    connection.execute(_adding(connection.dialect.name), rows)


@cache
def _adding(dialect_name: str) -> Any:
    import sqlalchemy  # noqa: F401 - first the package
    from sqlalchemy.dialects import postgresql, sqlite

    from .tables import sums

    dialect: Any = postgresql if dialect_name == "postgresql" else sqlite
    insert = dialect.insert(sums)
    return insert.on_conflict_do_update(
        index_elements=list(sums.primary_key),
        set_={name: sums.c[name] + insert.excluded[name] for name in AMOUNTS},
    )


def since(feature: str, moment: float | None) -> ColumnElement[bool]:
    """The rows of ``feature`` that together stand for all calls that were sent from ``moment``, the beginning of a
    day of some calendar, on; each call once. Those whose time lies in the future are among them.
    """
    import sqlalchemy as sa

    from .tables import sums

    if moment is None:
        return sa.and_(sums.c.feature == feature, sums.c.span == DAY)
    first = math.ceil(moment / DAY) * DAY
    return sa.or_(
        sa.and_(sums.c.feature == feature, sums.c.span == DAY, sums.c.start >= first),
        sa.and_(
            sums.c.feature == feature,
            sums.c.span == QUARTER,
            sums.c.start >= math.floor(moment),
            sums.c.start < first,
        ),
    )
