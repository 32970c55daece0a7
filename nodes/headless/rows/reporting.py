"""What is told of all rows while they run, and when they have."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import LumenfallError
from ...spend import Call
from .checking import Job
from .record import Outcome, Record
from .results import as_line, write_results
from .running import with_calls
from .sheet import Sheet

RESULTS_EVERY, SHEET_EVERY = 1.0, 5.0
"""Seconds between two versions of a file."""

SHARE = 20
"""Writing one may take so small a part of the time."""


def is_to_run(outcome: Outcome | None, retry_failed: bool) -> bool:
    """Whether a row is to be begun now."""
    return outcome is None or (outcome.state != "done" and (outcome.state != "failed" or retry_failed))


class Report:
    """Keeps results.csv and contact-sheet.png in ``folder`` up to what ``record`` knows of ``jobs``."""

    def __init__(self, jobs: Sequence[Job], record: Record, folder: Path) -> None:
        self._jobs = jobs
        self._record = record
        self._folder = folder
        self._sheet = Sheet(len(jobs))
        self._undrawn = [job for job in jobs if self._first_file(job)]
        self._has_news = True

    def is_to_run(self, job: Job, retry_failed: bool) -> bool:
        return is_to_run(self._record.outcomes.get(job.key), retry_failed)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A row has ended."""
        self._undrawn.append(job)
        self._has_news = True

    def line(self, job: Job) -> dict[str, Any]:
        """A row as JSON has it."""
        return as_line(job.number, self._record.outcomes[job.key])

    async def keep_written(self) -> None:
        """Write both again and again, until it is cancelled."""
        await asyncio.gather(
            self._again(self._write_results, RESULTS_EVERY), self._again(self._write_sheet, SHEET_EVERY)
        )

    async def _again(self, write: Callable[[], None], every: float) -> None:
        while True:
            started = time.monotonic()
            await asyncio.to_thread(write)
            await asyncio.sleep(max(every, SHARE * (time.monotonic() - started)))

    def take_in(self, calls: Callable[[Job], list[Call]]) -> None:
        """Learn what has become of the calls of rows that were begun and have not ended. Blocks."""
        for job in self._jobs:
            outcome = self._record.outcomes.get(job.key)
            if outcome is not None and outcome.state == "running":
                try:
                    self._record.outcomes[job.key] = with_calls(outcome, calls(job))
                except LumenfallError as error:
                    outcome.error = error.message

    def write(self) -> None:
        """Write both, for good. Blocks. Raises OSError."""
        self._has_news = True
        self._write_results()
        self._write_sheet()

    def _write_results(self) -> None:
        write_results(self._folder, self._jobs, dict(self._record.outcomes))

    def _write_sheet(self) -> None:
        if not self._undrawn and not self._has_news:
            return
        self._has_news = False
        while self._undrawn:
            job = self._undrawn.pop()
            file = self._first_file(job)
            if file is not None:
                self._sheet.draw(job.number, self._folder / file)
        self._sheet.write(self._folder)

    def _first_file(self, job: Job) -> str | None:
        outcome = self._record.outcomes.get(job.key)
        return next(iter(outcome.files.values()), None) if outcome else None

    def summary(self, reason: str | None, *, is_interrupted: bool) -> dict[str, Any]:
        """What became of all rows, and the ``reason`` for which no more were begun."""
        outcomes = {job.number: self._record.outcomes.get(job.key) or Outcome() for job in self._jobs}
        by_state = {
            name: [number for number, outcome in outcomes.items() if outcome.state == state]
            for name, state in (
                ("done", "done"),
                ("failed", "failed"),
                ("waiting", "waiting"),
                ("unfinished", "running"),
            )
        }
        costs = [outcome for outcome in outcomes.values() if outcome.cost is not None]
        currencies = {outcome.currency or "USD" for outcome in costs if outcome.cost}
        is_whole = len(by_state["done"]) == len(self._jobs)
        error = {"code": "NOT_ALL_ROWS", "message": reason, "hint": "", "request_id": None, "charged": None}
        return {
            "status": "interrupted" if is_interrupted else "success" if is_whole else "error",
            "rows": len(self._jobs),
            **by_state,
            "cost": round(math.fsum(each.cost or 0.0 for each in costs), 9) if len(currencies) <= 1 else None,
            "currency": next(iter(currencies), "USD") if len(currencies) <= 1 else None,
            "errors": [{"node_id": None, "node_title": None, "class_type": None, **error}] if reason else [],
        }
