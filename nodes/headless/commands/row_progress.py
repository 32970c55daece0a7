"""How rows get on, for people, on stderr: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..rows.record import Outcome

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


class RowProgress:
    """``count`` rows, of which ``finished`` were so before."""

    def __init__(self, count: int, finished: int, *, silent: bool) -> None:
        self._silent = silent
        self._left = count - finished
        self._ended = 0
        self._failed = 0
        self._costs: dict[str, float] = {}
        self._started = self._said = time.monotonic()
        console = Console(stderr=True)
        self._is_live = console.is_terminal and not silent
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not self._is_live,
            redirect_stdout=sys.stdout.isatty(),
            # The latest rows say more of the rest than the first ones, of which some were in the store.
            speed_estimate_period=120.0,
        )
        self._task = self._progress.add_task("", total=count, completed=finished, text="")

    def __enter__(self) -> RowProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def ended(self, outcome: Outcome) -> None:
        """A row has ended."""
        self._ended += 1
        self._failed += outcome.state == "failed"
        if outcome.cost:
            currency = outcome.currency or "USD"
            self._costs[currency] = self._costs.get(currency, 0.0) + outcome.cost
        self._progress.update(self._task, advance=1, text=self._text())
        now = time.monotonic()
        if not self._silent and not self._is_live and now - self._said >= EVERY:
            self._said = now
            left = (self._left - self._ended) / self._rate()
            self.say(f"{self._ended} of {self._left} rows, {self._text()}, {left:.0f} s left")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._is_live:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif not self._silent:
            print(text, file=sys.stderr, flush=True)

    def _rate(self) -> float:
        return self._ended / max(time.monotonic() - self._started, 1e-3)

    def _text(self) -> str:
        costs = " + ".join(f"{amount:.4g} {currency}" for currency, amount in self._costs.items()) or "0 USD"
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._rate():.1f} rows/s, {costs}{failed}"
