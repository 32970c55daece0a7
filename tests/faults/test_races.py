"""Several processes, nodes and threads at once: one bill for equal requests, and no limit is overshot."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import filelock
import pytest

from nodes import errors
from nodes.host import use
from nodes.spend import Journal, rows
from tests.faults.child import Outcome, failed, find, start, succeeded
from tests.faults.databases import database, garbage
from tests.faults.limits import DAY, TOO_DEAR
from tests.faults.table import PAID_FOR, bought, fails, replayed
from tests.faults.world import GENERATE, IN_LINE, LONGEST, Child, Gate, World, painted, until

PATIENT = {"nodes.api.client.TIMEOUT": LONGEST}
"""Whatever happens while a gate is shut."""


def in_line(world: World, **inputs: Any) -> Child:
    """A process that waits for an equal request to come home."""
    child = world.start(settings=PATIENT, **inputs)
    child.says(IN_LINE)
    return child


def in_air(world: World, **inputs: object) -> tuple[Child, Gate]:
    gate = Gate()
    world.sandbox.fail_next(gate.fault)
    child = world.start(settings=PATIENT, **inputs)  # type: ignore[arg-type]
    gate.wait()
    return child, gate


def right(world: World) -> tuple[str, ...]:
    return painted(world.folder.parent, world.inputs)


def test_an_equal_request_waits_for_the_one_in_the_air(world: World) -> None:
    first, gate = in_air(world)
    second = in_line(world)
    gate.open()
    bought().check(first.outcome(), right(world))
    replayed().check(second.outcome(), right(world))
    assert world.bills == 1
    world.check_ledger()


def test_equal_requests_that_start_together_are_one(world: World) -> None:
    world.sandbox.latency = 0.3
    outcomes = [child.outcome() for child in [world.start() for _ in range(4)]]
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True]
    assert {outcome.pictures for outcome in outcomes} == {right(world)}
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


def test_a_clock_set_back_does_not_break_into_a_lock(world: World) -> None:
    first, gate = in_air(world)
    second = in_line(world, clock=-DAY)
    gate.open()
    bought().check(first.outcome(), right(world))
    replayed().check(second.outcome(), right(world))
    assert world.bills == 1


def test_who_waits_for_a_killed_process_learns_what_it_cost(world: World) -> None:
    first, gate = in_air(world)
    second = in_line(world)
    first.kill()
    PAID_FOR.check(second.outcome(), ())
    gate.open()
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


def test_who_waits_for_a_refused_request_sends_its_own(world: World) -> None:
    world.sandbox.latency = 0.5
    world.sandbox.fail_next("status-500")
    first = world.start()
    until(lambda: len(world.orders) == 1)
    second = in_line(world)
    fails(errors.ServerFault).check(first.outcome(), ())
    bought().check(second.outcome(), right(world))
    assert (world.bills, len(world.orders)) == (1, 2)
    world.check_ledger()


def test_processes_that_begin_a_store_together_share_it(world: World) -> None:
    outcomes = [child.outcome() for child in [world.start(seed=seed) for seed in range(4)]]
    assert all(len(outcome.pictures) == 1 for outcome in outcomes), outcomes
    assert world.bills == 4
    world.check_ledger()


class Held:
    """A run in this process that stands still where it first calls ``target``."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
        self._on = threading.Event()
        self._outcomes: list[Outcome] = []
        reached = threading.Event()
        owner, attribute = find(target)
        original = getattr(owner, attribute)

        async def held(*args: Any) -> Any:
            if not reached.is_set():
                reached.set()
                await asyncio.to_thread(self._on.wait, LONGEST)
            return await original(*args)

        monkeypatch.setattr(owner, attribute, held)
        self._thread = threading.Thread(target=lambda: self._outcomes.append(world.run()))
        self._thread.start()
        assert reached.wait(LONGEST)

    def outcome(self) -> Outcome:
        """Let it go on, to its end."""
        self._on.set()
        self._thread.join()
        return self._outcomes[0]


BEGIN = "nodes.purchase.checkout.Checkout._begin"
GO_ON = "nodes.purchase.put_off.PutOffs._go_on"


def test_who_has_lost_its_lock_before_it_sends_looks_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where somebody tidies the pack's folder, or the file system has no locks."""
    first = Held(world, monkeypatch, BEGIN)
    shutil.rmtree(world.folder / "locks")
    bought().check(world.start().outcome(), right(world))
    replayed().check(first.outcome(), right(world))
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


