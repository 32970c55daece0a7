"""Cleaning: oldest use first, and never what somebody still needs."""

from __future__ import annotations

from dataclasses import replace

from nodes.spend import Call, Caller, Journal, Limits, State, clean

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
        journal.delivered([call])


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
