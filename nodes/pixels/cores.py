"""Several pictures at once: whoever compresses one, or unpacks it, leaves Python to the others meanwhile."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def on_every_core(work: Callable[[T], R], each: Iterable[T]) -> Iterator[R]:
    """What ``work`` makes of each, in their order; as many are ahead of the one that is handed out as there are cores,
    so that memory holds no more of them. Raises what the first of them raises.
    """
    cores = os.cpu_count() or 1
    ahead: deque[Future[R]] = deque()
    with ThreadPoolExecutor(cores, "lumenfall-pictures") as threads:
        for single in each:
            if len(ahead) == cores:
                yield ahead.popleft().result()
            ahead.append(threads.submit(work, single))
        while ahead:
            yield ahead.popleft().result()
