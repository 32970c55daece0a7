"""The rows of a CSV or JSON Lines file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..problems import Problem, WorkflowError

MOST_TOLD = 20
"""Problems that are told at once."""


@dataclass(frozen=True)
class Row:
    """``number`` counts from 1, without a CSV's header. ``values`` are texts as ``--set`` takes them, by column; a
    column that the row leaves as the workflow has it is missing.
    """

    number: int
    values: Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """All rows of ``path``: JSON Lines where its name ends in .jsonl or .ndjson, else CSV, whose header tells whether
    commas, semicolons or tabs part the columns. Raises WorkflowError, which names each row that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise refusal([f"{path} cannot be read: {reason}."]) from error
    is_json = path.suffix.lower() in (".jsonl", ".ndjson")
    problems: list[str] = []
    rows = list(_of_json(text, problems) if is_json else _of_csv(text, problems))
    if not rows and not problems:
        problems.append(f"{path} has no rows.")
    if problems:
        raise refusal(problems)
    return rows


def refusal(problems: list[str]) -> WorkflowError:
    """The error that tells of ``problems``, of the first where there are many."""
    told = problems[:MOST_TOLD]
    if len(problems) > len(told):
        told.append(f"... and {len(problems) - len(told)} more.")
    return WorkflowError([Problem("invalid_row", text) for text in told])


def _of_csv(text: str, problems: list[str]) -> Iterator[Row]:
    header = text.partition("\n")[0]
    # A text with line ends of its own is kept as it is.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        for name in columns:
            if columns.count(name) > 1 or not name:
                problems.append(f"The header of the rows has {'an empty column' if not name else f'{name!r} twice'}.")
                return
        number = 0
        for cells in reader:
            if not any(cells):
                continue
            number += 1
            if len(cells) > len(columns):
                problems.append(f"Row {number} has {len(cells)} cells, but there are {len(columns)} columns.")
            yield Row(number, {name: cell for name, cell in zip(columns, cells, strict=False) if cell != ""})
    except csv.Error as error:
        problems.append(f"Line {reader.line_num} is no CSV: {error}.")


def _of_json(text: str, problems: list[str]) -> Iterator[Row]:
    number = 0
    # Not splitlines(), which also parts at what JSON takes inside a text.
    for line in text.split("\n"):
        if not line.strip():
            continue
        number += 1
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"Row {number} is no JSON: {error}.")
            continue
        if not isinstance(values, dict):
            problems.append(f"Row {number} is no JSON object.")
            continue
        for name, value in values.items():
            if isinstance(value, (list, dict)):
                problems.append(f"Row {number}, column {name!r}: a text, a number, true, false or null is wanted.")
        yield Row(number, {name: _text(value) for name, value in values.items() if value is not None})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
