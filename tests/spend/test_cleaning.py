"""Cleaning: oldest use first, and never what somebody still needs."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from nodes.spend import Call, Caller, Journal, Limits, State, clean, cleaning, stored_size

SIZE = 1000
KILOBYTE = SIZE / 10**9


def bought(journal: Journal, number: int, content: bytes | None = None, *, run: str = "earlier") -> Call:
    call = Call(f"{number:04x}".ljust(64, "0"), "http://server", "images/generations", "flux.2-pro")
    call = journal.begin(call, Caller(run), Limits(), None)
    content = bytes([number]) * SIZE if content is None else content
    call = replace(call.with_picture(journal.files.put(1, content, ".png")), state=State.DONE, cost=0)
    journal.settle(call)
    return call


def delivered(journal: Journal, *calls: Call) -> None:
    for call in calls:
        journal.mark_delivered([call])


def left(journal: Journal, *calls: Call) -> list[bool]:
    return [journal.files.has(call.pictures[0]) for call in calls]


def test_the_pictures_that_were_not_used_for_longest_go_first(journal: Journal) -> None:
    calls = [bought(journal, number) for number in range(4)]
    delivered(journal, *calls)
    delivered(journal, calls[0])
    removed = clean(journal, 2 * KILOBYTE)
    assert left(journal, *calls) == [True, False, False, True]
    assert (removed.calls, removed.size) == (2, 2 * SIZE) and journal.files.total() == 2 * SIZE
    cleaned = journal.equal(calls[1].key)[0]
    assert cleaned and cleaned.state is State.CLEANED and cleaned.cost == 0


def test_a_store_within_its_limit_is_left_alone(journal: Journal) -> None:
    calls = [bought(journal, number) for number in range(3)]
    delivered(journal, *calls)
    assert clean(journal, 3 * KILOBYTE).calls == 0 and all(left(journal, *calls))


def test_what_is_needed_stays(journal: Journal) -> None:
    undelivered, mine, held, old = (bought(journal, n, run=run) for n, run in enumerate(["a", "now", "b", "c"]))
    delivered(journal, mine, held, old)
    lock = journal.lock(held.key)
    assert lock.acquire()
    clean(journal, 0.0, "now")
    assert left(journal, undelivered, mine, held, old) == [True, True, True, False]
    lock.release()


def test_a_file_that_two_calls_share_stays_with_the_second(journal: Journal) -> None:
    first, second = bought(journal, 1, b"same" * 250), bought(journal, 2, b"same" * 250)
    delivered(journal, first)
    clean(journal, 0.0)
    assert journal.files.get(second.pictures[0]) == b"same" * 250
    delivered(journal, second)
    clean(journal, 0.0)
    assert left(journal, first, second) == [False, False] and journal.files.total() == 0


def test_the_size_of_the_store_is_told_without_looking_at_each_file(journal: Journal) -> None:
    calls = [bought(journal, number) for number in range(5)]
    folders = [journal.files.path(call.pictures[0]).parent for call in calls]
    for folder in folders:
        os.utime(folder, (1000, 1000))
    assert journal.files.total() == 5 * SIZE
    # Cut behind the folder's back, which then has not changed: the sum is what was seen before.
    journal.files.path(calls[0].pictures[0]).write_bytes(b"")
    os.utime(folders[0], (1000, 1000))
    assert journal.files.total() == 5 * SIZE
    # What comes, and what goes, is seen.
    bought(journal, 6)
    journal.files.remove(calls[1].pictures[0])
    assert journal.files.total() == 5 * SIZE
    (journal.folder / "store-sizes.json").write_text("[")
    assert journal.files.total() == 4 * SIZE


def test_a_full_store_is_cleaned_page_by_page(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "PAGE", 3)
    calls = [bought(journal, number) for number in range(10)]
    delivered(journal, *calls)
    lock = journal.lock(calls[2].key)
    assert lock.acquire()
    assert clean(journal, 2 * KILOBYTE).calls == 8
    lock.release()
    assert left(journal, *calls) == [number in (2, 9) for number in range(10)]


def test_a_file_that_grew_beyond_any_picture_costs_no_other_its_place(journal: Journal) -> None:
    calls = [bought(journal, number) for number in range(3)]
    delivered(journal, *calls)
    with journal.files.path(calls[1].pictures[0]).open("r+b") as file:
        file.truncate(40 * 2**30)
    assert clean(journal, 3 * KILOBYTE).calls == 0
    assert left(journal, *calls) == [True, False, True]


@pytest.mark.parametrize("state", [State.DONE, State.CLEANED])
def test_an_answer_that_is_kept_whole_counts_and_goes(journal: Journal, state: State) -> None:
    call = bought(journal, 1)
    delivered(journal, call)
    if state is State.CLEANED:
        clean(journal, 0.0)
    journal.records.keep_answer(call, bytes(5 * SIZE))
    before = stored_size(journal)
    assert before == 5 * SIZE + SIZE * (state is State.DONE)
    assert clean(journal, before / 10**9).size == 0 and journal.records.answer_name(call)
    assert clean(journal, 0.0).size == before
    assert stored_size(journal) == 0 and journal.records.answer_name(call) is None


def test_the_answer_of_what_never_arrived_stays(journal: Journal) -> None:
    call = replace(bought(journal, 1), id="a" * 32, state=State.LOST)
    journal.settle(call)
    journal.records.keep_answer(call, bytes(5 * SIZE))
    clean(journal, 0.0)
    assert stored_size(journal) == SIZE and journal.records.answer(call) == bytes(5 * SIZE)
