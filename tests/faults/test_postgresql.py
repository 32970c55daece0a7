"""A journal that several workers share in PostgreSQL: what SQLite promises, and a server that may go away."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from nodes import errors
from nodes.errors import Charged
from nodes.spend import Call, Caller, Journal, Limits, State, postgresql, total
from tests.faults.child import Outcome
from tests.faults.killing import SETTLE
from tests.faults.limits import TOO_DEAR
from tests.faults.postgresql import USER, PostgreSQL, programs
from tests.faults.table import PAID_FOR, bought, fails, replayed
from tests.faults.test_races import BEGIN, GO_ON, Held, in_air, in_line, right
from tests.faults.world import LONGEST, Gate, World, forget
from tests.spend.test_sums import check, settled_as_before

TABLES = ("calls", "pictures", "further_keys", "sums", "limits", "outdated")

psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    server = PostgreSQL(found)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def shared(world: World, server: PostgreSQL) -> Iterator[World]:
    world.env["LUMENFALL_DATABASE"] = server.new_database()
    yield world
    forget()


def killed(shared: World, target: str, when: str, about: str | None = None) -> Outcome:
    outcome = shared.start({"target": target, "when": when, "about": about, "count": 1}).outcome()
    assert outcome.died
    return outcome


def test_an_equal_request_waits_for_the_one_in_the_air(shared: World) -> None:
    first, gate = in_air(shared)
    second = in_line(shared)
    gate.open()
    bought().check(first.outcome(), right(shared))
    replayed().check(second.outcome(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_processes_that_start_together_on_an_empty_database(shared: World) -> None:
    shared.sandbox.latency = 0.3
    outcomes = [child.outcome() for child in [shared.start() for _ in range(4)]]
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True], outcomes
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_processes_do_not_overshoot_a_limit(shared: World) -> None:
    shared.env["LUMENFALL_LIMIT_DAY"] = "0.07"
    outcomes = [child.outcome() for child in [shared.start(seed=seed) for seed in range(6)]]
    assert sorted(outcome.error or "" for outcome in outcomes) == ["", "", *["BudgetExceeded"] * 4]
    assert shared.bills == len(shared.orders) == 2
    shared.check_ledger()


def test_two_processes_share_a_limit(shared: World) -> None:
    shared.env["LUMENFALL_LIMIT_MONTH"] = "0.04"
    first, gate = in_air(shared, seed=1)
    TOO_DEAR.check(shared.start(seed=2).outcome(), ())
    gate.open()
    assert len(first.outcome().pictures) == 1
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


@pytest.mark.parametrize("state", ["answered", "done"])
def test_a_killed_process_leaves_its_picture(shared: World, state: str) -> None:
    killed(shared, SETTLE, "after", state)
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_the_lock_of_a_killed_process_falls(shared: World) -> None:
    first, gate = in_air(shared)
    second = in_line(shared)
    first.kill()
    PAID_FOR.check(second.outcome(), ())
    gate.open()
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_server_that_is_restarted_while_a_request_is_in_the_air(shared: World, server: PostgreSQL) -> None:
    first, gate = in_air(shared)
    server.stop()
    server.start()
    gate.open()
    bought().check(first.outcome(), right(shared))
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_who_comes_after_a_restart_does_not_send_what_is_in_the_air(shared: World, server: PostgreSQL) -> None:
    first, gate = in_air(shared)
    server.stop()
    server.start()
    # The lock fell with the server, though its owner lives.
    second = shared.run()
    assert second.error == "Unresolved" and len(shared.orders) == 1
    gate.open()
    bought().check(first.outcome(), right(shared))
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_who_waits_in_line_when_the_server_is_restarted(shared: World, server: PostgreSQL) -> None:
    first, gate = in_air(shared)
    second = in_line(shared)
    server.stop()
    server.start()
    gate.open()
    bought().check(first.outcome(), right(shared))
    waited = second.outcome()
    assert waited.replayed or waited.error in ("Unresolved", "StoreError"), waited
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


@pytest.mark.parametrize("target", [BEGIN, GO_ON], ids=["before it sends", "in the pause of a busy server"])
def test_who_has_lost_its_lock_sends_nothing(
    shared: World, server: PostgreSQL, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    if target == GO_ON:
        shared.sandbox.fail_next("status-429")
    first = Held(shared, monkeypatch, target)
    server.stop()
    server.start()
    bought().check(shared.start().outcome(), right(shared))
    expected = replayed() if target == BEGIN else fails(errors.RateLimited)
    expected.check(first.outcome(), right(shared) if target == BEGIN else ())
    replayed().check(shared.run(), right(shared))
    assert shared.bills == 1
    shared.check_ledger()


def test_a_server_that_goes_away_while_a_request_is_in_the_air(shared: World, server: PostgreSQL) -> None:
    first, gate = in_air(shared)
    server.stop()
    try:
        gate.open()
        bought().check(first.outcome(), right(shared))
    finally:
        server.start()
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_server_that_stands_still_keeps_no_picture_from_the_disk(
    shared: World, server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its link would expire."""
    monkeypatch.setattr(postgresql, "LONGEST_WAIT", 0.5)
    monkeypatch.setitem(postgresql._IMPATIENT, "connect_timeout", 2)
    gate = Gate()
    shared.sandbox.fail_next(gate.fault)
    outcomes: list[Outcome] = []
    run = threading.Thread(target=lambda: outcomes.append(shared.run()))
    run.start()
    gate.wait()
    with server.frozen():
        gate.open()
        run.join(LONGEST)
        assert not run.is_alive()
    bought().check(outcomes[0], right(shared))
    replayed().check(shared.run(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_process_without_threads_to_spare_writes_all_the_same(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at its end, when Python starts none any more."""
    journal = Journal(shared.folder, shared.env["LUMENFALL_DATABASE"])
    call = journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), 1)

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        journal.settle(replace(call, state=State.LOST))
        assert [found.state for found in journal.equal(call.key)] == [State.LOST]


def test_a_server_that_is_not_there(shared: World, server: PostgreSQL) -> None:
    server.stop()
    try:
        refused = shared.run()
    finally:
        server.start()
    fails(errors.StoreError).check(refused, ())
    shared.check_money(refused, 0)
    assert shared.orders == []
    bought().check(shared.run(), right(shared))
    shared.check_ledger()


def test_a_wrong_address_is_named_without_its_password(shared: World) -> None:
    shared.env["LUMENFALL_DATABASE"] = "postgresql+psycopg://someone:very-secret@127.0.0.1:1/spend"
    refused = shared.run()
    fails(errors.StoreError).check(refused, ())
    assert "very-secret" not in refused.text and shared.orders == []


@pytest.mark.parametrize("is_open", [False, True], ids=["between two runs", "while it is open"])
def test_a_database_that_was_emptied_is_written_anew(
    shared: World, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    bought().check(shared.run(), right(shared))
    sql(shared, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", is_open=is_open)
    if is_open:
        # Its backup may just be on the way back.
        fails(errors.StoreError).check(shared.run_here(), ())
        assert sql(shared, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", is_open=True) == 0
        monkeypatch.setattr(postgresql, "RESTORED_WITHIN", 0.0)
    replayed().check(shared.run_here(), right(shared))
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_replica_whose_numbers_begin_anew_takes_over(shared: World) -> None:
    """As PostgreSQL's logical replicas do, which follow rows and not sequences."""
    for seed in (1, 2, 3):
        shared.run(seed=seed)
    sql(shared, "ALTER SEQUENCE calls_number_seq RESTART", is_open=True)
    fails(errors.StoreError).check(shared.run_here(), ())
    bought().check(shared.run_here(), right(shared))
    assert shared.bills == len(shared.orders) == 4
    shared.check_ledger()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1252", "EUC_TW"])
def test_a_database_of_another_encoding_takes_every_text(shared: World, server: PostgreSQL, encoding: str) -> None:
    shared.env["LUMENFALL_DATABASE"] = server.new_database(encoding)
    shared.inputs["prompt"] = "G\u00e2teau \u2013 \u86cb\u7cd5 \N{SHORTCAKE}"
    bought().check(shared.run(), right(shared))
    replayed().check(shared.run(), right(shared))
    journal = Journal(shared.folder, shared.env["LUMENFALL_DATABASE"])
    told = shared.inputs["prompt"]
    call = journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run", node_title=told, workflow=told), Limits(), 1)
    assert journal.settle(replace(call, state=State.LOST, provider=told, error=told)) == []
    (settled,) = journal.equal(call.key)
    assert (settled.id, settled.state) == (call.id, State.LOST) and settled.provider is not None
    check(journal)


def test_what_a_role_without_rights_could_not_enter_is_entered_later(shared: World) -> None:
    """So it is where the server's disk is full, or a statement takes too long."""
    call = Call("k" * 64, "s", "e", "m")
    journal = Journal(shared.folder, shared.env["LUMENFALL_DATABASE"])
    call = journal.begin(call, Caller("run"), Limits(), 1)
    sql(shared, "CREATE ROLE worker LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO worker")
    address = shared.env["LUMENFALL_DATABASE"]
    denied = Journal(shared.folder, address.replace(f"{USER}@", "worker@"))
    denied.settle(replace(call, state=State.REFUSED, charged=Charged.NO))
    with contextlib.suppress(errors.StoreError):
        denied.open()
    forget()
    journal.open()
    found = journal.get(call.id)
    assert found is not None and (found.state, found.charged) == (State.REFUSED, Charged.NO)


def test_a_currency_that_grows_in_capitals_is_entered(shared: World) -> None:
    journal = Journal(shared.folder, shared.env["LUMENFALL_DATABASE"])
    call = journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), 1)
    journal.settle(replace(call, state=State.LOST, cost=1, currency="\u00df" * 16))
    assert [found.state for found in journal.equal(call.key)] == [State.LOST]


@pytest.mark.parametrize("is_open", [False, True], ids=["between two runs", "while it is open"])
def test_an_older_copy_in_its_place_learns_what_was_bought_since(shared: World, is_open: bool) -> None:
    """After a failover, or a dump that was restored."""
    pictures = [shared.run(seed=1).pictures]
    sql(shared, "CREATE SCHEMA older")
    for table in TABLES:
        sql(shared, f"CREATE TABLE older.{table} AS TABLE {table}")
    Journal(shared.folder, shared.env["LUMENFALL_DATABASE"]).share_limits({"month": 0.08})
    pictures.append(shared.run(seed=2).pictures)
    engine = sa.create_engine(shared.env["LUMENFALL_DATABASE"])
    with engine.begin() as connection:
        for table in reversed(TABLES):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        for table in TABLES:
            connection.exec_driver_sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM older.{table}")
    engine.dispose()
    if not is_open:
        forget()
    for seed, painted in enumerate(pictures, start=1):
        replayed().check(shared.run_here(seed=seed), painted)
    TOO_DEAR.check(shared.run_here(seed=3), ())
    assert shared.bills == len(shared.orders) == 2
    shared.check_ledger()


def test_what_a_call_lost_is_known_to_all(shared: World) -> None:
    shared.sandbox.fail_next("reset-before-headers")
    fails(errors.ConnectionFailed, Charged.YES).check(shared.start().outcome(), ())
    PAID_FOR.check(shared.run(), ())
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_machine_without_the_picture_does_not_take_it_from_the_others(shared: World) -> None:
    bought().check(shared.run(), right(shared))
    there = shared.start(folder=shared.folder.with_name("there"))
    replayed().check(there.outcome(), right(shared))  # by the link, which the others know
    for name in shared.sandbox._shelf._media:
        shared.sandbox._shelf.expire(name)
    elsewhere = shared.start(folder=shared.folder.with_name("elsewhere"))
    bought().check(elsewhere.outcome(), right(shared))
    replayed().check(shared.run(), right(shared))
    assert shared.bills == 2
    shared.check_ledger()


def sql(shared: World, command: str, is_open: bool = False) -> Any:
    """``is_open``: while this process has connections to the database."""
    if not is_open:
        forget()
    engine = sa.create_engine(shared.env["LUMENFALL_DATABASE"], isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            result = connection.exec_driver_sql(command)
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def test_a_worker_without_settings_of_its_own_is_bound_by_the_limits_of_all(shared: World) -> None:
    database = shared.env["LUMENFALL_DATABASE"]
    Journal(shared.folder, database).share_limits({"month": 0.04})
    elsewhere = [shared.folder.with_name(name) for name in ("one", "two")]
    assert len(shared.start(folder=elsewhere[0], seed=1).outcome().pictures) == 1
    TOO_DEAR.check(shared.start(folder=elsewhere[1], seed=2).outcome(), ())
    shared.env["LUMENFALL_LIMIT_MONTH"] = "5"
    TOO_DEAR.check(shared.run(seed=3), ())
    assert shared.bills == len(shared.orders) == 1
    shared.check_ledger()


def test_a_database_of_an_older_version_is_given_its_sums(shared: World) -> None:
    shared.env["LUMENFALL_LIMIT_DAY"] = "0.04"
    bought().check(shared.run(), right(shared))
    sql(
        shared,
        "DROP TRIGGER calls_outdated ON calls; DROP FUNCTION calls_outdated; "
        "DROP TABLE outdated, sums, limits, further_keys; "
        "DROP INDEX calls_by_state, calls_by_delivery; ALTER TABLE calls DROP COLUMN worker",
    )
    sql(shared, "UPDATE alembic_version SET version_num = '0002'")
    TOO_DEAR.check(shared.run(seed=2), ())
    check(Journal(shared.folder, shared.env["LUMENFALL_DATABASE"]))
    # A worker that still runs the older version is stopped before it sends.
    with pytest.raises(sa.exc.IntegrityError, match="worker"):
        sql(
            shared,
            "INSERT INTO calls (id, key, state, charged, server, endpoint, model, asked, facts, sent_at, used_at) "
            "VALUES ('a', 'k', 'sent', 'charged', 's', 'e', 'm', '{}', '{}', 1, 1)",
        )
    shared.check_ledger()


def test_the_sums_follow_a_worker_of_an_older_version_that_settles_its_call(shared: World) -> None:
    journal = Journal(shared.folder, shared.env["LUMENFALL_DATABASE"])
    settled_as_before(journal, journal.begin(Call("k" * 64, "s", "e", "m"), Caller("run"), Limits(), 1))
    with pytest.raises(errors.BudgetExceeded, match=r"0\.09 are spent"):
        journal.begin(Call("l" * 64, "s", "e", "m"), Caller("run"), Limits(run=0.09), 10**7)
    check(journal)
    assert [(row.cost, row.pictures) for row in total(journal)] == [(9 * 10**7, 2)]
