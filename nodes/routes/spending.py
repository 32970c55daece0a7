"""What was spent, and what is left."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any

from ..api import Client
from ..errors import LumenfallError
from ..host import Host
from ..purchase.session import Session
from ..spend import NANOS, PERIODS, Total, counted, left_uncertain_count, totals
from .own_loop import aside

DAYS = 30


async def spend(host: Host) -> dict[str, Any]:
    """``today`` and ``month`` as the limits count them, reservations included, and the ``days`` up to today with what
    was confirmed, in US dollars. ``unconverted`` is what counts in other currencies, in units of each, which no rate of
    the user's converts. Raises LumenfallError.
    """
    return await asyncio.to_thread(_spend, host)


def _spend(host: Host) -> dict[str, Any]:
    session = Session(host)
    journal = session.journal
    limits = journal.limits(session.limits)
    today, month = counted(journal, limits)
    first = date.today() - timedelta(days=DAYS - 1)
    start = datetime.combine(first, time.min).timestamp()
    by_day: dict[str | None, Total] = {
        total.name: total for total in totals(journal, "day", start) if total.currency == "USD"
    }
    dates = [(first + timedelta(days=number)).isoformat() for number in range(DAYS)]
    return {
        "currency": "USD",
        "today": today.amount / NANOS,
        "month": month.amount / NANOS,
        "unconverted": [
            {"currency": currency, "today": today.unconverted.get(currency, 0) / NANOS, "month": amount / NANOS}
            for currency, amount in sorted(month.unconverted.items())
        ],
        "limits": {period: getattr(limits, period) for period in PERIODS},
        "days": [_day(name, by_day.get(name)) for name in dates],
        "uncertain": left_uncertain_count(journal),
    }


def _day(name: str, total: Total | None) -> dict[str, Any]:
    return {"date": name, "cost": total.cost_in_units if total else 0.0, "pictures": total.pictures if total else 0}


async def balance(host: Host) -> dict[str, Any]:
    """Prepaid money left; None, and the reason, where the server cannot tell."""
    return await aside(lambda: _balance(host))


async def _balance(host: Host) -> dict[str, Any]:
    try:
        async with Client(Session(host).server) as client:
            found = await client.balance()
    except LumenfallError as error:
        return {"amount": None, "currency": None, "reason": f"{error.message} {error.hint}".strip()}
    return {"amount": found.amount, "currency": found.currency, "reason": None}
