"""The pack's own event loop, on which paid calls run to their end.

A prompt's loop is torn down by Stop, or by another node's failure; the server finishes and bills the request all the
same. So the call belongs to the process: the node stops waiting at once, and what was paid for still comes home.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_out: set[concurrent.futures.Future[Any]] = set()


def send_off(errand: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start ``errand``. It goes on whatever becomes of the caller, as long as the process lives."""
    try:
        loop = _running_loop()
    except RuntimeError:
        errand.close()
        raise
    future = asyncio.run_coroutine_threadsafe(errand, loop)
    _out.add(future)
    future.add_done_callback(_out.discard)
    return future


def _running_loop() -> asyncio.AbstractEventLoop:
    global _thread, _loop
    with _starting:
        # Not alive either in a child that was forked.
        if _loop is None or _thread is None or not _thread.is_alive():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="lumenfall-courier", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                loop.close()
                raise
            _thread, _loop = thread, loop
        return _loop


async def run(errand: Coroutine[Any, Any, T]) -> T:
    """Send ``errand`` off and wait for it, from any event loop. Being cancelled ends the waiting, not the errand."""
    future = send_off(errand)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: Any) -> None:
        # The loop of a prompt that was stopped is closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    await done.wait()
    return future.result()


def bring_home(timeout: float | None = None) -> int:
    """Wait until nothing is out any more, at most ``timeout`` seconds; how many errands still are."""
    return len(concurrent.futures.wait(list(_out), timeout).not_done)
