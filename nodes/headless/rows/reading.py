"""The rows of a CSV or JSON Lines file."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..problems import Problem, WorkflowError

MOST_TOLD = 20
"""Problems that are told at once."""

LONGEST_CELL = 2**31 - 1
"""Characters; the csv module by itself takes 131072."""

_TOLD_MARK = re.compile("sep=([,;\t])\r?\n", re.IGNORECASE)
"""What Excel writes above the header."""


@dataclass(frozen=True)
class Row:
    """``number`` counts from 1, without a CSV's header. ``values`` are texts as ``--set`` takes them, by column; a
    column that the row leaves as the workflow has it is missing.
    """

    number: int
    values: Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """All rows of ``path``: JSON Lines where its name ends in .jsonl or .ndjson, else CSV, whose header tells whether
    commas, semicolons or tabs part the columns; in UTF-8, or in UTF-16 with its mark. Raises WorkflowError, which names
    each row that cannot be read.
    """
    try:
        content = path.read_bytes()
        is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or 'it is no text in UTF-8 (in Excel, save it as "CSV UTF-8")'
        raise refusal([f"{path} cannot be read: {reason}."]) from error
    if path.suffix.lower() == ".json":
        raise refusal([f"{path} is neither CSV nor JSON Lines: write an object a line, in a file named .jsonl."])
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
    told = _TOLD_MARK.match(text)
    text = text[told.end() :] if told else text
    header = text.partition("\n")[0]
    mark = told[1] if told else max(",;\t", key=header.count)
    # A text with line ends of its own is kept as it is.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    longest = csv.field_size_limit(LONGEST_CELL)
    try:
        columns = [name.strip() for name in next(reader, [])]
        while columns and not columns[-1]:
            columns.pop()  # spreadsheets save columns in which nothing is left
        for name in columns:
            if columns.count(name) > 1 or not name:
                problems.append(f"The header of the rows has {'an empty column' if not name else f'{name!r} twice'}.")
                return
        number = 0
        for cells in reader:
            if not any(cells):
                continue
            number += 1
            if any(cells[len(columns) :]):
                problems.append(f"Row {number} has {len(cells)} cells, but there are {len(columns)} columns.")
            yield Row(number, {name: cell for name, cell in zip(columns, cells, strict=False) if cell != ""})
    except csv.Error as error:
        problems.append(f"Line {reader.line_num} is no CSV: {error}.")
    finally:
        csv.field_size_limit(longest)


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
