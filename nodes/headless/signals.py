"""What asks the command line to end: Ctrl-C, and the signals of ``docker stop``, systemd, a CI, a closed terminal.

The first one is a request: a run stops its nodes and waits for what is paid, everything else ends. The second one
leaves at once, unless it is another hang-up, or comes together with the first. Then more of them change nothing.

They are heard while all else is still being imported, so that is done where it is used.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ..purchase.repeated_signals import is_same_end

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
"""Those of this system."""

DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

_received: list[int] = []
_since = 0.0
_stop: Callable[[], None] | None = None
_is_deaf = False
_is_held = False


class Signalled(KeyboardInterrupt):
    """Raised in the main thread by any of the signals: whatever copes with Ctrl-C copes with all of them."""


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Inside the block signals are heard, but for those that the caller wants ignored, as nohup does."""
    global _is_deaf
    _received.clear()
    _is_deaf = False
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS if signal.getsignal(number) in DEFAULTS}
    for number in before:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        # Who is asked again while Python ends should just die, and not show where in Python that was.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if _received else handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """For imports, of which many do not survive an exception in their middle: a signal is raised after the block.
    Nothing is sent yet, so the second one may end the process on the spot.
    """
    global _is_held
    _is_held = True
    try:
        yield
    finally:
        _is_held = False
    if _received:
        raise Signalled


@contextlib.contextmanager
def asking(stop: Callable[[], None]) -> Iterator[None]:
    """Inside the block the first signal calls ``stop`` and raises nothing."""
    global _stop
    if _received:
        # Raised before, and swallowed on the way.
        raise Signalled
    _stop = stop
    try:
        yield
    finally:
        _stop = None


def wait_for_what_is_paid() -> None:
    """Until the next signal. What is still out then is left to the journal."""
    from ..purchase import background

    before = count()
    if before > 1:
        background.leave()
        return
    background.wait_for_all(_say, lambda: count() > before)


def _say(text: str) -> None:
    import typer

    with contextlib.suppress(OSError):  # such as a full disk
        typer.echo(text, err=True)


def ignore() -> None:
    """Nothing is left to do but to say what was done."""
    global _is_deaf
    _is_deaf = True


def count() -> int:
    """How many signals came."""
    return len(_received)


def exit_code() -> int:
    """Of a process that was asked to end: 128 and the number of the first signal, as shells have it."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def _handle(number: int, frame: FrameType | None) -> None:
    global _since
    if _is_deaf:
        return
    if _received and is_same_end(number, _since):
        return
    _since = time.monotonic()
    _received.append(number)
    if _is_held:
        if len(_received) > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
    elif len(_received) == 1 and _stop is not None:
        _stop()
    elif len(_received) <= 2:
        raise Signalled
