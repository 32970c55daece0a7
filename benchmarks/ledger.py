"""What many paid calls cost: a page of the history, the sums, and the bookkeeping of one more purchase, with so many
calls of a month in the journal, in turns; and how many times what it takes with the fewest it takes with the most. At
most 1.5 is wanted. (A sum grows with the days, models and workflows that it tells of, until a month has all of them.)
No pictures lie in the store: the calls are written into the database.

    python benchmarks/ledger.py [CALLS ...]
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.summary import span, sum_up
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.routes.history import history
from nodes.routes.spending import spend
from nodes.spend import Call, Caller, Journal, Limits, State, clean, nanos, sums, totals
from nodes.spend.tables import calls, pictures

ROUNDS = 31
ORIGINALS = 10_000
SPAN = 30 * 86400.0
GRAPH = {"node": "1", "nodes": {"1": {"class_type": "LumenfallGenerate", "inputs": {"prompt": "a red fox " * 20}}}}


def fill(journal: Journal, count: int) -> None:
    """So many calls, evenly over a month: some written down by the pack, all others copied from those in SQL. Then
    their sums, as a database of an older version is given them.
    """
    draw = random.Random(count)
    start = time.time() - SPAN
    rows, stored = [], []
    originals = min(count, ORIGINALS)
    for number in range(originals):
        call = Call(f"{number:064x}", "https://api.lumenfall.ai/openai/v1", "images/generations", "")
        call = replace(
            call,
            model=f"model-{draw.randrange(5)}",
            workflow=f"workflow-{draw.randrange(5)}",
            provider=f"provider-{draw.randrange(3)}",
            parameters={"prompt": "a red fox", "n": 1, "size": "1024x1024"},
            facts={"entries": 1, "revised_prompts": [], "notes": []},
            sent_at=start + SPAN * number / originals,
            delivered_at=time.time(),
            seconds=9.5,
            reserved=nanos(0.04),
            cost=nanos(0.04),
            currency="USD",
            state=State.DONE,
            charged=Charged.YES,
            run_id=f"run-{number // 100}",
            request_id=f"req_{number:024x}",
            graph=GRAPH,
        )
        rows.append(call.columns())
        stored.append({"call_id": call.id, "number": 1, "sha256": f"{number:064x}", "extension": ".png", "size": 1})
    new = {"id": "lower(hex(randomblob(16)))", "key": "lower(hex(randomblob(32)))"}
    new |= {"request_id": "'req_' || lower(hex(randomblob(12)))"}
    new |= {"sent_at": f"{start} + {SPAN} * abs(random() % 1000000) / 1e6"}
    names = [column.name for column in calls.c if column.name != "number"]
    copied = ", ".join(new.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    with journal.open().write() as connection:
        connection.execute(sa.insert(calls), rows)
        connection.exec_driver_sql(
            f"WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {count // originals}) "
            f"INSERT INTO calls ({columns}) SELECT {copied} FROM calls, copies WHERE n > 1"
        )
        connection.execute(sa.insert(pictures), stored)
        connection.exec_driver_sql(
            "INSERT INTO pictures SELECT id, 1, key, '.png', 1 FROM calls "
            "WHERE id NOT IN (SELECT call_id FROM pictures)"
        )
        sums.fill(connection)


def purchase(journal: Journal) -> Callable[[], None]:
    """All that one purchase writes and looks up, from its key to the cleaning of the store, with limits set."""
    numbers = iter(range(10**6))

    def buy() -> None:
        key = f"{time.time_ns():016x}{next(numbers):08x}".ljust(64, "f")
        Journal(journal.folder).check_writable()
        lock = journal.lock(key)
        assert lock.acquire() and not journal.equal(key)
        limits = journal.limits(Limits(run=1e5, day=1e5, month=1e6))
        call = Call(key, "https://api.lumenfall.ai/openai/v1", "images/generations", "model-1")
        call = journal.begin(call, Caller("run-now", "Generate", "workflow-1", GRAPH), limits, nanos(0.04))
        paid = replace(call, state=State.ANSWERED, charged=Charged.YES, cost=nanos(0.04), facts={"entries": 1})
        journal.settle(paid)
        paid = paid.with_picture(journal.files.put(1, key.encode(), ".png"))
        for state in (State.ANSWERED, State.DOWNLOADED, State.DONE):
            journal.settle(replace(paid, state=state))
        lock.release()
        journal.mark_delivered([paid])
        clean(journal, 1000.0, "run-now")

    return buy


def works(folder: str, count: int) -> dict[str, Callable[[], object]]:
    """What is measured, on a journal with so many calls."""
    host = Headless({"LUMENFALL_DATA_DIR": folder, "LUMENFALL_LIMIT_MONTH": "1000000"})
    journal = Journal(Path(folder))
    began = time.perf_counter()
    fill(journal, count)
    print(f"{count:,} calls entered in {time.perf_counter() - began:.0f} s", flush=True)
    month = datetime.combine(date.today().replace(day=1), datetime.min.time()).timestamp()
    return {
        "history page": lambda: asyncio.run(history(host, None, 50)),
        "/spend": lambda: asyncio.run(spend(host)),
        "spend by model": lambda: totals(journal, "model"),
        "spend by day, this month": lambda: totals(journal, "day", month),
        "one purchase": purchase(journal),
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(counts: list[int]) -> None:
    ratios, slowest = {}, 0.0
    with contextlib.ExitStack() as stack:
        journals = [works(stack.enter_context(tempfile.TemporaryDirectory()), count) for count in counts]
        print("| with calls | " + " | ".join(f"{count:,}" for count in counts) + " | ratio |")
        print("|---" * (len(counts) + 2) + "|")
        for name in journals[0]:
            # In turns, so that whatever else the machine does meets all; the first of each finds nothing ready.
            rounds = [[seconds(journal[name]) * 1000 for journal in journals] for _ in range(ROUNDS + 1)][1:]
            middle = [statistics.median(column) for column in zip(*rounds, strict=True)]
            ratios[name] = middle[-1] / middle[0]
            slowest = max(slowest, middle[-1] if name != "one purchase" else 0.0)
            cells = [name, *(f"{taken:.1f} ms" for taken in middle), f"{ratios[name]:.2f}"]
            print("| " + " | ".join(cells) + " |", flush=True)
    bought = ratios.pop("one purchase")
    against = f"{counts[-1]:,} calls, against {counts[0]:,}"
    sum_up(f"A purchase's bookkeeping after {against}", f"{bought:.2f} times", "1.5 times")
    measured = f"{slowest:.0f} ms at most, {span(ratios.values(), 2)} times"
    sum_up(f"A page of the history, and sums, of {against}", measured, "1.5 times")


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [100, 10_000, 1_000_000])
