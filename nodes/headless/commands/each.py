"""``lumenfall run --each``: the rows of a file, from checking them all to what became of each.

Each line of ``--json`` is a row that has ended, in the columns of results.csv; the last line is about all of them:

status      "success", "error" where a row has failed or was left, or "interrupted"
rows        how many the file has; `done`, `failed`, `waiting` and `unfinished` are the numbers of those that are so
cost        sum of the known costs of all rows, since they were first begun, in `currency`; null where there are several
seconds     of this command
errors      what kept it from going on, in the shape of a run's summary
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ...errors import InputError
from ...host import use
from .. import signals
from ..host import Headless, RowHost
from .environment import environment
from .options import DONE, FAILED

if TYPE_CHECKING:
    from ...pricing.result import Estimate
    from ..reading import Content
    from ..rows.checking import Job, Table
    from ..rows.record import Outcome, Record
    from .summary import Summary

Clear = Callable[[Any], Any]
"""Cuts the key out."""


@dataclass(frozen=True)
class Each:
    """What the command line says of rows."""

    rows: Path
    jobs: int = 1
    retry_failed: bool = False
    max_cost: float | None = None
    dry_run: bool = False
    settings: Sequence[str] = ()
    input_folder: Path = Path()
    output_folder: Path = Path()
    in_sandbox: bool = False
    sends_again: bool = False
    as_json: bool = False


def run_each(name: str, content: Content, each: Each, clear: Clear) -> tuple[Summary, int]:
    """The summary and the exit code. Raises LumenfallError for what keeps the rows from starting."""
    started = time.monotonic()
    if not each.dry_run:
        from ..core_nodes.prefixes import make_writable
        from ..rows import results

        if each.rows.resolve() == (each.output_folder / results.NAME).resolve():
            message = f"{each.rows} would be overwritten by what becomes of its rows."
            raise InputError(message, hint="Give it another name, or choose another output folder.")
        make_writable(each.output_folder)
    with contextlib.ExitStack() as stack:
        overrides = stack.enter_context(environment(each.in_sandbox, each.output_folder))
        temp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumenfall-rows-")))
        table, folders = _table(content, each, temp)
        host = RowHost(Headless(overrides).environ())
        with signals.held():
            jobs = asyncio.run(_checked(table, each.rows, host))
        if each.dry_run:
            return _price(jobs, table, each, overrides, name, clear)
        from ..rows.record import Record

        record = stack.enter_context(Record(each.output_folder))
        summary = _run(name, jobs, table, folders, record, each, overrides, clear)
    summary["seconds"] = round(time.monotonic() - started, 2)
    code = {"success": DONE, "error": FAILED, "interrupted": signals.exit_code()}[summary["status"]]
    return summary, code


def _table(content: Content, each: Each, temp: Path) -> tuple[Table, Any]:
    from ...table import NODE_CLASS_MAPPINGS
    from ..core_nodes import TITLES
    from ..core_nodes import table as core_table
    from ..folders import Folders
    from ..rows.checking import Table
    from ..workflow import load, override

    named: dict[str, Path] = {}
    folders = Folders(each.input_folder, each.output_folder, temp, named)
    nodes = {**core_table(folders), **NODE_CLASS_MAPPINGS}
    loaded = load(content, nodes, TITLES)
    prompt = override(loaded.prompt, nodes, each.settings)
    salt = "sandbox" if each.in_sandbox else ""
    places = (each.rows.resolve().parent, each.input_folder)
    return Table(prompt, nodes, *places, named, tuple(loaded.dead_ends), salt), folders


async def _checked(table: Table, rows: Path, host: RowHost) -> list[Job]:
    from ..rows.reading import read_rows

    with use(host):
        return await table.check(read_rows(rows))


def _run(
    name: str,
    jobs: Sequence[Job],
    table: Table,
    folders: Any,
    record: Record,
    each: Each,
    overrides: dict[str, str | None],
    clear: Clear,
) -> Summary:
    from ..rows.reporting import Report
    from ..rows.running import Rows
    from .printing import one_line

    with contextlib.ExitStack() as stack:
        report = Report(jobs, record, each.output_folder)

        def tell(job: Job, outcome: Outcome) -> None:
            report.ended(job, outcome)
            progress.ended(outcome)
            if each.as_json:
                print(json.dumps(clear(report.line(job))), flush=True)
            elif outcome.state == "failed":
                text = f"Row {job.number} failed: {outcome.error} [{outcome.code}, {outcome.charged}]"
                progress.say(one_line(clear(text)))

        rows = Rows(table, folders, record, overrides, name, each.max_cost, report.paid(), each.sends_again, tell)
        todo = [job for job in jobs if report.is_to_run(job, each.retry_failed)]
        from .row_progress import RowProgress

        progress = stack.enter_context(RowProgress(len(jobs), len(jobs) - len(todo), silent=each.as_json))
        stack.enter_context(signals.asking(rows.stop))
        report.take_in(rows.calls)
        try:
            asyncio.run(_work(rows, report, todo, each.jobs))
        finally:
            # Stopped rows leave calls in the air, which would be lost with this process.
            signals.wait_for_what_is_paid()
            report.take_in(rows.calls)
            report.write()
    return report.summary(rows.reason, is_interrupted=bool(signals.count()))


async def _work(rows: Any, report: Any, todo: Sequence[Job], at_once: int) -> None:
    # What has been imported stays: nothing is gained by looking through it for what can go, time and again.
    gc.freeze()
    writing = asyncio.ensure_future(report.keep_written())
    try:
        await rows.run(todo, at_once)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def _price(
    jobs: Sequence[Job],
    table: Table,
    each: Each,
    overrides: dict[str, str | None],
    name: str,
    clear: Clear,
) -> tuple[Summary, int]:
    """What the rows would cost that a run would begin now; nothing is bought."""
    from ..core_nodes import free
    from ..rows.record import read_outcomes
    from ..rows.reporting import is_to_run

    outcomes = read_outcomes(each.output_folder)
    host = RowHost(Headless(overrides).environ(), workflow=name, nodes=table.nodes, free_nodes=free(table.nodes))
    made: dict[int, Estimate] = {}

    def tell(job: Job, estimate: Estimate) -> None:
        made[job.number] = estimate
        if each.as_json:
            facts = {**estimate.as_dict(), "errors": []}
            print(json.dumps(clear({"row": job.number, **facts})), flush=True)

    todo = [job for job in jobs if is_to_run(outcomes.get(job.key), each.retry_failed)]
    with signals.asking(host.stop):
        asyncio.run(_estimate(todo, table, host, each.jobs, tell))
    unknown = sorted(number for number, estimate in made.items() if estimate.unknown)
    currencies = {estimate.currency for estimate in made.values() if estimate.total} or {"USD"}
    total = round(math.fsum(estimate.total for estimate in made.values()), 9) if len(currencies) == 1 else None
    summary: Summary = {
        "status": "interrupted" if signals.count() else "error" if unknown else "success",
        "rows": len(jobs),
        "finished": len(jobs) - len(todo),
        "total": total,
        "currency": next(iter(currencies)) if len(currencies) == 1 else None,
        "pictures": sum(line.pictures for estimate in made.values() for line in estimate.lines),
        "replayed": sum(line.replayed for estimate in made.values() for line in estimate.lines),
        "unknown": unknown,
        "errors": [],
    }
    return summary, signals.exit_code() if signals.count() else FAILED if unknown else DONE


async def _estimate(
    todo: Sequence[Job], table: Table, host: RowHost, at_once: int, tell: Callable[[Job, Estimate], None]
) -> None:
    from ...host import Interrupted
    from ...pricing.estimate import estimate_graph

    waiting: Iterator[Job] = iter(todo)
    # What several rows have in common is bought once.
    ordered: set[str] = set()

    async def work() -> None:
        for job in waiting:
            try:
                tell(job, await estimate_graph(job.graph.prompt, ordered))
            except Interrupted:
                return

    with use(host):
        await asyncio.gather(*(work() for _ in range(at_once)))


def show(summary: Summary, output_folder: Path) -> None:
    """What became of the rows, for people: the sum on stdout, what failed on stderr."""
    from ..rows.reporting import NOT_ALL_ROWS
    from .console import cost_text

    if "finished" in summary:
        known = cost_text(summary["total"], summary["currency"])
        print(
            f"{summary['rows']} rows, {summary['finished']} of them finished: about {known} for "
            f"{summary['pictures']} pictures, {summary['replayed']} of them replayed for nothing."
        )
        if summary["unknown"]:
            typer.echo(f"Not known is the price of row {_listed(summary['unknown'])}.", err=True)
        return
    parts = [f"{len(summary[name])} {name}" for name in ("done", "failed", "waiting", "unfinished") if summary[name]]
    cost = cost_text(summary["cost"], summary["currency"])
    print(f"{summary['rows']} rows: {', '.join(parts)}. Cost: {cost}. See {output_folder / 'results.csv'}.")
    for error in summary["errors"]:
        told = f"{error['message']} {error['hint']}".rstrip()
        typer.echo(f"No further rows were begun: {told}" if error["code"] == NOT_ALL_ROWS else told, err=True)
    if summary["failed"]:
        again = "--retry-failed runs them again, with --send-again also what was paid for and brought nothing."
        typer.echo(f"Failed: row {_listed(summary['failed'])}. {again}", err=True)
    if summary["status"] == "interrupted":
        typer.echo("Stopped. The same command goes on.", err=True)


MOST_LISTED = 50


def _listed(numbers: Sequence[int]) -> str:
    told = ", ".join(map(str, numbers[:MOST_LISTED]))
    return f"{told} and {len(numbers) - MOST_LISTED} more" if len(numbers) > MOST_LISTED else told
