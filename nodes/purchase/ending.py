"""Signals that end a host's process while something paid is in the air.

At its own end Python waits for it (background), but a signal that nobody handles ends a process without one: systemd,
docker, a terminal that is closed. Such a signal still does what it did, only not before the calls are finished.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import FrameType

from . import background, repeated_signals

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
"""Those of this system that end a process. Python itself makes KeyboardInterrupt of SIGINT."""

_pid = 0
_since = 0.0
_is_over = False
"""Whether what was waited for has ended. What a host begins even then sends nothing that costs."""


def watch() -> None:
    """Wait before each signal that would simply kill this process. One that somebody handles, or ignores as nohup
    does, is not touched, and whoever comes later may take it over. Only the main thread can do this.
    """
    global _pid
    _pid = os.getpid()
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):
                signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """The first time wait, without holding up the host; the second time, or when all is finished, die of the signal. A
    forked child, in which nothing is under way, dies at once.
    """
    global _since
    if not _is_over and background.is_busy() and os.getpid() == _pid:
        if not background.is_closing():
            _since = time.monotonic()
            background.close()
            background.when_idle(lambda: _again(number))
            return
        if repeated_signals.is_same_end(number, _since):
            return
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    # The first process of a container does not die of signals.
    raise SystemExit(128 + number)


def _again(number: int) -> None:
    """Send ``number`` to the main thread, which takes it for no further signal from outside."""
    global _is_over
    _is_over = True
    if hasattr(signal, "pthread_kill"):
        ident = threading.main_thread().ident
        assert ident is not None
        signal.pthread_kill(ident, number)
    else:
        signal.raise_signal(number)
