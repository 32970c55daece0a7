"""Limits on what may be spent, and whether one more request fits under them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from ..errors import BudgetExceeded
from .calls import NANOS, Call, nanos
from .sums import ALL, QUARTER, RUN, shown, since

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

PERIODS = ("run", "day", "month")


@dataclass(frozen=True)
class Limits:
    """What may be spent at most, in US dollars; None: no limit. Days and months are those of the local calendar.
    ``rates`` say what one unit of another currency is worth in US dollars, by the user's own figures. ``batch`` is what
    the runs whose ids begin with ``batch_id``, hex digits, may spend together, and ``batch_elsewhere`` what they have
    spent by another journal.
    """

    run: float | None = None
    day: float | None = None
    month: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    batch: float | None = None
    batch_id: str | None = None
    batch_elsewhere: float = 0.0

    def __bool__(self) -> bool:
        return any(getattr(self, period) is not None for period in (*PERIODS, "batch"))

    def strictest(self, others: Mapping[str, float]) -> Limits:
        """These limits, and no more than what ``others`` allow in a period."""

        def lowest(period: str) -> float | None:
            both = (getattr(self, period), others.get(period))
            return min((limit for limit in both if limit is not None), default=None)

        return replace(self, run=lowest("run"), day=lowest("day"), month=lowest("month"))

    def in_dollars(self, amount: int, currency: str) -> int | None:
        """An amount in nanos of ``currency`` as nanos of a US dollar, rounded up; None where no rate is known."""
        currency = currency.upper()
        if currency == "USD" or not amount:
            return amount
        rate = next((rate for name, rate in self.rates.items() if name.upper() == currency), None)
        return None if rate is None else math.ceil(Decimal(amount) * Decimal(str(rate)))


@dataclass(frozen=True)
class Counted:
    """What counts against a limit: nanos of a US dollar; ``unconverted`` are the nanos of other currencies that no rate
    converts.
    """

    amount: int = 0
    unconverted: Mapping[str, int] = field(default_factory=dict)

    @property
    def currencies(self) -> tuple[str, ...]:
        return tuple(sorted(self.unconverted))


def require(connection: Connection, limits: Limits, call: Call, needed: int | None) -> None:
    """Raise BudgetExceeded if ``needed`` nanos more would break a limit, or if what was spent cannot be compared with
    it.

    What is reserved, and what may have been charged, counts as spent. Call it in the write transaction that books
    the reservation: then no two callers can be let through together. The day is the one that ``call`` will be booked
    on, however long it has waited for its turn.
    """
    if limits and needed is None:
        raise BudgetExceeded(
            "A limit was set while this request waited.", hint="Nothing was sent. Run again: it is priced then."
        )
    day, month = _starts(call.sent_at)
    periods = [
        ("run", limits.run, _in_run(call.run_id) if call.run_id else None),
        ("day", limits.day, since(ALL, day)),
        ("month", limits.month, since(ALL, month)),
    ]
    for period, limit, condition in periods:
        if limit is None or condition is None:
            continue
        spent = _spent(connection, condition, limits)
        if spent.currencies:
            raise unconverted(spent.currencies[0], f"what was spent in this {period} cannot be compared with it")
        if spent.amount + (needed or 0) > nanos(limit):
            used = f"{_dollars(spent.amount)} are spent or reserved"
            used += "" if period == "run" else _ahead(connection, call, limits)
            # Where nothing is left, it is not asked what the next one would cost.
            is_reached = spent.amount >= nanos(limit)
            error = BudgetExceeded(
                f"The limit per {period} of {_limit(limit)} USD is reached: {used}."
                if is_reached
                else f"The limit per {period} is {_limit(limit)} USD: {used}, {_dollars(needed or 0)} would be needed.",
                hint=f"Nothing was sent. Raise the limit per {period} in the settings (lumenfall limits shows where it "
                "comes from), or choose a cheaper model.",
            )
            error.is_of_run = period == "run"
            raise error
    if limits.batch is not None and limits.batch_id:
        _require_in_batch(connection, limits.batch, limits, needed or 0)


MAX_COST = "MAX_COST"


def _require_in_batch(connection: Connection, limit: float, limits: Limits, needed: int) -> None:
    spent = _spent(connection, _in_batch(limits.batch_id or ""), limits)
    if spent.currencies:
        raise unconverted(spent.currencies[0], "what these rows have spent cannot be compared with it")
    amount = spent.amount + nanos(limits.batch_elsewhere)
    if amount + needed > nanos(limit):
        used = f"{_dollars(amount)} are spent or reserved for these rows since they were first begun"
        # Where nothing is left, it is not asked what the next one would cost.
        is_reached = amount >= nanos(limit)
        raise BudgetExceeded(
            f"--max-cost is reached, {_limit(limit)} USD: {used}."
            if is_reached
            else f"--max-cost is {_limit(limit)} USD: {used}, {_dollars(needed)} would be needed.",
            code=MAX_COST,
            hint="Nothing was sent. The same command with more goes on where this one ended.",
        )


def _ahead(connection: Connection, call: Call, limits: Limits) -> str:
    """What part of that lies in the future: it counts, lest a clock be set ahead to spend more."""
    import sqlalchemy as sa

    from .tables import sums

    today = _midnight(max(call.sent_at, time.time()))
    later = since(ALL, (today + timedelta(days=1)).timestamp())
    amount = _spent(connection, later, limits).amount
    if not amount:
        return ""
    # By the quarter of an hour, since a day in UTC may begin on the day before.
    last = sa.select(sa.func.max(sums.c.start)).where(sums.c.feature == ALL, sums.c.span == QUARTER, sums.c.counted > 0)
    date = datetime.fromtimestamp(connection.execute(last).scalar_one()).strftime("%Y-%m-%d")
    return f" ({_dollars(amount)} of it dated in the future, up to {date}, by a clock that was ahead)"


def unconverted(currency: str, consequence: str) -> BudgetExceeded:
    """The refusal where a limit meets an amount in another currency than its own."""
    return BudgetExceeded(
        f"A limit is set in US dollars, but the server counts in {currency}: {consequence}.",
        code="CURRENCY_UNKNOWN",
        hint="Nothing was sent. Enter in settings.json, in the pack's private folder, what one of it is worth in US "
        f'dollars: {{"rates": {{"{currency}": 1.1}}}}.',
    )


def unpriced(model: str) -> BudgetExceeded:
    """The refusal where there is a limit, and nothing to reserve."""
    return BudgetExceeded(
        f"A limit is set, but nobody knows the price of {model} now.",
        code="PRICE_UNKNOWN",
        hint=f"Enter your own figure, in ComfyUI under Settings > Lumenfall, elsewhere in the settings file: "
        f'{{"prices": {{"{model}": 0.04}}}}, or try again later. Nothing was sent.',
    )


def shared_limits(connection: Connection) -> dict[str, float]:
    """Those that hold for everybody who shares the journal, in US dollars."""
    import sqlalchemy as sa

    from .tables import limits

    rows = connection.execute(sa.select(limits.c.period, limits.c.amount))
    return {period: amount / NANOS for period, amount in rows if period in PERIODS}


def share_limits(connection: Connection, changes: Mapping[str, float | None]) -> None:
    """Set limits for everybody who shares the journal; None lifts one."""
    import sqlalchemy as sa

    from .tables import limits

    for period, limit in changes.items():
        connection.execute(sa.delete(limits).where(limits.c.period == period))
        if limit is not None:
            connection.execute(sa.insert(limits).values(period=period, amount=nanos(limit)))


def spent_now(connection: Connection, limits: Limits) -> tuple[Counted, Counted]:
    """What counts against the limits per day and per month."""
    day, month = _starts(time.time())
    return _spent(connection, since(ALL, day), limits), _spent(connection, since(ALL, month), limits)


def spent_in_batch(connection: Connection, batch_id: str) -> Counted:
    """What counts against the limit of a batch."""
    return _spent(connection, _in_batch(batch_id), Limits())


def _spent(connection: Connection, condition: ColumnElement[bool], limits: Limits) -> Counted:
    import sqlalchemy as sa

    from .tables import sums

    query = sa.select(sums.c.currency, sa.func.sum(sums.c.counted)).where(condition).group_by(sums.c.currency)
    amounts = {currency: int(amount) for currency, amount in connection.execute(query)}
    converted = {currency: limits.in_dollars(amount, currency) for currency, amount in amounts.items()}
    unknown = {currency: amounts[currency] for currency, amount in converted.items() if amount is None}
    return Counted(sum(amount for amount in converted.values() if amount is not None), unknown)


def _in_run(run_id: str) -> ColumnElement[bool]:
    import sqlalchemy as sa

    from .tables import sums

    return sa.and_(sums.c.feature == RUN, sums.c.span == 0, sums.c.start == 0, sums.c.name == shown(run_id))


def _in_batch(batch_id: str) -> ColumnElement[bool]:
    import sqlalchemy as sa

    from .tables import sums

    # A range, which the index serves; "g" follows every digit.
    is_in = sums.c.name.between(batch_id, f"{batch_id}g")
    return sa.and_(sums.c.feature == RUN, sums.c.span == 0, sums.c.start == 0, is_in)


def _starts(now: float) -> tuple[float, float]:
    """Where the day and the month of ``now`` begin."""
    midnight = _midnight(now)
    return midnight.timestamp(), midnight.replace(day=1).timestamp()


def _midnight(moment: float) -> datetime:
    """Where the local day of ``moment`` begins: with the first of two midnights, and where clocks go forward then, with
    the hour after it.
    """
    return datetime.fromtimestamp(moment).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _limit(limit: float) -> str:
    return f"{limit:.2f}" if round(limit, 2) == limit else _exact(nanos(limit))


def _dollars(amount: int) -> str:
    """To four digits after the point, where that leaves two that count."""
    return _exact(round(amount, -5) if abs(amount) >= NANOS // 1000 else amount)


def _exact(amount: int) -> str:
    return f"{Decimal(amount).scaleb(-9):.9f}".rstrip("0").rstrip(".")
