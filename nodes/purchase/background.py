"""The pack's own event loop, on which paid calls run to their end.

A run's loop is torn down by Stop, or by another node's failure; the server finishes and bills the request all the
same. So the call belongs to the process: the node stops waiting at once, and what was paid for is finished here. A
process that comes to its end begins nothing new, and waits for what runs.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..host.forking import in_child
from .daemon_threads import DaemonThreads

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST = 1260.0
"""Seconds that an ending process waits: a paid call may take 1200, and its pictures a little more. Who ends it may be
less patient (``docker stop`` kills after 10); the journal knows in any case what was in the air.
"""

WAITING = (
    f"Waiting for paid calls, or pictures of earlier ones, at most {LONGEST / 60:.0f} minutes. "
    "Ctrl-C, or the same signal again unless it is a hang-up, leaves at once."
)
LEFT = "Left before all paid calls had finished. The journal knows them: nothing is paid twice."

_GRACE = 0.5
_POLL = 0.2
"""Seconds. A longer wait could not be interrupted on Windows."""

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_running: set[concurrent.futures.Future[Any]] = set()
_paid: set[concurrent.futures.Future[Any]] = set()
"""Those of them that the end of the process waits for."""

_closing = False


@in_child
def _begin_in_child() -> None:
    global _starting
    _starting = threading.Lock()


def start(work: Coroutine[Any, Any, T], *, is_free: bool = False) -> concurrent.futures.Future[T]:
    """Start ``work``. It goes on whatever becomes of the caller, as long as the process lives; the end of the process
    waits for it, unless it ``is_free``: an estimate, which can be had again.
    """
    try:
        loop = _running_loop()
    except RuntimeError:
        work.close()
        raise
    future = asyncio.run_coroutine_threadsafe(work, loop)
    _running.add(future)
    future.add_done_callback(_running.discard)
    if not is_free:
        _paid.add(future)
        future.add_done_callback(_paid.discard)
    return future


def _running_loop() -> asyncio.AbstractEventLoop:
    global _thread, _loop
    with _starting:
        # Not alive either in a child that was forked.
        if _loop is None or _thread is None or not _thread.is_alive():
            loop = asyncio.new_event_loop()
            loop.set_default_executor(DaemonThreads())
            thread = threading.Thread(target=_serve, args=(loop,), name="lumenfall-background", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                loop.close()
                raise
            _thread, _loop = thread, loop
            _running.clear()  # in a forked child, its parent's
            _paid.clear()
            atexit.unregister(_wait_at_exit)
            atexit.register(_wait_at_exit)
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run ``loop`` as long as the process lives, since whoever waits for a paid call waits for it: others may stop it,
    or throw into its thread what asyncio lets through, as SystemExit.
    """
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException as error:
            log.error("A %s came out of the loop of the paid calls, which goes on", type(error).__name__)


async def run(work: Coroutine[Any, Any, T], *, is_free: bool = False) -> T:
    """Start ``work`` and wait for it, from any event loop. Being cancelled ends the waiting, not the work."""
    future = start(work, is_free=is_free)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: Any) -> None:
        # The loop of a run that was stopped is closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    await done.wait()
    return future.result()


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """What ``work`` of ``args`` gives, as by asyncio.to_thread, but also while the process ends: asyncio's own threads
    are gone by then. The end does not wait for it.
    """
    return await run(asyncio.to_thread(work, *args), is_free=True)


def is_busy() -> bool:
    """Whether something runs that is to be waited for."""
    return bool(_paid)


def wait_for_all(say: Callable[[str], None], is_impatient: Callable[[], bool] = lambda: False) -> None:
    """Wait until nothing paid runs any more, at most :data:`LONGEST`, and ``say`` so where it takes a while. Ctrl-C,
    and ``is_impatient``, end the waiting for good: the process does not wait again when it ends.
    """
    deadline = time.monotonic() + LONGEST
    try:
        if not concurrent.futures.wait(list(_paid), _GRACE).not_done:
            return
        say(WAITING)
        while time.monotonic() < deadline and not is_impatient():
            if not concurrent.futures.wait(list(_paid), _POLL).not_done:
                return
    except KeyboardInterrupt:
        pass
    leave()
    with contextlib.suppress(KeyboardInterrupt):
        say(LEFT)


def leave() -> None:
    """Let the process end without waiting for what runs now."""
    atexit.unregister(_wait_at_exit)


def close() -> None:
    """The process ends: begin nothing new."""
    global _closing
    _closing = True


def is_closing() -> bool:
    return _closing


def _wait_at_exit() -> None:
    # Nothing finishes on a loop that is gone, as in a child that was forked; and whoever was closed before, by a
    # signal, is asked for the second time.
    if _thread is not None and _thread.is_alive() and not _closing:
        close()
        wait_for_all(log.warning)


def when_idle(then: Callable[[], None]) -> None:
    """Call ``then`` in this loop's thread when nothing paid runs any more. May be called by a signal's handler."""

    async def wait() -> None:
        started, said = time.monotonic(), False
        while _paid and time.monotonic() - started < LONGEST:
            if not said and time.monotonic() - started >= _GRACE:
                said = True
                log.warning(WAITING)
            await asyncio.sleep(_POLL)
        then()

    assert _loop is not None
    # As asyncio's own handlers of signals: no lock that the interrupted code may hold.
    _loop.call_soon_threadsafe(lambda: _tasks.add(asyncio.ensure_future(wait())))


_tasks: set[asyncio.Future[None]] = set()
"""asyncio itself only remembers tasks weakly."""
