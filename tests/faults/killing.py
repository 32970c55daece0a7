"""kill -9, at every moment in the life of a call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from tests.faults.child import Outcome
from tests.faults.table import B64, KILLED, PAID_FOR, Expected, Row, bought, fails, replayed
from tests.faults.world import LONGEST, Gate, World, until

NOT_KNOWN = fails(errors.Unresolved, Charged.UNKNOWN)
THREE = {"n": 3}

SETTLE = "nodes.spend.journal.Journal.settle"
ENTER = "nodes.spend.journal.enter"
RECORD = "nodes.spend.records.Records.write"
CONFIRM = "nodes.spend.records.Records.confirm"
KEEP_ANSWER = "nodes.spend.records.Records.keep_answer"
PUT = "nodes.spend.files.Files.put"


def killed_at(moment: dict[str, Any]) -> Callable[[World], Outcome]:
    return lambda world: world.start(moment).outcome()


def _killed(
    name: str,
    second: Expected,
    bills: tuple[int, int],
    target: str,
    when: str,
    about: str | None = None,
    count: int = 1,
    **more: Any,
) -> Row:
    die = {"target": target, "when": when, "about": about, "count": count}
    return Row(f"killed {name}", KILLED, second, bills, runs=killed_at(die), ledger_late=True, **more)


def _unsent(name: str, second: Expected, *moment: Any) -> Row:
    return _killed(name, second, (0, 1 if second.pictures else 0), *moment)


def _home(name: str, *moment: Any, **more: Any) -> Row:
    """Killed when the answer had come: the next run brings the pictures home."""
    return _killed(name, replayed(), (1, 1), *moment, **more)


def _home_twice(name: str, *moment: Any, **more: Any) -> list[Row]:
    """With links, and with base64."""
    return [_home(name, *moment, **more), _home(f"{name}, in base64", *moment, inputs=B64, **more)]


def _of_three(name: str, target: str, about: str | None, before: int, inputs: dict[str, Any]) -> list[Row]:
    """Killed when one, two and three pictures were there; ``before`` calls of ``target`` come before the first."""
    return [
        _killed(name.format(count), replayed(3), (1, 1), target, "after", about, before + count, inputs=inputs)
        for count in (1, 2, 3)
    ]


def in_the_air(world: World) -> Outcome:
    gate = Gate()
    world.sandbox.fail_next(gate.fault)
    child = world.start()
    gate.wait()
    child.kill()
    gate.open()
    world.wait_for_bill()
    return Outcome(died=True)


def still_at_work(world: World) -> Outcome:
    """The server has the request, and works on it beyond the next run."""
    world.sandbox._pause = AtWork(world)  # type: ignore[method-assign]
    child = world.start()
    until(lambda: any(order.fields for order in world.orders))
    child.kill()
    return Outcome(died=True)


class AtWork:
    """The server works on its first order until it is done."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._has_begun = False
        self.done = threading.Event()

    async def __call__(self, request: web.Request) -> None:
        if self._has_begun or not any(order.fields for order in self._world.orders):
            return
        self._has_begun = True
        await asyncio.to_thread(self.done.wait, LONGEST)


def finished(world: World, _: Any) -> None:
    """The server is through with it, and the next run learns what it cost."""
    assert isinstance(world.sandbox._pause, AtWork)
    world.sandbox._pause.done.set()
    world.wait_for_bill()
    PAID_FOR.check(world.run(), ())


ROWS = [
    _unsent("before sent is prepared", bought(), "nodes.spend.records.Records.prepare", "before"),
    _unsent("when sent is prepared", bought(), ENTER, "before", "sent"),
    _unsent("in the transaction of sent", bought(), ENTER, "after", "sent"),
    _unsent("when sent is committed, before its record counts", NOT_KNOWN, CONFIRM, "before"),
    _unsent("when sent is committed", NOT_KNOWN, CONFIRM, "after"),
    _unsent("before the request leaves", NOT_KNOWN, "nodes.api.client.Client.send", "before"),
    Row("killed in the air", KILLED, PAID_FOR, (1, 1), runs=in_the_air, ledger_late=True),
    Row(
        "killed in the air, while the server still works",
        KILLED,
        NOT_KNOWN,
        (0, 0),
        runs=still_at_work,
        ledger_late=True,
        after=finished,
    ),
    _killed("before the answer is written", PAID_FOR, (1, 1), KEEP_ANSWER, "before"),
    _killed("while the answer is written", PAID_FOR, (1, 1), "pathlib.Path.replace", "before", ".answer"),
    *_home_twice("when the answer is written", KEEP_ANSWER, "after"),
    *_home_twice("before answered is recorded", RECORD, "before", "answered"),
    _home("when answered is recorded, before it is committed", ENTER, "before", "answered"),
    _home("in the transaction of answered", ENTER, "after", "answered"),
    *_home_twice("when answered is committed", SETTLE, "after", "answered"),
    _home("in the middle of a download", "nodes.api.downloads.Partial.append", "half"),
    _home("when a download is through", "nodes.api.downloads.Partial.append", "after"),
    *_home_twice("before the picture is a file", PUT, "before"),
    *_home_twice("when the picture is a file", PUT, "after"),
    *_of_three("when {} of 3 pictures are entered", SETTLE, "answered", 1, THREE),
    *_of_three("when {} of 3 pictures are files, in base64", PUT, None, 0, {**THREE, **B64}),
    _home("before done is recorded", RECORD, "before", "done"),
    _home("when done is recorded, before it is committed", ENTER, "before", "done"),
    _home("in the transaction of done", ENTER, "after", "done"),
    _home("when done is committed, before the answer is removed", "nodes.spend.records.Records.tidy", "before"),
    *_home_twice("when the answer is removed", "nodes.spend.records.Records.tidy", "after"),
    *_home_twice("when done is committed, and its record put away", SETTLE, "after", "done"),
    _home("before it is noted as delivered", "nodes.spend.journal.Journal.mark_delivered", "before"),
]
