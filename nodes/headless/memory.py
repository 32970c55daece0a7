"""What pictures took goes back to the system once they are let go of."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache

EVERY = 0.1
"""Seconds: it takes milliseconds, and what small pictures leave in less time does not matter."""

_last = 0.0


def give_back() -> None:
    """Let glibc return what is free, now and then. By itself it keeps the gaps that freed pictures leave in its heaps,
    of which each thread has one: they add up to hundreds of megabytes. No other system's allocator does so.
    """
    global _last
    now = time.monotonic()
    if now - _last >= EVERY:
        _last = now
        _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return trim or (lambda _: None)
