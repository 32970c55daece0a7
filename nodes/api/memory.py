"""How much of finished pictures is in memory at once, over all downloads of this process."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from ..host.forking import in_child

MOST_HELD = 768 * 2**20
"""Bytes; three of the largest files. Whoever comes later waits."""

_POLL = 0.05
"""Seconds between two looks at whether there is room. What waits belongs to no event loop."""

_lock = threading.Lock()
_held = 0


@in_child
def _begin_in_child() -> None:
    """The downloads of its parent do not end in a forked child."""
    global _lock, _held
    _lock, _held = threading.Lock(), 0


class Share:
    """What one picture holds of the memory, until the end of its ``with``. Whoever has some must not wait for more."""

    def __init__(self) -> None:
        self._size = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep(0)

    async def take(self, size: int) -> None:
        """Wait until there is room for ``size`` bytes, or until nothing else is held."""
        self.keep(0)
        while not self._fits(size):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)

    def keep(self, size: int) -> None:
        """Give back all but ``size`` bytes."""
        global _held
        with _lock:
            _held += size - self._size
            self._size = size

    def _fits(self, size: int) -> bool:
        global _held
        with _lock:
            if _held and _held + size > MOST_HELD:
                return False
            _held += size
            self._size = size
            return True
