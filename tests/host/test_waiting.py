"""Waiting: Stop and cancellation end it at once, as the host wants it, and what it waits for is shown."""

from __future__ import annotations

import asyncio

import pytest

from nodes.headless.host import Headless, running_node
from nodes.host import Interrupted
from nodes.host.waiting import wait


class Work:
    """Something that never ends by itself, and notes how it ended."""

    def __init__(self) -> None:
        self.ended_by: str | None = None

    async def go_on(self, begun: asyncio.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended_by = "cancellation"
            raise


async def ended(host: Headless, work: Work, how: str) -> None:
    begun = asyncio.Event()
    waiting = asyncio.ensure_future(wait(work.go_on(begun), host, lambda: "sending"))
    await begun.wait()
    host.stop() if how == "stop" else waiting.cancel()
    with pytest.raises(Interrupted):
        await waiting


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_stop_and_cancellation_both_become_the_hosts_interruption(how: str) -> None:
    """A CancelledError that left a node would end ComfyUI's only worker."""
    work = Work()
    asyncio.run(ended(Headless(), work, how))
    assert work.ended_by == "cancellation"


def test_after_stop_nothing_is_begun() -> None:
    host, work = Headless(), Work()
    host.stop()
    with pytest.raises(Interrupted):
        asyncio.run(wait(work.go_on(asyncio.Event()), host, lambda: "sending"))
    assert work.ended_by is None


def test_what_is_done_is_shown_once_until_it_changes() -> None:
    shown: list[str] = []
    stages = iter(["sending", "sending", "fetching"])
    reached = asyncio.Event()

    def doing() -> str:
        stage = next(stages, "fetching")
        if stage == "fetching":
            reached.set()
        return stage

    async def node() -> bool:
        running_node.set("1")
        return await wait(reached.wait(), Headless(on_progress=lambda _, text: shown.append(text)), doing)

    assert asyncio.run(node()) is True
    assert shown[:2] == ["sending", "fetching"]
