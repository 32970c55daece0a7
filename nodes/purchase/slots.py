"""How many requests of this process are in the air at once, whichever node or run they belong to."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ..settings import Settings


@dataclass(eq=False)
class _Waiter:
    run: Hashable
    node: Hashable
    most: int
    granted: asyncio.Future[None]


@dataclass
class Slots:
    """Those of one event loop. A free one goes to the run that has fewest, and in it to the node that has fewest; of
    equals, to who has waited longest.
    """

    _taken: Counter[Hashable] = field(default_factory=Counter)
    """By run, and by run and node."""
    _count: int = 0
    _waiters: list[_Waiter] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def one(self, run: Hashable, node: Hashable, most: int) -> AsyncIterator[None]:
        """Wait for one of ``most``, and hold it inside the block."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(run, (run, node), most, loop.create_future())
        self._waiters.append(waiter)
        self._hand_out()
        try:
            await waiter.granted
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self._give_back(waiter)
            raise
        try:
            yield
        finally:
            self._give_back(waiter)

    def _hand_out(self) -> None:
        # Each has its own settings, which the user may have changed meanwhile.
        while fitting := [each for each in self._waiters if self._count < each.most and not each.granted.done()]:
            waiter = min(fitting, key=lambda each: (self._taken[each.run], self._taken[each.node]))
            self._waiters.remove(waiter)
            self._count += 1
            self._taken.update((waiter.run, waiter.node))
            waiter.granted.set_result(None)

    def _give_back(self, waiter: _Waiter) -> None:
        self._count -= 1
        for name in (waiter.run, waiter.node):
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
        self._hand_out()


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()


def slots() -> Slots:
    """Those of the loop that runs now. All requests of a process leave from one loop (background), and a child that was
    forked has another.
    """
    return _of_loop.setdefault(asyncio.get_running_loop(), Slots())


_least = 1


@contextlib.contextmanager
def allowed(count: int) -> Iterator[None]:
    """Let so many be in the air in this process, whatever the settings say of fewer."""
    global _least
    before, _least = _least, count
    try:
        yield
    finally:
        _least = before


def most(settings: Settings) -> int:
    """How many may be in the air at once."""
    return max(settings.parallel, _least)
