"""What is told of all rows while they run, and when they have."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import LumenfallError
from ...spend import Call
from .checking import Job
from .record import Outcome, Record
from .results import NAME as RESULTS
from .results import as_line, write_results
from .running import with_calls
from .sheet import NAME as SHEET
from .sheet import Sheet

RESULTS_EVERY, SHEET_EVERY = 1.0, 5.0
"""Seconds between two versions of a file."""

SHARE = 20
"""Writing one may take so small a part of the time."""


NOT_ALL_ROWS, NOT_WRITTEN = "NOT_ALL_ROWS", "NOT_WRITTEN"


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
        self._undrawn = [job for job in jobs if self._files(job)]
        self._has_news = True
        self._drawing = threading.Lock()
        self._unwritten: dict[str, str] = {}
        """Why a file is not up to date, by its name."""

    def is_to_run(self, job: Job, retry_failed: bool) -> bool:
        return is_to_run(self._record.outcomes.get(job.key), retry_failed)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A row has ended."""
        self._undrawn.append(job)
        self._has_news = True

    def line(self, job: Job) -> dict[str, Any]:
        """A row as JSON has it."""
        return as_line(job.number, self._record.outcomes[job.key])

    def paid(self) -> float:
        """What all rows are known to have cost so far, US dollars."""
        outcomes = (self._record.outcomes.get(job.key) or Outcome() for job in self._jobs)
        return math.fsum(each.cost or 0.0 for each in outcomes if each.currency in (None, "USD"))

    async def keep_written(self) -> None:
        """Write both again and again, until it is cancelled."""
        await asyncio.gather(
            self._again(RESULTS, self._write_results, RESULTS_EVERY), self._again(SHEET, self._write_sheet, SHEET_EVERY)
        )

    async def _again(self, name: str, write: Callable[[], None], every: float) -> None:
        while True:
            started = time.monotonic()
            await asyncio.to_thread(self._try, name, write)
            await asyncio.sleep(max(every, SHARE * (time.monotonic() - started)))

    def take_in(self, calls: Callable[[str], list[Call]]) -> None:
        """Learn what has become of the ``calls`` of rows, by key, that were begun and have not ended, also of those
        that are rows no more. Blocks.
        """
        for key, outcome in self._record.outcomes.items():
            if outcome.state == "running":
                try:
                    self._record.outcomes[key] = with_calls(outcome, calls(key))
                except LumenfallError as error:
                    outcome.error = error.message

    def write(self) -> None:
        """Write both, for good; the summary tells of what cannot be written. Blocks."""
        self._has_news = True
        self._try(RESULTS, self._write_results)
        self._try(SHEET, self._write_sheet)

    def _try(self, name: str, write: Callable[[], None]) -> None:
        # Somebody may have it open where that locks it, and a disk is full for a while only.
        try:
            write()
        except OSError as error:
            self._has_news = True
            self._unwritten[name] = error.strerror or type(error).__name__
        else:
            self._unwritten.pop(name, None)

    def _write_results(self) -> None:
        self._draw()  # so that little is left for the end
        write_results(self._folder, self._jobs, dict(self._record.outcomes))

    def _write_sheet(self) -> None:
        if not self._undrawn and not self._has_news:
            return
        self._has_news = False
        self._draw()
        self._sheet.write(self._folder)

    def _draw(self) -> None:
        with self._drawing:
            while self._undrawn:
                job = self._undrawn.pop()
                self._sheet.draw(job.number, (self._folder / name for name in self._files(job)))

    def _files(self, job: Job) -> list[str]:
        outcome = self._record.outcomes.get(job.key)
        return list(outcome.files.values()) if outcome else []

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
        errors = [_error(*each) for each in self._errors(reason, is_interrupted)]
        return {
            "status": "interrupted" if is_interrupted else "success" if is_whole and not errors else "error",
            "rows": len(self._jobs),
            **by_state,
            "cost": round(math.fsum(each.cost or 0.0 for each in costs), 9) if len(currencies) <= 1 else None,
            "currency": next(iter(currencies), "USD") if len(currencies) <= 1 else None,
            "errors": errors,
        }

    def _errors(self, reason: str | None, is_interrupted: bool) -> Iterator[tuple[str, str, str]]:
        """Code, message and hint of what has kept the rows from being whole, and is no row's own failure."""
        if reason:
            yield NOT_ALL_ROWS, reason, ""
        elif not is_interrupted:
            outcomes = [self._record.outcomes.get(job.key) or Outcome() for job in self._jobs]
            put_off = next((each for each in outcomes if each.state == "waiting" and each.error), None)
            if put_off is not None:
                yield put_off.code or NOT_ALL_ROWS, put_off.error or "", ""
        for name, why in sorted(self._unwritten.items()):
            hint = "Close what has it open, or make room: the same command writes it then."
            yield NOT_WRITTEN, f"{self._folder / name} could not be written: {why}.", hint


def _error(code: str, message: str, hint: str) -> dict[str, Any]:
    facts = {"code": code, "message": message, "hint": hint, "request_id": None, "charged": None}
    return {"node_id": None, "node_title": None, "class_type": None, **facts}
