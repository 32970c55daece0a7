"""What a picture took goes back to the system once it is let go of."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from functools import cache

LARGE = 2**20
"""Bytes from which on a block is one of the system's own: that of any picture worth mentioning."""

_M_MMAP_THRESHOLD = -3


@cache
def give_back() -> None:
    """Keep glibc from raising that limit with every picture that is freed. It would soon take them out of heaps, one
    for each thread, in whose gaps hundreds of megabytes stay behind. No other system's allocator does so.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
