"""What is kept of rows, where it is disturbed at its worst moments."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodes.headless.rows.record import FILES, Outcome, Record, read_outcomes


def run_row(record: Record, state: str, **files: str) -> None:
    """A row that writes ``files``: their stems and contents."""
    place = record.begin("a") / FILES
    for stem, content in files.items():
        (place / f"{stem}_00001_.png").write_text(content)
    record.end("a", 7, Outcome(state))  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.png")}


def test_what_was_written_at_another_time_is_one_file(tmp_path: Path) -> None:
    """As with %second% in a prefix."""
    with Record(tmp_path) as record:
        run_row(record, "failed", at_10="fox", same="owl")
        run_row(record, "done", at_11="fox", same="owl")
    assert files(tmp_path) == {"at_11_00007_.png": "fox", "same_00007_.png": "owl"}
    assert set(read_outcomes(tmp_path)["a"].files.values()) == set(files(tmp_path))


class Killed(BaseException):
    pass


def test_a_file_of_somebody_else_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed), Record(tmp_path) as record:
        patch.setattr(record, "_publish", die)
        run_row(record, "done", cat="ours")
    (tmp_path / "cat_00007_.png").write_text("theirs")
    for _ in range(2):
        with Record(tmp_path) as record:
            (name,) = record.outcomes["a"].files.values()
        assert name != "cat_00007_.png" and files(tmp_path) == {"cat_00007_.png": "theirs", name: "ours"}


def test_a_name_may_have_a_line_end(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        run_row(record, "done", **{"two\nlines": "fox"})
    assert files(tmp_path) == {"two\nlines_00007_.png": "fox"}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that has room for no more."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="its processes have no such limit")
def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        place = record.begin("a")
        size = os.path.getsize(tmp_path / ".rows" / "log.jsonl")
        with files_of_at_most(size + 20), pytest.raises(OSError):
            record.end("a", 7, Outcome("failed"))
        assert record.outcomes["a"].state == "running" and place.exists()
        record.end("a", 7, Outcome("done"))
    assert read_outcomes(tmp_path)["a"].state == "done"