def test_who_has_lost_its_lock_in_the_pause_of_a_busy_server_does_not_send_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.fail_next("status-429")
    first = Held(world, monkeypatch, GO_ON)
    shutil.rmtree(world.folder / "locks")
    bought().check(world.start().outcome(), right(world))
    fails(errors.RateLimited).check(first.outcome(), ())
    replayed().check(world.run(), right(world))
    assert world.bills == 1
    world.check_ledger()


def test_a_disk_without_room_for_a_lock_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where all its inodes are taken."""
    original = filelock.FileLock.acquire

    def full(lock: filelock.FileLock, *args: Any, **kwargs: Any) -> Any:
        if Path(lock.lock_file).parent.name == "locks":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(lock, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(filelock.FileLock, "acquire", full)
        refused = world.run()
    fails(errors.StoreError).check(refused, ())
    assert os.strerror(errno.ENOSPC) in refused.text and world.orders == []
    bought().check(world.run(), right(world))


def test_processes_that_mend_a_store_together_lose_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    database(garbage)(world, monkeypatch)
    for outcome in [child.outcome() for child in [world.start() for _ in range(4)]]:
        replayed().check(outcome, right(world))
    assert world.bills == 1
    world.check_ledger()


def test_nobody_reads_a_database_that_is_being_written_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    database(garbage)(world, monkeypatch)
    begun, on = threading.Event(), threading.Event()
    original = rows.enter

    def slow(*args: Any) -> None:
        begun.set()
        on.wait(20)
        original(*args)

    monkeypatch.setattr(rows, "enter", slow)
    writer = threading.Thread(target=Journal(world.folder).open)
    writer.start()
    assert begun.wait(20)
    monkeypatch.setattr(rows, "enter", original)
    reader = threading.Thread(target=world.run_here)
    reader.start()
    reader.join(1)  # either it has bought by then, or it waits
    on.set()
    for thread in (writer, reader):
        thread.join()
    assert world.bills == 1


# Limits; a picture costs 0.03


def test_two_processes_share_a_limit(world: World) -> None:
    world.env["LUMENFALL_LIMIT_DAY"] = "0.04"
    first, gate = in_air(world, seed=1)
    TOO_DEAR.check(world.start(seed=2).outcome(), ())
    gate.open()
    assert len(first.outcome().pictures) == 1
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


def test_processes_that_start_together_do_not_overshoot_a_limit(world: World) -> None:
    world.env["LUMENFALL_LIMIT_MONTH"] = "0.04"
    outcomes = [child.outcome() for child in [world.start(seed=seed) for seed in range(4)]]
    assert sorted(outcome.error or "" for outcome in outcomes) == ["", *["BudgetExceeded"] * 3]
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


async def attempts(world: World, count: int) -> list[Outcome]:
    """Nodes of one prompt, at the same time."""

    async def one(seed: int) -> Outcome:
        try:
            return succeeded(await start(GENERATE, {**world.inputs, "seed": seed}))
        except Exception as error:
            return failed(error)

    return await asyncio.gather(*(one(seed) for seed in range(count)))


@pytest.mark.parametrize("period", ["DAY", "MONTH", "RUN"])
def test_ten_nodes_at_once_do_not_overshoot_a_limit(world: World, period: str) -> None:
    world.env[f"LUMENFALL_LIMIT_{period}"] = "0.1"
    world.sandbox.latency = 0.2
    with use(world.host()):
        outcomes = asyncio.run(attempts(world, 10))
    assert sorted(outcome.error or "" for outcome in outcomes) == [*[""] * 3, *["BudgetExceeded"] * 7]
    assert world.bills == len(world.orders) == 3
    world.check_ledger()


def test_ten_threads_at_once_do_not_overshoot_a_limit(world: World) -> None:
    world.env["LUMENFALL_LIMIT_DAY"] = "0.1"
    world.sandbox.latency = 0.2
    ready = threading.Barrier(10)

    def run(seed: int) -> None:
        ready.wait()
        world.run_here(seed=seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.bills == len(world.orders) == 3
    world.check_ledger()


def test_ten_equal_nodes_at_once_are_one_order(world: World) -> None:
    world.sandbox.latency = 0.2
    threads = [threading.Thread(target=world.run_here) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.bills == len(world.orders) == 1
    world.check_ledger()
