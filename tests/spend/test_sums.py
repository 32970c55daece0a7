"""The sums are those of the calls, whatever becomes of them, and however they came to be entered."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.errors import BudgetExceeded, Charged, StoreError
from nodes.spend import (
    Call,
    Caller,
    Counted,
    Journal,
    Limits,
    State,
    Stored,
    counted,
    daily,
    entries,
    picture_count,
    total,
    totals,
    uncertain,
    uncertain_count,
)
from nodes.spend.budget import require
from nodes.spend.rows import enter
from nodes.spend.tables import calls as table
from nodes.spend.tables import pictures
from tests.spend.conftest import forget_databases

# Around midnight on both sides of the date line, the change to summer time, and a month's and a year's end.
MOMENTS = [
    *(datetime.fromisoformat(f"{day}+00:00").timestamp() for day in ("2026-03-29 00:59", "2026-12-31 23:59:59.999")),
    *(
        datetime.fromisoformat(f"2026-11-{day}").timestamp()
        for day in ("22 23:59:59", "23 00:00", "23 12:07", "30 23:59")
    ),
]

change = st.fixed_dictionaries(
    {
        "state": st.sampled_from(State),
        "charged": st.sampled_from(Charged),
        "cost": st.none() | st.integers(0, 10**12),
        "reserved": st.none() | st.integers(0, 10**10),
        "currency": st.sampled_from([None, "USD", "usd", "EUR"]),
        "provider": st.sampled_from([None, "fal", "google"]),
        "seconds": st.none() | st.floats(0, 600).map(lambda seconds: round(seconds, 3)),
        "pictures": st.integers(0, 3).map(lambda count: tuple(Stored(n, "a" * 64, ".png", 7) for n in range(count))),
        "facts": st.sampled_from([{}, {"entries": 2}, {"entries": None}, {"entries": "many"}]),
    }
)
ordered = st.builds(
    Call,
    key=st.just("k" * 64),
    server=st.just("https://x.test"),
    endpoint=st.just("images/edits"),
    model=st.sampled_from(["a", "b", "m" * 300]),
    sent_at=st.sampled_from(MOMENTS),
    run_id=st.sampled_from([None, "one", "two"]),
    workflow=st.sampled_from([None, "cats"]),
    worker=st.sampled_from(["here", "there"]),
)
life = st.tuples(ordered, st.lists(change, max_size=5))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """One for all examples: what holds, holds after each of them."""
    yield Journal(tmp_path_factory.mktemp("sums"))
    forget_databases()


@given(st.lists(life, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sums_are_those_of_the_calls_at_every_moment(filled: Journal, lives: list[tuple[Call, list[Any]]]) -> None:
    database = filled.open()
    for call, changes in lives:
        with database.write() as connection:
            enter(connection, call)
            for step in changes:
                call = replace(call, **step)
                enter(connection, call)
    check(filled)


def check(journal: Journal) -> None:
    """What the sums say is what adding up the calls gives."""
    paid = list(entries(journal))
    for by in ("day", "month", "model", "workflow", "provider", "worker"):
        for since in (None, datetime(2026, 11, 23).timestamp()):
            some = [call for call in paid if since is None or call.sent_at >= since]
            names = [(name(call, by), call.currency or "USD") for call in some]
            got = totals(journal, by, since)  # type: ignore[arg-type]
            assert Counter(names) == {(row.name, row.currency): row.count for row in got}
            for amount, of in AMOUNTS.items():
                added: Counter[Any] = Counter()
                for key, call in zip(names, some, strict=True):
                    added[key] += of(call)
                assert {key: value for key, value in added.items() if value} == {
                    (row.name, row.currency): round(
                        getattr(row, amount) * 1000 if amount == "seconds" else getattr(row, amount)
                    )
                    for row in got
                    if getattr(row, amount)
                }, (by, amount)
    assert sum(row.cost for row in total(journal)) == sum(call.cost or 0 for call in paid)
    assert sum(row.cost for _, row in daily(journal)) == sum(call.cost or 0 for call in paid)
    open_ = list(uncertain(journal))
    assert uncertain_count(journal) == (len(open_), sum(call.reserved or 0 for call in open_))
    check_limits(journal)


AMOUNTS: dict[str, Callable[[Call], int]] = {
    "cost": lambda call: call.cost or 0,
    "pictures": picture_count,
    "seconds": lambda call: round((call.seconds or 0) * 1000),
}


def name(call: Call, by: str) -> str | None:
    if by in ("day", "month"):
        return datetime.fromtimestamp(call.sent_at).strftime("%Y-%m-%d" if by == "day" else "%Y-%m")
    found: str | None = getattr(call, by)
    return (found or "")[:200] or None


def check_limits(journal: Journal) -> None:
    """A run may spend what it has spent, and not a nano more."""
    with journal.open().read() as connection:
        rows = connection.execute(sa.select(table)).mappings().all()
        for run_id in {row["run_id"] for row in rows} - {None}:
            spent = 0
            for row in rows:
                if row["run_id"] == run_id and (row["cost"] is not None or row["charged"] != Charged.NO.value):
                    spent += row["reserved"] or 0 if row["cost"] is None else row["cost"]
            call = Call("k" * 64, "s", "e", "m", run_id=run_id)
            limits = Limits(run=spent / 10**9, rates={"eur": 1})
            require(connection, limits, call, 0)
            with pytest.raises(Exception, match="limit per run"):
                require(connection, limits, call, 1_000_000)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Pacific/Chatham", "America/Los_Angeles", "Australia/Lord_Howe"])
def test_a_shared_sum_gives_each_zone_its_own_day(journal: Journal, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be changed here")
    database = journal.open()
    with database.write() as connection:
        for quarter in range(-400, 8):
            moment = time.time() // 900 * 900 + quarter * 900 + 450
            call = Call("k" * 64, "s", "e", "m", sent_at=moment, cost=1, state=State.DONE, charged=Charged.YES)
            enter(connection, call)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight.replace(day=1)
        sent = [call.sent_at for call in entries(journal)]
        today = sum(moment >= midnight.timestamp() for moment in sent)
        assert counted(journal, Limits()) == (
            Counted(today),
            Counted(sum(moment >= first.timestamp() for moment in sent)),
        )
        days = Counter(datetime.fromtimestamp(moment).strftime("%Y-%m-%d") for moment in sent)
        assert {row.name: row.count for row in totals(journal, "day")} == days
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_older_database_is_given_its_sums(
    journal: Journal, reopened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.spend.sums._PAGE", 100)
    with journal.open().write() as connection:
        for number in range(1000):
            state, cost = [(State.DONE, number), (State.LOST, None), (State.REFUSED, 0)][number % 3]
            charged = Charged.NO if state is State.REFUSED else Charged.YES
            call = Call("k" * 64, "s", "e", f"m{number % 5}", state=state, cost=cost, charged=charged, reserved=3)
            call = replace(call, sent_at=MOMENTS[number % len(MOMENTS)], facts={"entries": 1}, run_id="one")
            connection.execute(sa.insert(table).values(call.columns()))
    older(journal.folder / "spend.db")
    check(reopened())


def older(path: Path) -> None:
    """Take back what the third and fourth version of the tables have brought."""
    forget_databases()
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER calls_outdated")
        for what in (
            "TABLE outdated",
            "TABLE further_keys",
            "TABLE sums",
            "TABLE limits",
            "INDEX calls_by_state",
            "INDEX calls_by_delivery",
        ):
            database.execute(f"DROP {what}")
        database.execute("DROP TRIGGER calls_of_an_older_version")
        database.execute("ALTER TABLE calls DROP COLUMN worker")
        database.execute("UPDATE alembic_version SET version_num = '0002'")
    database.close()


def test_a_database_that_an_older_version_has_brought_up_to_this_one_is_given_its_sums(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    """An update replaces the files of a program that runs: it migrates as they say, and knows nothing of sums."""
    calls = [Call(letter * 64, "s", "e", "m") for letter in "ab"]
    begun = [journal.begin(call, Caller("run"), Limits(), 4 * 10**7) for call in calls]
    with journal._database().write() as connection:
        connection.execute(sa.text("DELETE FROM sums"))
    settled_as_before(journal, begun[0])
    journal = reopened()
    with pytest.raises(BudgetExceeded, match=r"0\.13 are spent"):
        journal.begin(Call("l" * 64, "s", "e", "m"), Caller("run"), Limits(day=0.13), 10**7)
    check(journal)


def test_a_program_of_an_older_version_that_still_runs_enters_nothing(journal: Journal) -> None:
    """It would spend without a trace in the sums; so it fails before it sends."""
    columns = Call("k" * 64, "s", "e", "m").columns()
    del columns["worker"]
    older_table = sa.table("calls", *(sa.column(name, table.c[name].type) for name in columns))
    with pytest.raises(StoreError, match="restart this program"), journal.open().write() as connection:
        connection.execute(sa.insert(older_table).values(columns))
    assert journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), None)


def test_the_sums_follow_a_program_of_an_older_version_that_settles_its_call(
    journal: Journal, reopened: Callable[[], Journal]
) -> None:
    """It had it in the air while this version came and migrated."""
    begun = journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), 4 * 10**7)
    older(journal.folder / "spend.db")
    journal = reopened()
    settled_as_before(journal, begun)
    # Nothing has looked at the sums before the next call is weighed.
    with pytest.raises(BudgetExceeded, match=r"0\.09 are spent"):
        journal.begin(Call("l" * 64, "s", "e", "m"), Caller("run"), Limits(run=0.09), 10**7)
    check(journal)
    assert [(row.cost, row.pictures) for row in total(journal)] == [(9 * 10**7, 2)]
    # Calls of this version are entered once, also where the older one has changed them before.
    settled_as_before(journal, begun, cost=10**7)
    (found,) = journal.equal(begun.key)
    journal.settle(replace(found, state=State.CLEANED))
    check(journal)
    assert [row.cost for row in total(reopened())] == [10**7]


def settled_as_before(journal: Journal, call: Call, cost: int = 9 * 10**7) -> None:
    """What the version without sums does, in steps as it takes them."""
    paid = replace(call, charged=Charged.YES, cost=cost, provider="fal", seconds=1.5)
    stored = tuple(Stored(number, "a" * 64, ".png", 7) for number in (1, 2))
    for step in (replace(paid, state=State.ANSWERED), replace(paid, state=State.DONE, pictures=stored)):
        columns = step.columns()
        for newer in ("worker", "delivered_at"):
            del columns[newer]
        with journal._database().write() as connection:
            connection.execute(sa.update(table).where(table.c.id == call.id).values(columns))
            connection.execute(sa.delete(pictures).where(pictures.c.call_id == call.id))
            for picture in step.pictures:
                connection.execute(sa.insert(pictures).values(call_id=call.id, **asdict(picture)))


def test_what_an_older_version_began_outlives_its_database(journal: Journal, reopened: Callable[[], Journal]) -> None:
    begun = journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), 4)
    older(journal.folder / "spend.db")
    journal = reopened()
    (found,) = journal.equal(begun.key)
    journal.settle(replace(found, state=State.DONE, charged=Charged.YES, cost=5))
    forget_databases()
    for part in journal.folder.glob("spend.db*"):
        part.unlink()
    assert [call.id for call in reopened().equal(begun.key)] == [begun.id]
    check(reopened())


def test_a_record_that_cannot_be_entered_is_named_without_what_was_asked(
    journal: Journal, reopened: Callable[[], Journal], caplog: pytest.LogCaptureFixture
) -> None:
    odd = Call("k" * 64, "s", "e", None, parameters={"prompt": "a secret"})  # type: ignore[arg-type]
    journal.records.write(odd)
    assert reopened().equal(odd.key) == []
    assert odd.id in caplog.text and "IntegrityError" in caplog.text
    assert "secret" not in caplog.text and "INSERT" not in caplog.text
