"""Limits: never overshot, by however many at once, and by no clock."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from datetime import datetime

import pytest

from nodes.errors import BudgetExceeded, Charged
from nodes.spend import Call, Caller, Journal, Limits, State, nanos


def order(journal: Journal, number: int, limits: Limits, price: float, run_id: str = "run") -> Call:
    call = Call(f"{number:04x}".ljust(64, "0"), "http://server", "images/generations", "flux.2-pro")
    return journal.begin(call, Caller(run_id), limits, nanos(price))


def test_what_is_reserved_counts_until_it_is_settled_or_released(journal: Journal) -> None:
    limits = Limits(day=1.0)
    first = order(journal, 1, limits, 0.6)
    with pytest.raises(BudgetExceeded, match=r"limit per day is 1\.00 USD: 0\.6 are spent or reserved, 0\.6 would"):
        order(journal, 2, limits, 0.6)
    journal.settle(replace(first, state=State.REFUSED, charged=Charged.NO))
    second = order(journal, 3, limits, 0.6)
    journal.settle(replace(second, state=State.DONE, charged=Charged.YES, cost=nanos(0.1)))
    order(journal, 4, limits, 0.9)


def test_a_limit_may_be_reached_exactly(journal: Journal) -> None:
    for number in range(10):
        order(journal, number, Limits(day=1.0), 0.1)
    with pytest.raises(BudgetExceeded):
        order(journal, 10, Limits(day=1.0), 0.000000001)


def test_each_run_has_its_own_limit(journal: Journal) -> None:
    order(journal, 1, Limits(run=0.1), 0.1, "one")
    order(journal, 2, Limits(run=0.1), 0.1, "two")
    with pytest.raises(BudgetExceeded, match="limit per run"):
        order(journal, 3, Limits(run=0.1), 0.1, "two")


def test_what_may_have_been_charged_counts(journal: Journal) -> None:
    call = order(journal, 1, Limits(month=1.0), 0.9)
    journal.settle(replace(call, state=State.LOST))
    with pytest.raises(BudgetExceeded, match="per month"):
        order(journal, 2, Limits(month=1.0), 0.2)


def test_many_at_once_do_not_overshoot_together(journal: Journal) -> None:
    passed: list[Call] = []
    start = threading.Barrier(12)

    def buy(number: int) -> None:
        start.wait()
        with contextlib.suppress(BudgetExceeded):
            passed.append(order(Journal(journal.folder), number, Limits(day=0.5), 0.1))

    journal.open()
    threads = [threading.Thread(target=buy, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 5


@pytest.mark.parametrize("days", [1, 31, 400])
def test_setting_the_clock_back_buys_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    order(journal, 1, Limits(day=1.0), 0.9)
    earlier = time.time() - days * 86400
    monkeypatch.setattr(time, "time", lambda: earlier)
    with pytest.raises(BudgetExceeded):
        order(journal, 2, Limits(day=1.0), 0.9)


def test_what_a_clock_that_was_ahead_has_dated_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    order(journal, 1, Limits(), 0.5)
    with monkeypatch.context() as ahead:
        later = time.time() + 10 * 365 * 86400
        ahead.setattr(time, "time", lambda: later)
        order(journal, 2, Limits(), 0.04)
    date = datetime.fromtimestamp(later).strftime("%Y-%m-%d")
    told = rf"0\.54 are spent or reserved \(0\.04 of it dated in the future, up to {date}, by a clock that was ahead\)"
    for limits in (Limits(day=0.55), Limits(month=0.55)):
        with pytest.raises(BudgetExceeded, match=told):
            order(journal, 3, limits, 0.04)


def test_a_new_day_has_a_new_limit(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    order(journal, 1, Limits(day=1.0), 0.9)
    later = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: later)
    order(journal, 2, Limits(day=1.0), 0.9)


def test_shared_limits_bind_who_has_none(journal: Journal) -> None:
    journal.share_limits({"day": 1.0})
    order(journal, 1, Limits(), 0.9)
    with pytest.raises(BudgetExceeded, match=r"per day is 1\.00"):
        order(journal, 2, Limits(day=5.0), 0.2)
    with pytest.raises(BudgetExceeded, match=r"per day is 0\.95"):
        order(journal, 3, Limits(day=0.95), 0.1)


def test_a_limit_that_was_set_while_a_request_waited_unpriced_stops_it(journal: Journal) -> None:
    journal.share_limits({"month": 1.0})
    call = Call("0" * 64, "http://server", "images/generations", "flux.2-pro")
    with pytest.raises(BudgetExceeded, match="while this request waited"):
        journal.begin(call, Caller("run"), Limits(), None)


def test_who_waits_past_midnight_is_counted_on_the_day_that_is_checked(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was busy, and each of them began before midnight."""
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    yesterday = [
        Call(f"{number:064x}", "http://server", "images/edits", "m", sent_at=midnight - 1) for number in range(2)
    ]
    monkeypatch.setattr(time, "time", lambda: midnight + 5)
    journal.begin(yesterday[0], Caller("run"), Limits(day=1.0), nanos(0.9))
    with pytest.raises(BudgetExceeded):
        journal.begin(yesterday[1], Caller("run"), Limits(day=1.0), nanos(0.9))


