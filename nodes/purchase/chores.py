"""What a purchase does for others: it looks after calls of earlier runs, and makes room in the store."""

from __future__ import annotations

import time

EVERY = 60.0
"""Seconds after which a run does the same again, however many nodes and rows it has."""

MOST_KNOWN = 1000

_done: dict[tuple[str, str], float] = {}


def is_due(chore: str, run: str) -> bool:
    """Whether ``run`` is to do it now; whoever asks does it."""
    now = time.monotonic()
    if now - _done.get((chore, run), -EVERY) < EVERY:
        return False
    _done.pop((chore, run), None)
    _done[chore, run] = now
    while len(_done) > MOST_KNOWN:
        del _done[next(iter(_done))]
    return True
