"""Limits and clocks: what was spent, or may have been, counts, whatever the clock says."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged
from tests.faults.answers import without_log
from tests.faults.child import Outcome
from tests.faults.databases import database, garbage
from tests.faults.killing import NOT_KNOWN, finished, still_at_work
from tests.faults.table import KILLED, PAID_FOR, Act, Expected, Row, both, bought, do, fails, replayed
from tests.faults.world import World

DAY = 24 * 3600.0
MONTH = 32 * DAY
ONE_A_DAY = {"LUMENFALL_LIMIT_DAY": "0.04"}
ONE_A_MONTH = {"LUMENFALL_LIMIT_MONTH": "0.04"}
"""A picture costs 0.03."""

TOO_DEAR = fails(errors.BudgetExceeded)


def at(clock: float, **inputs: Any) -> Callable[[World], Outcome]:
    """A run in a process whose clock is wrong by so many seconds."""
    return lambda world: world.start(clock=clock, **inputs).outcome()


def _then(moment: str, **inputs: Any) -> Callable[[World], Outcome]:
    """A run at that moment."""
    return lambda world: at(datetime.fromisoformat(moment).timestamp() - time.time(), **inputs)(world)


def _two_midnights(name: str, zone: str, first: str, second: str, limit: dict[str, str]) -> Row:
    """Clocks go back from 01:00 to 00:00 of the same day."""
    return Row(
        f"limit reached before the second midnight {name}",
        bought(),
        TOO_DEAR,
        (1, 1),
        env={**limit, "TZ": zone},
        runs=_then(first),
        again=_then(second, seed=5),
        after=do(lambda world: [world.env.pop(variable) for variable in limit]),
    )


def _another(expected: Expected) -> Act:
    """Another picture is ordered, with the limit still set."""

    def after(world: World, patch: pytest.MonkeyPatch) -> None:
        before = len(world.orders)
        outcome = world.run(seed=5)
        expected.check(outcome, ())
        assert len(world.orders) == before
        world.check_money(outcome, 0)
        for name in ("LUMENFALL_LIMIT_DAY", "LUMENFALL_LIMIT_MONTH", "LUMENFALL_LIMIT_RUN"):
            world.env.pop(name, None)

    return after


def _limited(name: str, first: Expected, second: Expected, bills: tuple[int, int], **more: Any) -> Row:
    """No further picture fits under the limit after it."""
    return Row(name, first, second, bills, **{"env": ONE_A_DAY, "after": _another(TOO_DEAR), **more})


def _clock(name: str, first: float = 0, again: float = 0, **more: Any) -> Row:
    return Row(f"clock {name}", bought(), replayed(), (1, 1), runs=at(first), again=at(again), **more)


def _set_back(name: str, seconds: float, limit: dict[str, str]) -> Row:
    """What was spent while the clock was ahead counts when it is right again."""
    return _clock(name, first=seconds, env=limit, after=_another(TOO_DEAR))


ROWS = [
    _clock("right"),
    _clock("set back a day", again=-DAY),
    _clock("set back a month", again=-MONTH),
    _clock("set forward a day", again=DAY),
    _clock("set forward a month", again=MONTH),
    _set_back("set back a day, with a limit", DAY, ONE_A_DAY),
    _set_back("set back a month, with a limit", MONTH, ONE_A_DAY),
    _set_back("set back a day, with a month's limit", DAY, ONE_A_MONTH),
    _set_back("set back a month, with a month's limit", MONTH, ONE_A_MONTH),
    *(
        Row(
            f"clock {name} while a call was lost",
            fails(errors.ConnectionFailed, Charged.YES),
            PAID_FOR,
            (1, 1),
            faults=("reset-before-headers",),
            runs=at(seconds),
        )
        for name, seconds in (("a day behind", -DAY), ("a day ahead", DAY))
    ),
    _two_midnights(
        "of a day",
        "<-01>1<+00>,M3.5.0/0,M10.5.0/1",  # the Azores
        "2026-10-25T00:30+00:00",
        "2026-10-25T00:30-01:00",
        ONE_A_DAY,
    ),
    _two_midnights(
        "of a month",
        "CST5CDT,M3.2.0/0,M11.1.0/1",  # Havana
        "2026-11-01T00:30-04:00",
        "2026-11-01T00:30-05:00",
        ONE_A_MONTH,
    ),
    _limited("limit reached", bought(), replayed(), (1, 1)),
    _limited("limit reached, by the month", bought(), replayed(), (1, 1), env=ONE_A_MONTH),
    _limited("limit reached, database of garbage", bought(), replayed(), (1, 1), between=database(garbage)),
    _limited(
        "limit reached by a lost call",
        fails(errors.ConnectionFailed, Charged.YES),
        PAID_FOR,
        (1, 1),
        faults=("reset-before-headers",),
    ),
    _limited(
        "limit reached by what may have been charged",
        fails(errors.ConnectionFailed, Charged.UNKNOWN),
        fails(errors.Unresolved, Charged.UNKNOWN),
        (1, 1),
        faults=("reset-before-headers",),
        provoke=without_log,
        between=without_log,
    ),
    _limited(
        "limit reached by what the server still works on",
        KILLED,
        NOT_KNOWN,
        (0, 0),
        runs=still_at_work,
        ledger_late=True,
        after=both(_another(TOO_DEAR), finished),
    ),
    Row(
        "limit not reached by what was refused",
        fails(errors.ServerFault),
        bought(),
        (0, 1),
        faults=("status-500",),
        env=ONE_A_DAY,
    ),
    Row(
        "limit below the price",
        TOO_DEAR,
        bought(),
        (0, 1),
        env={"LUMENFALL_LIMIT_DAY": "0.02"},
        between=do(lambda world: world.env.pop("LUMENFALL_LIMIT_DAY")),
    ),
]
