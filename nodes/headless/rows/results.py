"""results.csv: a line for each row, whatever became of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...host.files import write_durably
from .checking import Job
from .record import Outcome

NAME = "results.csv"

COLUMNS = ("row", "status", "files", "model", "cost", "currency", "seconds", "request ids", "error", "charged")


def as_line(number: int | None, outcome: Outcome) -> dict[str, Any]:
    """A row as JSON has it, by :data:`COLUMNS`. ``number`` is None where the file of rows has it no more."""
    return {
        "row": number,
        "status": outcome.state if number is not None else "gone",
        "files": list(outcome.files.values()),
        "model": ", ".join(outcome.models),
        "cost": outcome.cost,
        "currency": outcome.currency,
        "seconds": outcome.seconds,
        "request ids": outcome.request_ids,
        "error": outcome.error,
        "charged": outcome.charged,
    }


def write_results(folder: Path, jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> None:
    """Write results.csv, whole or not at all: ``jobs`` in their order, then those that were run before and are in the
    file of rows no more. Several files or ids are parted by line ends. Raises OSError.
    """
    gone = outcomes.keys() - {job.key for job in jobs}
    numbered = [(job.number, outcomes.get(job.key) or Outcome()) for job in jobs]
    lines = [as_line(*each) for each in [*numbered, *((None, outcomes[key]) for key in sorted(gone))]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(line[name]) for name in COLUMNS] for line in lines)
    write_durably(folder / NAME, text.getvalue().encode())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(value)
    text = value if isinstance(value, str) else json.dumps(value)
    # What a server says must not become a formula where the table is opened.
    return f"'{text}" if text[:1] in ("=", "+", "@", "\t") else text
