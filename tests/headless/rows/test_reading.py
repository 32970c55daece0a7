"""Rows as files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.headless.problems import WorkflowError
from nodes.headless.rows.reading import Row, read_rows


def rows(place: Path, name: str, text: str) -> list[Row]:
    (place / name).write_text(text, encoding="utf-8")
    return read_rows(place / name)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_as_spreadsheets_save_it(tmp_path: Path, mark: str) -> None:
    text = f'\ufeffa.x{mark}a.y\r\n"two\nlines"{mark}1\r\n\r\n{mark}2\r\n'
    assert rows(tmp_path, "rows.csv", text) == [Row(1, {"a.x": "two\nlines", "a.y": "1"}), Row(2, {"a.y": "2"})]


@pytest.mark.parametrize(
    "content",
    [
        "a.x\ta.y\r\nfox\t1\r\n".encode("utf-16"),
        b"sep=;\r\na.x;a.y\r\nfox;1\r\n",
        b"a.x,a.y,,\r\nfox,1,,\r\n,,,\r\n",
        b"a.x,a.y\nfox,1,\n",
    ],
)
def test_what_spreadsheets_add_to_a_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    assert read_rows(tmp_path / "rows.csv") == [Row(1, {"a.x": "fox", "a.y": "1"})]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    assert rows(tmp_path, "rows.csv", f"a.x\n{'x' * 200_000}\n") == [Row(1, {"a.x": "x" * 200_000})]


def test_json_lines_keep_an_empty_text_and_leave_out_null(tmp_path: Path) -> None:
    text = '{"a.x": "", "a.y": null}\n\n{"a.x": 2.5, "a.y": true}\n'
    assert rows(tmp_path, "rows.jsonl", text) == [Row(1, {"a.x": ""}), Row(2, {"a.x": "2.5", "a.y": "true"})]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rows.csv", "a.x\n1,2\n", "Row 1 has 2 cells"),
        ("rows.csv", "a.x,a.x\n1,2\n", "'a.x' twice"),
        ("rows.csv", "a.x,,a.y\n1,2,3\n", "an empty column"),
        ("rows.json", '[{"a.x": 1}]', "an object a line"),
        ("rows.csv", "a.x\n", "has no rows"),
        ("rows.jsonl", '{"a.x": 1}\n[1]\n', "Row 2 is no JSON object"),
        ("rows.jsonl", '{"a.x": [1]}\n', "Row 1, column 'a.x'"),
        ("rows.jsonl", '{"a.x": 1}\n{\n', "Row 2 is no JSON"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(WorkflowError, match=told):
        rows(tmp_path, name, text)
