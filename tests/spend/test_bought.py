"""The keys of what was bought, beside the database."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from nodes.spend import Call, Journal
from nodes.spend.bought import Bought
from tests.spend.test_journal import KEY, begun, done

OTHER = "cd" * 32


def test_each_key_names_its_calls(journal: Journal) -> None:
    first, second = done(journal, begun(journal)), done(journal, begun(journal, KEY), b"again")
    done(journal, begun(journal, OTHER), b"another")
    calls = journal.records.bought.calls([KEY], leave_out=())
    assert [call.id for call in calls] == [first.id, second.id]
    assert [call.id for call in journal.records.bought.calls([KEY], leave_out={first.id})] == [second.id]


def test_a_record_that_is_gone_or_spoilt_is_none(journal: Journal) -> None:
    done(journal, begun(journal))
    (record,) = journal.folder.glob("calls/2*/*.json")
    record.write_bytes(b"{")
    assert journal.records.bought.calls([KEY], leave_out=()) == []
    record.unlink()
    assert journal.records.bought.calls([KEY], leave_out=()) == []


@pytest.mark.parametrize("odd", [b"\xff\0\n", KEY.encode(), b"\n\n \n", f"{KEY} ../../secret.json\n".encode()])
def test_odd_lines_hide_nothing(journal: Journal, odd: bytes) -> None:
    """What a disk that was full, or the end of the machine, has left of them."""
    (journal.folder / "calls" / "bought").mkdir(parents=True)
    (journal.folder / "calls" / "bought" / KEY[:3]).write_bytes(odd + b"\n")
    call = done(journal, begun(journal))
    assert [found.id for found in journal.records.bought.calls([KEY], leave_out=())] == [call.id]


@pytest.mark.parametrize("rest", ["", " 2026-1", f" 2026-11/{'0' * 32}"])
def test_a_line_that_was_written_in_part_hides_none_after_it(journal: Journal, rest: str) -> None:
    (journal.folder / "calls" / "bought").mkdir(parents=True)
    (journal.folder / "calls" / "bought" / KEY[:3]).write_text(f"{KEY}{rest}")
    call = done(journal, begun(journal))
    assert [found.id for found in journal.records.bought.calls([KEY], leave_out=())] == [call.id]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_its_place_keeps_nobody_waiting(journal: Journal) -> None:
    (journal.folder / "calls" / "bought").mkdir(parents=True)
    os.mkfifo(journal.folder / "calls" / "bought" / KEY[:3])
    call = done(journal, begun(journal))
    assert [found.id for found in journal.equal(KEY)] == [call.id]


def test_what_was_sent_is_there_before_it_is_finished(journal: Journal) -> None:
    call = begun(journal)
    assert journal.records.bought.calls([KEY], leave_out=()) == [call]
    call = done(journal, call)
    assert [found.id for found in journal.records.bought.calls([KEY], leave_out=())] == [call.id]
    assert len((journal.folder / "calls" / "bought" / KEY[:3]).read_text().splitlines()) == 1


def test_what_an_older_version_has_sent_is_there_once_it_is_finished(journal: Journal) -> None:
    call = begun(journal)
    (journal.folder / "calls" / "bought" / KEY[:3]).unlink()
    done(journal, call)
    assert [found.id for found in journal.records.bought.calls([KEY], leave_out=())] == [call.id]


def _add(root: Path, number: int) -> None:
    for step in range(200):
        call = Call(f"abc{number:030}{step:031}", "http://server", "images/generations", "flux.2-pro")
        Bought(root).add(call, root / "2026-11" / f"{call.id}.json")


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add, args=(tmp_path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    lines = (tmp_path / "bought" / "abc").read_text().splitlines()
    assert sorted({line.split()[0] for line in lines}) == sorted(
        f"abc{number:030}{step:031}" for number in range(3) for step in range(200)
    )
