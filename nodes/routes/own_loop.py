"""Work that takes a while, away from the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine that ``work`` makes, run in a thread and an event loop of its own. Reading
    certificates or decoding pictures would hold up ComfyUI's whole server otherwise.
    """
    return await asyncio.to_thread(lambda: asyncio.run(work()))