def test_another_currency_is_converted_by_the_users_figure_or_stops_the_next(journal: Journal) -> None:
    call = order(journal, 1, Limits(), 0.1)
    journal.settle(replace(call, state=State.DONE, charged=Charged.YES, cost=nanos(0.5), currency="eur"))
    with pytest.raises(BudgetExceeded, match="counts in EUR") as caught:
        order(journal, 2, Limits(day=1.0), 0.1)
    assert caught.value.code == "CURRENCY_UNKNOWN" and '"rates"' in caught.value.hint
    with pytest.raises(BudgetExceeded, match=r"0\.55 are spent"):
        order(journal, 3, Limits(day=0.6, rates={"EUR": 1.1}), 0.1)
    order(journal, 4, Limits(day=0.65, rates={"EUR": 1.1}), 0.1)


AZORES = "<-01>1<+00>,M3.5.0/0,M10.5.0/1"
"""Goes back from 01:00 to 00:00, so that a day has two midnights; in Havana it is the first of a month."""
HAVANA = "CST5CDT,M3.2.0/0,M11.1.0/1"
BEIRUT = "EET-2EEST,M3.5.0/0,M10.5.0/0"
"""Goes forward from 00:00 to 01:00, so that a day has no midnight, and back from 00:00 to 23:00."""


@pytest.mark.parametrize(
    ("zone", "first", "second", "is_same_day", "is_same_month"),
    [
        (AZORES, "2026-10-25T00:30+00:00", "2026-10-25T00:30-01:00", True, True),
        (AZORES, "2026-10-25T00:00+00:00", "2026-10-25T23:45-01:00", True, True),
        (AZORES, "2026-10-24T23:45+00:00", "2026-10-25T00:30-01:00", False, True),
        (HAVANA, "2026-11-01T00:30-04:00", "2026-11-01T00:30-05:00", True, True),
        (HAVANA, "2026-10-31T23:45-04:00", "2026-11-01T00:30-05:00", False, False),
        (BEIRUT, "2026-03-29T01:00+03:00", "2026-03-29T23:45+03:00", True, True),
        (BEIRUT, "2026-03-28T23:45+02:00", "2026-03-29T01:00+03:00", False, True),
        (BEIRUT, "2026-10-24T23:30+03:00", "2026-10-24T23:30+02:00", True, True),
        (BEIRUT, "2026-10-24T23:45+02:00", "2026-10-25T00:00+02:00", False, True),
    ],
)
def test_a_day_begins_once_where_clocks_change_at_midnight(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    first: str,
    second: str,
    is_same_day: bool,
    is_same_month: bool,
) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be changed here")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for number, moment in enumerate((first, second)):
            now = datetime.fromisoformat(moment).timestamp()
            monkeypatch.setattr(time, "time", lambda now=now: now)
            if number == 0:
                order(journal, number, Limits(), 0.04)
        for number, (limits, counts) in enumerate(
            [(Limits(day=0.05), is_same_day), (Limits(month=0.05), is_same_month)], start=1
        ):
            with pytest.raises(BudgetExceeded) if counts else contextlib.nullcontext():
                call = order(journal, number, limits, 0.04)
                journal.settle(replace(call, state=State.REFUSED, charged=Charged.NO))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_limit_that_is_reached_says_so_and_no_false_figure(journal: Journal) -> None:
    order(journal, 1, Limits(), 0.08)
    with pytest.raises(
        BudgetExceeded, match=r"The limit per day of 0\.05 USD is reached: 0\.08 are spent or reserved\."
    ):
        order(journal, 2, Limits(day=0.05), 0.000000001)
    with pytest.raises(BudgetExceeded, match=r"is 0\.08004 USD: 0\.08 are spent or reserved, 0\.000041 would be"):
        order(journal, 3, Limits(day=0.08004), 0.000041)


def test_what_a_batch_may_cost_counts_its_runs_whenever_they_were_started(journal: Journal) -> None:
    batch = Limits(batch=1.0, batch_id="ab12")

    def order_in(run: str, number: int) -> None:
        call = Call(f"{number:064x}", "http://server", "images/generations", "flux.2-pro")
        journal.begin(call, Caller(run), batch, nanos(0.4))

    order(journal, 1, Limits(), 5.0)
    order_in("ab12" + "0" * 28, 2)
    order_in("ab13" + "0" * 28, 3)
    order_in("ab12" + "f" * 28, 4)
    with pytest.raises(BudgetExceeded, match=r"0\.8 are spent or reserved") as caught:
        order_in("ab12" + "5" * 28, 5)
    assert caught.value.code == "MAX_COST"
