"""Which of several signals are one end. Imported before everything else, so it imports next to nothing."""

from __future__ import annotations

import signal
import time

TOGETHER = 1.0
"""Seconds within which several signals are one: a closed terminal and its shell both send one, as do a supervisor and
the ``timeout`` that it ends too.
"""

HANG_UP = getattr(signal, "SIGHUP", None)


def is_same_end(number: int, since: float) -> bool:
    """Whether a further signal ``number`` belongs to the first, which came at ``since`` (time.monotonic)."""
    return number == HANG_UP or time.monotonic() - since < TOGETHER
