"""Limits on what may be spent, and whether one more request fits under them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import BudgetExceeded, Charged
from .calls import NANOS, nanos

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True)
class Limits:
    """What may be spent at most, in US dollars; None: no limit. Days and months are those of the local calendar."""

    run: float | None = None
    day: float | None = None
    month: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.run, self.day, self.month))


def require(connection: Connection, limits: Limits, run_id: str | None, needed: int) -> None:
    """Raise BudgetExceeded if ``needed`` nanos more would break a limit.

    What is reserved, and what may have been charged, counts as spent. Call it in the write transaction that books
    the reservation: then no two callers can be let through together.
    """
    day, month = _starts(time.time())
    periods = [
        ("run", limits.run, None if run_id is None else _in_run(run_id)),
        ("day", limits.day, _since(day)),
        ("month", limits.month, _since(month)),
    ]
    for period, limit, condition in periods:
        if limit is None or condition is None:
            continue
        spent = _spent(connection, condition)
        if spent + needed > nanos(limit):
            raise BudgetExceeded(
                f"The limit per {period} is {limit:.2f} USD: {_dollars(spent)} are spent or reserved, "
                f"{_dollars(needed)} would be needed.",
                hint=f"Nothing was sent. Raise the limit per {period} in the settings, or choose a cheaper model.",
            )


def spent_now(connection: Connection) -> tuple[int, int]:
    """What counts against the limits per day and per month, in nanos."""
    day, month = _starts(time.time())
    return _spent(connection, _since(day)), _spent(connection, _since(month))


def _spent(connection: Connection, condition: ColumnElement[bool]) -> int:
    import sqlalchemy as sa

    from .tables import calls

    amount = sa.func.coalesce(calls.c.cost, calls.c.reserved, 0)
    # What was confirmed counts even where it was not worth it; what was refused holds no reservation.
    counted = sa.or_(calls.c.cost.is_not(None), calls.c.charged != Charged.NO.value)
    return int(connection.execute(sa.select(sa.func.sum(amount)).where(condition, counted)).scalar() or 0)


def _in_run(run_id: str) -> ColumnElement[bool]:
    from .tables import calls

    return calls.c.run_id == run_id


def _since(moment: float) -> ColumnElement[bool]:
    """No upper bound: after the clock was set back, what lies in the future counts still."""
    from .tables import calls

    return calls.c.sent_at >= moment


def _starts(now: float) -> tuple[float, float]:
    """Where the day and the month of ``now`` begin."""
    midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp(), midnight.replace(day=1).timestamp()


def _dollars(amount: int) -> str:
    return f"{amount / NANOS:.4f}".rstrip("0").rstrip(".") or "0"
