"""What a forked child must not take over from its parent."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(begin: Callable[[], None]) -> Callable[[], None]:
    """Let ``begin`` be called in each forked child, where the system has forks. A thread of its parent may have held a
    lock, and is not there to give it back.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin)
    return begin
