"""Stop, and the failure of another node: the node ends at once, what was paid for comes home, and is free next time."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import threading
import time
from typing import Any

import pytest
import torch

from nodes import errors
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.headless.sandbox import FAULTS
from nodes.host import Interrupted, use
from nodes.purchase import background
from nodes.purchase.daemon_threads import DaemonThreads, Ended
from nodes.purchase.put_off import PutOffs
from nodes.spend import locks
from tests.conftest import wait_until_idle
from tests.faults.child import Outcome, attempt, start
from tests.faults.table import bought, fails, replayed
from tests.faults.test_races import in_air, right
from tests.faults.world import GENERATE, IN_LINE, Gate, World, until

VARIATIONS = "LumenfallVariations"
AT_ONCE = 1.0
"""Seconds; Stop is looked for ten times in each."""


class Stopped:
    """Runs a node in a thread, and stops it when something has happened."""

    def __init__(self, world: World, node_id: str = GENERATE, **inputs: Any) -> None:
        self._host = Headless(world.env)
        self._said: list[str] = []
        self._host.progress = self._said.append  # type: ignore[method-assign]
        self._inputs = inputs or world.inputs
        self._node_id = node_id
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._outcome = attempt(self._host, self._node_id, self._inputs)

    def says(self, text: str) -> None:
        """Wait until it does."""
        until(lambda: text in self._said)

    def stop(self) -> Outcome:
        begun = time.monotonic()
        self._host.stop()
        self._thread.join()
        assert time.monotonic() - begun < AT_ONCE
        assert self._outcome is not None and self._outcome.error == "Interrupted", self._outcome
        return self._outcome


def comes_home(world: World, bills: int = 1) -> None:
    assert wait_until_idle(10) == 0
    assert world.bills == bills
    world.check_ledger()
    replayed().check(world.run(), right(world))
    assert world.bills == bills


@pytest.mark.parametrize("endpoint", ["images/", "media/"])
def test_what_is_in_the_air_or_being_fetched_comes_home(world: World, endpoint: str) -> None:
    gate = Gate(endpoint)
    world.sandbox.fail_next(gate.fault)
    node = Stopped(world)
    gate.wait()
    assert "in the background" in node.stop().text
    gate.open()
    comes_home(world)


def test_who_is_stopped_in_line_orders_nothing(world: World) -> None:
    first, gate = in_air(world)
    node = Stopped(world)
    node.says(IN_LINE)
    assert "in the background" not in node.stop().text
    gate.open()
    bought().check(first.outcome(), right(world))
    assert len(world.orders) == 1
    comes_home(world)


def test_who_is_stopped_while_the_server_is_busy_orders_nothing_more(world: World) -> None:
    world.sandbox.fail_next(dataclasses.replace(FAULTS["status-429"], retry_after=1))
    node = Stopped(world)
    until(lambda: bool(world.orders))
    node.stop()
    assert wait_until_idle(10) == 0
    assert (len(world.orders), world.bills) == (1, 0)
    world.check_ledger()
    bought().check(world.run(), right(world))


def test_what_is_in_the_air_and_fails_is_not_sent_again(world: World) -> None:
    gate = Gate()
    world.sandbox.fail_next(gate.fault)
    node = Stopped(world)
    gate.wait()
    node.stop()
    gate.break_off()
    assert wait_until_idle(10) == 0
    fails(errors.Unresolved, Charged.YES).check(world.run(), ())
    assert world.bills == len(world.orders) == 1
    world.check_ledger()


@pytest.mark.parametrize("endpoint", ["images/", "media/"])
def test_a_failing_sibling_does_not_lose_what_is_in_the_air(world: World, endpoint: str) -> None:
    gate = Gate(endpoint)
    world.sandbox.fail_next(gate.fault)

    async def prompt() -> BaseException | None:
        node = asyncio.create_task(start(GENERATE, world.inputs))
        await asyncio.to_thread(gate.wait)
        node.cancel()  # as ComfyUI does when another node has raised
        await asyncio.wait({node})
        assert not node.cancelled()
        return node.exception()

    with use(world.host()):
        assert isinstance(asyncio.run(prompt()), Interrupted)
    gate.open()
    comes_home(world)


# Batches: a request for each of three pictures

IMAGES = torch.linspace(0, 1, 3 * 64 * 64 * 3).reshape(3, 64, 64, 3)
KEEP = {"options": {"model": "", "parameters": {}, "on_failure": "keep", "too_large": "refuse"}}


def batch(world: World, **inputs: Any) -> Outcome:
    return attempt(world.host(), VARIATIONS, {"image": IMAGES, **inputs})


def check_batch(world: World, outcome: Outcome, new_bills: int) -> None:
    world.check_money(outcome, new_bills)
    world.check_ledger()


@pytest.mark.parametrize("fault", ["status-500", "content-policy", "html-502"])
def test_a_batch_that_stops_at_a_failure_buys_only_the_rest_next_time(world: World, fault: str) -> None:
    world.sandbox.latency = 0.2  # so that all three are in the air
    world.sandbox.fail_next(fault)
    first = batch(world)
    assert first.charged == "charged" and world.bills == 2
    check_batch(world, first, 2)
    second = batch(world)
    assert len(second.pictures) == 3 and world.bills == 3
    check_batch(world, second, 1)


@pytest.mark.parametrize("fault", ["status-500", "content-policy", "html-502"])
def test_a_batch_that_keeps_going_hands_on_what_came(world: World, fault: str) -> None:
    world.sandbox.fail_next(fault)
    first = batch(world, **KEEP)
    assert (len(first.pictures), first.failures) == (2, ("not charged",)) and world.bills == 2
    check_batch(world, first, 2)
    second = batch(world, **KEEP)
    assert (len(second.pictures), second.failures) == (3, ()) and world.bills == 3
    check_batch(world, second, 1)


@pytest.mark.parametrize("fault", ["reset-before-headers", "cut-json", "late-504"])
def test_what_a_batch_has_lost_is_not_bought_again(world: World, fault: str) -> None:
    world.sandbox.fail_next(fault)
    for _ in range(2):
        outcome = batch(world, **KEEP)
        assert (len(outcome.pictures), outcome.failures) == (2, ("charged",)) and world.bills == 3
        world.check_ledger()
    assert outcome.replayed


def test_a_stopped_batch_buys_only_the_rest_next_time(world: World) -> None:
    gates = [Gate() for _ in range(9)]
    world.sandbox.fail_next(*(gate.fault for gate in gates))
    images = IMAGES.repeat(3, 1, 1, 1) * torch.linspace(0.1, 1, 9).reshape(9, 1, 1, 1)
    node = Stopped(world, VARIATIONS, image=images)
    for gate in gates[:2]:
        gate.wait()
    node.stop()
    for gate in gates:
        gate.open()
    assert wait_until_idle(10) == 0
    sent = world.bills
    assert 2 <= sent < 9
    world.check_ledger()
    again = attempt(world.host(), VARIATIONS, {"image": images})
    assert len(again.pictures) == 9 and world.bills == len(world.orders) == 9
    check_batch(world, again, 9 - sent)


def test_a_batch_keeps_to_its_limit(world: World) -> None:
    world.env["LUMENFALL_LIMIT_RUN"] = str(2.5 * _price(world))
    bills = world.bills
    first = batch(world, **KEEP)
    assert (len(first.pictures), first.failures) == (2, ("not charged",)) and world.bills == bills + 2
    check_batch(world, first, 2)


def _price(world: World) -> float:
    batch(world, image=IMAGES[:1] * 0.5)
    return float(world.sandbox.bill[0].cost)


def _exit() -> None:
    raise SystemExit


@pytest.mark.parametrize("what", ["stopped", "thrown out"])
def test_what_is_in_the_air_comes_home_over_a_loop_that_others_end(world: World, what: str) -> None:
    gate = Gate()
    world.sandbox.fail_next(gate.fault)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(attempt(Headless(world.env), GENERATE, world.inputs)))
    thread.start()
    gate.wait()
    assert background._loop is not None
    background._loop.call_soon_threadsafe(background._loop.stop if what == "stopped" else _exit)
    gate.open()
    thread.join(20)
    bought().check(*outcomes, right(world))
    assert world.bills == 1
    world.check_ledger()


def test_a_thread_into_which_something_is_thrown_goes_on_working() -> None:
    """As those do who want to end all threads of a program."""
    pool = DaemonThreads()
    ident = pool.submit(threading.get_ident).result(20)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))
    with contextlib.suppress(Ended):
        pool.submit(threading.get_ident).result(20)
    until(lambda: pool.submit(threading.get_ident).result(20) == ident)


def test_a_lock_that_cannot_be_given_back_takes_nothing_from_what_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, met = locks._FileLock.release, []

    def refuse(self: locks._FileLock) -> None:
        if not met:
            met.append(self)
            raise MemoryError
        release(self)

    monkeypatch.setattr(locks._FileLock, "release", refuse)
    bought().check(world.run_here(), right(world))
    assert met
    replayed().check(world.run_here(), right(world))
    assert world.bills == 1


def test_what_nobody_foresaw_after_a_request_was_sent_does_not_say_that_it_cost_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprised(self: PutOffs) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(PutOffs, "ask_aside", surprised)
        assert world.run().charged == Charged.UNKNOWN.value
    replayed().check(world.run(), right(world))
    assert world.bills == 1
