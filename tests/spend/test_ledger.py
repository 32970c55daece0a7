"""The ledger: every dollar that the server confirmed, once, on the day it was spent."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from nodes.errors import Charged
from nodes.spend import (
    Call,
    Caller,
    Counted,
    Experience,
    Journal,
    Limits,
    State,
    counted,
    entries,
    experiences,
    in_the_air,
    kept,
    nanos,
    newest,
    picture_count,
    total,
    totals,
    uncertain,
    uncertain_count,
    with_picture,
)

_numbers = count()


def at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").timestamp()


def booked(
    journal: Journal,
    cost: str | None,
    *,
    when: str = "2026-11-23 12:00",
    state: State = State.DONE,
    charged: Charged = Charged.YES,
    reserved: str | None = None,
    pictures: int = 1,
    **columns: object,
) -> Call:
    """A call as the journal would hold it at its end."""
    call = Call(f"{next(_numbers):064x}", "http://server", "images/generations", "flux.2-pro", sent_at=at(when))
    caller = Caller("run", columns.pop("node_title", None), columns.pop("workflow", None))  # type: ignore[arg-type]
    call = journal.begin(call, caller, Limits(), None if reserved is None else nanos(float(reserved)))
    for number in range(1, pictures + 1):
        call = call.with_picture(journal.files.put(number, f"{call.id}{number}".encode(), ".png"))
    price = None if cost is None else nanos(float(cost))
    facts = {"entries": pictures, **columns.pop("facts", {})}  # type: ignore[dict-item]
    call = replace(call, state=state, charged=charged, cost=price, seconds=1.5, facts=facts, **columns)  # type: ignore[arg-type]
    journal.settle(call)
    return call


def test_the_ledger_holds_what_was_confirmed_oldest_first(journal: Journal) -> None:
    late = booked(journal, "0.04", when="2026-11-23 12:00", pictures=2)
    early = booked(journal, "0.05", when="2026-11-22 12:00")
    lost = booked(journal, "0.06", when="2026-11-24 12:00", state=State.LOST, pictures=0)
    booked(journal, "0", state=State.REFUSED, charged=Charged.NO, pictures=0)
    booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, pictures=0)
    found = list(entries(journal))
    assert [call.id for call in found] == [early.id, late.id, lost.id]
    assert found[1].pictures == late.pictures


def test_what_nobody_has_priced_is_told_apart(journal: Journal) -> None:
    lost = booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, reserved="0.07", pictures=0)
    silent = booked(journal, None, when="2026-11-23 13:00")
    booked(journal, "0.04")
    booked(journal, None, state=State.REFUSED, charged=Charged.NO, pictures=0)
    found = list(uncertain(journal))
    assert [call.id for call in found] == [lost.id, silent.id]
    assert found[0].reserved == nanos(0.07) and uncertain_count(journal) == (2, nanos(0.07))


def test_a_period_has_its_beginning_and_not_its_end(journal: Journal) -> None:
    for read, cost in ((entries, "1"), (uncertain, None)):
        calls = [booked(journal, cost, when=f"2026-11-{day} 00:00") for day in (21, 22, 23)]
        found = read(journal, at("2026-11-22 00:00"), at("2026-11-23 00:00"))
        assert [call.id for call in found] == [calls[1].id]


def test_sums_are_exact(journal: Journal) -> None:
    for _ in range(10):
        booked(journal, "0.1")
    booked(journal, "0.000000001")
    (whole,) = total(journal)
    assert (whole.cost, whole.cost_in_units, whole.currency) == (1_000_000_001, 1.000000001, "USD")
    assert (whole.count, whole.pictures, whole.seconds) == (11, 11, 16.5)


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be changed here")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    request.addfinalizer(time.tzset)
    request.addfinalizer(monkeypatch.undo)


@pytest.mark.parametrize("anywhere", ["Pacific/Kiritimati", "America/Los_Angeles"], indirect=True)
@pytest.mark.usefixtures("anywhere")
def test_a_day_and_a_month_are_those_of_the_users_calendar(journal: Journal) -> None:
    for when in ("2026-10-31 23:59", "2026-11-01 00:00", "2026-11-30 23:59"):
        booked(journal, "1", when=when)
    assert [row.name for row in totals(journal, "day")] == ["2026-10-31", "2026-11-01", "2026-11-30"]
    assert [(row.name, row.count) for row in totals(journal, "month")] == [("2026-10", 1), ("2026-11", 2)]


def test_other_sums_begin_with_the_dearest(journal: Journal) -> None:
    booked(journal, "0.02", provider="fal", workflow="cats")
    booked(journal, "0.01", provider="google", workflow="dogs")
    booked(journal, "0.04", provider="google")
    assert [(row.name, row.cost_in_units) for row in totals(journal, "provider")] == [("google", 0.05), ("fal", 0.02)]
    assert [(row.name, row.cost_in_units) for row in totals(journal, "workflow")] == [
        (None, 0.04),
        ("cats", 0.02),
        ("dogs", 0.01),
    ]
    assert [row.name for row in totals(journal, "model")] == ["flux.2-pro"]


def test_currencies_are_not_added(journal: Journal) -> None:
    booked(journal, "1", currency="USD")
    booked(journal, "2", currency="EUR")
    assert [(row.currency, row.cost_in_units) for row in total(journal)] == [("EUR", 2.0), ("USD", 1.0)]
    assert [(row.name, row.currency) for row in totals(journal, "day")] == [
        ("2026-11-23", "EUR"),
        ("2026-11-23", "USD"),
    ]


def test_what_counts_against_the_limits_is_what_the_limits_count(journal: Journal) -> None:
    today = time.strftime("%Y-%m-%d 00:00")
    booked(journal, "0.5", when=today)
    booked(journal, None, when=today, state=State.LOST, charged=Charged.UNKNOWN, reserved="0.25")
    booked(journal, "8", when="2001-01-01 00:00")
    assert counted(journal, Limits()) == (Counted(nanos(0.75)), Counted(nanos(0.75)))


def test_removed_pictures_still_count_and_are_kept_no_more(journal: Journal) -> None:
    here, gone = booked(journal, "1"), booked(journal, "1", pictures=3)
    journal.settle(replace(gone, state=State.CLEANED, pictures=()))
    assert [picture_count(call) for call in entries(journal)] == [1, 3]
    assert [call.id for call in kept(journal)] == [here.id]


def test_what_is_still_to_be_fetched_is_listed_as_kept(journal: Journal) -> None:
    waiting = booked(journal, "1", state=State.ANSWERED, pictures=0)
    assert [call.id for call in kept(journal)] == [waiting.id]


def test_a_file_leads_to_its_calls(journal: Journal) -> None:
    call = booked(journal, "1", pictures=2)
    booked(journal, "1")
    assert [found.id for found in with_picture(journal, call.pictures[1].sha256)] == [call.id]
    assert with_picture(journal, "0" * 64) == []


def test_the_newest_come_first_without_what_was_refused(journal: Journal) -> None:
    calls = [booked(journal, "1", when=f"2026-11-23 12:0{minute}") for minute in range(3)]
    booked(journal, None, when="2026-11-23 13:00", state=State.REFUSED, charged=Charged.NO, pictures=0)
    assert [call.id for call in newest(journal, 2)] == [calls[2].id, calls[1].id]


def test_calls_of_one_moment_are_paged_one_by_one(journal: Journal) -> None:
    calls = [booked(journal, "0.01") for _ in range(7)]
    booked(journal, "0", state=State.REFUSED, charged=Charged.NO, pictures=0)
    seen: list[str] = []
    page = newest(journal, 2)
    for _ in calls:
        seen += [call.id for call in page]
        page = newest(journal, 2, page[-1].id) if page else []
    assert seen == [call.id for call in reversed(calls)]
    assert newest(journal, 5, "nobody") == []


def test_a_search_finds_words_of_model_prompt_and_title_in_all_calls(journal: Journal) -> None:
    prompts = [
        "A red Fox",
        "50% off_sale",
        "a fox \ud83d\ude00 \ud83d",
        "\N{LATIN SMALL LETTER E WITH ACUTE}t\\u00e9",
        None,
    ]
    calls = [
        booked(journal, "1", when=f"2026-11-23 12:0{minute}", node_title="Kite", parameters={"prompt": prompt})
        for minute, prompt in enumerate(prompts)
    ]

    def found(*words: str) -> list[int]:
        ids = [call.id for call in calls]
        return [ids.index(call.id) for call in newest(journal, 2, None, words)]

    assert found("fox") == found("FOX", "kite") == [2, 0] and found("fox", "red") == [0]
    assert (
        found("%") == found("f_s") == [1]
        and found("flux.2-pro") == [4, 3]
        and found("'; --") == found("\ud83d", "x") == []
    )
    assert found("\N{LATIN SMALL LETTER E WITH ACUTE}t") == found("\\u00") == [3]
    first = newest(journal, 1, None, ["fox"])[0]
    assert [call.id for call in newest(journal, 2, first.id, ["fox"])] == [calls[0].id]


def test_a_call_is_in_the_air_as_long_as_somebody_holds_its_lock(journal: Journal) -> None:
    calls = []
    for number in range(3):
        call = Call(f"{number:04x}" * 16, "http://server", "images/edits", "m", sent_at=1000.0 + number)
        calls.append(journal.begin(call, Caller("run"), Limits(), None))
    locks = [journal.lock(call.key) for call in calls[:2]]
    assert all(lock.acquire() for lock in locks) and in_the_air(journal) == calls[:2]
    # Looking takes nothing away.
    third = journal.lock(calls[2].key)
    assert third.acquire() and in_the_air(journal) == calls
    journal.settle(replace(calls[0], state=State.LOST))
    assert in_the_air(journal) == calls[1:]
    for lock in (*locks, third):
        lock.release()
    assert in_the_air(journal) == []


def test_how_a_model_did_is_told_of_all_its_calls_and_its_time_of_those_that_brought_pictures(journal: Journal) -> None:
    assert experiences(journal) == {}
    booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, pictures=0)
    booked(journal, None, state=State.REFUSED, charged=Charged.NO, pictures=0)
    for _ in range(3):
        booked(journal, "0.01")
    assert experiences(journal) == {"flux.2-pro": Experience(calls=5, brought=3, seconds=1.5)}
