"""Threads for the blocking part of paid calls, which also work while the process ends."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

SIZE = min(32, (os.cpu_count() or 1) + 4)
"""As many as asyncio's own pool has."""

_Work = tuple["Future[Any]", Callable[[], Any]]


class Ended(RuntimeError):
    """Something that ends programs was thrown into the work; as itself it would end the loop that waits for it, too."""


class DaemonThreads(ThreadPoolExecutor):
    """A pool of daemon threads.

    Python's own pools are shut before its exit handlers run: an answer that comes while the process waits for it could
    no longer be written down. Only the type is theirs, because asyncio wants it.
    """

    def __init__(self) -> None:
        super().__init__(SIZE)
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._starting = threading.Lock()
        self._count = 0

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, partial(function, *args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            self._grow()
        return future

    def _grow(self) -> None:
        with self._starting:
            if self._count == SIZE:
                return
            try:
                threading.Thread(target=self._serve, name="lumenfall-background-work", daemon=True).start()
            except RuntimeError:
                # None can be started any more; those that there are take the work in turn.
                if not self._count:
                    raise
            else:
                self._count += 1

    def _serve(self) -> None:
        # Whatever is thrown into it from outside, the thread stays: others count on it.
        while True:
            with contextlib.suppress(BaseException):
                self._serve_one()

    def _serve_one(self) -> None:
        taken: list[_Work] = []
        try:
            # In one step of the interpreter: what is thrown in before the next finds it in the list.
            taken.extend(map(self._work.get, (True,)))
            if taken[0][0].set_running_or_notify_cancel():
                taken[0][0].set_result(taken[0][1]())
        except BaseException as error:
            if taken and not taken[0][0].done():
                taken[0][0].set_exception(error if isinstance(error, Exception) else Ended(type(error).__name__))
        finally:
            if taken:
                self._idle.release()
            taken.clear()  # which the traceback of an error would keep
