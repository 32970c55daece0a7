"""Who gets the next slot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from nodes.purchase.slots import Slots, allowed, most
from nodes.settings import Settings


async def order_of(waiting: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """The order in which those of ``waiting``, a run and a node, get their slots: each gives the oldest one back."""
    slots, entered = Slots(), []
    holding: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def hold(run: str, node: str) -> None:
        async with slots.one(run, node, most):
            entered.append((run, node))
            leave = asyncio.Event()
            holding.put_nowait(leave)
            await leave.wait()

    tasks = [asyncio.create_task(hold(*each)) for each in waiting]
    for _ in range(len(tasks)):
        (await holding.get()).set()
        _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        tasks = list(left)
    return entered


def test_a_node_and_a_run_that_came_later_have_their_share_at_once() -> None:
    waiting = [*[("r", "large")] * 6, *[("r", "small")] * 2, *[("s", "other")] * 2]
    entered = asyncio.run(order_of(waiting, 4))
    assert entered[:4] == [("r", "large")] * 4
    assert entered[4:7] == [("s", "other"), ("s", "other"), ("r", "small")]


def test_who_gives_up_waiting_takes_no_slot_along() -> None:
    async def go() -> None:
        slots = Slots()

        async def hold() -> None:
            async with slots.one("r", "n", 1):
                await asyncio.sleep(0)

        async with slots.one("r", "n", 1):
            impatient = asyncio.create_task(hold())
            await asyncio.sleep(0)
            impatient.cancel()
        granted_too_late = asyncio.create_task(hold())
        await asyncio.sleep(0)
        granted_too_late.cancel()
        await asyncio.wait([impatient, granted_too_late])
        await asyncio.wait_for(hold(), 5)

    asyncio.run(go())


def test_what_a_command_allows_beyond_the_settings_holds_for_its_time() -> None:
    settings = Settings(parallel=4)
    for count, expected in ((1, 4), (16, 16)):
        with allowed(count):
            assert most(settings) == expected
        assert most(settings) == 4
