"""Waiting for something slow while watching for Stop and telling the user how long it takes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from . import Host, show_progress

T = TypeVar("T")


async def wait(work: Coroutine[Any, Any, T], host: Host, doing: Callable[[], str]) -> T:
    """The result of ``work``; meanwhile ``doing()`` is shown when it changes, and with the seconds once a second.

    Stop cancels ``work`` and raises the host's interruption; what ``work`` has handed to another loop goes on. So does
    a cancellation from outside: ComfyUI cancels the tasks of a run when another node fails, and a
    CancelledError that left a node would end its only worker thread.
    """
    if host.interrupted():
        work.close()
        raise host.interruption()
    task = asyncio.ensure_future(work)
    started = shown = time.monotonic()
    said = ""
    try:
        while True:
            await asyncio.wait({task}, timeout=host.poll_seconds)
            if task.done():
                return task.result()
            if host.interrupted():
                raise host.interruption()
            now, text = time.monotonic(), doing()
            if now - shown >= 1.0:
                shown, said = now, text
                show_progress(host, f"{text} ({now - started:.0f} s)")
            elif text != said:
                said = text
                show_progress(host, text)
    except asyncio.CancelledError:
        raise host.interruption() from None
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
