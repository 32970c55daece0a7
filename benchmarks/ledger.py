"""What many paid calls cost: a page of the history, the sums, and the bookkeeping of one more purchase, with 10,000
calls in the journal and with 1,000,000 in the same month. No pictures lie in the store: the calls are written into the
database.

    python benchmarks/ledger.py [FEW MANY]
"""

from __future__ import annotations

import asyncio
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
    for number in range(ORIGINALS):
        call = Call(f"{number:064x}", "https://api.lumenfall.ai/openai/v1", "images/generations", "")
        call = replace(
            call,
            model=f"model-{draw.randrange(5)}",
            workflow=f"workflow-{draw.randrange(5)}",
            provider=f"provider-{draw.randrange(3)}",
            parameters={"prompt": "a red fox", "n": 1, "size": "1024x1024"},
            facts={"entries": 1, "revised_prompts": [], "notes": []},
            sent_at=start + SPAN * number / ORIGINALS,
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
            f"WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {count // ORIGINALS}) "
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


def main(few: int, many: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        small, large = works(one, few), works(other, many)
        print(f"{'':26}{few:>12,}{many:>12,}   ratio")
        for name in small:
            # In turns, so that whatever else the machine does meets both.
            pairs = [(seconds(small[name]), seconds(large[name])) for _ in range(ROUNDS)]
            before, after = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
            print(f"{name:26}{before:>9.1f} ms{after:>9.1f} ms   {after / before:.2f}")


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (10_000, 1_000_000)))
