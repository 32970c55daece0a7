"""``lumenfall spend``: the ledger as a table, as CSV, as JSON and as a picture."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...purchase.session import Session
from ...spend import (
    NANOS,
    PERIODS,
    By,
    Call,
    Journal,
    Limits,
    Total,
    clock,
    counted,
    daily,
    entries,
    newest_entries,
    newest_uncertain,
    picture_count,
    total,
    totals,
    uncertain,
    uncertain_count,
)
from ..host import Headless
from .printing import as_dict, console, failing_in_words, iso_time, money, one_line, print_object

if TYPE_CHECKING:
    from rich.table import Table

LISTED = 200
"""Calls in a table, where nothing else is said."""


class Grouping(str, Enum):
    DAY = "day"
    MONTH = "month"
    MODEL = "model"
    WORKFLOW = "workflow"
    PROVIDER = "provider"
    WORKER = "worker"


@dataclass(frozen=True)
class _Ledger:
    """The part of the ledger that was asked for."""

    journal: Journal
    since: float | None
    by: By | None
    limits: Limits

    def entries(self) -> Iterator[Call]:
        return entries(self.journal, self.since)

    def totals(self, by: By) -> list[Total]:
        return totals(self.journal, by, self.since)

    def total(self) -> list[Total]:
        return total(self.journal, self.since)


def spend(
    by: Annotated[Grouping | None, typer.Option(help="Add calls up instead of listing them.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="From this day on.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many calls to list, the newest.")] = LISTED,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw what was spent a day, by model.", dir_okay=False)
    ] = None,
) -> None:
    """Show what was spent: every call with a confirmed cost."""
    if as_csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json")
    if plot is not None and plot.suffix.lower() != ".png":
        raise typer.BadParameter("--plot writes PNG files only", param_hint="--plot")
    grouping: By | None = by.value if by else None
    with failing_in_words(as_json):
        session = Session(Headless())
        limits = session.journal.limits(session.limits)
        ledger = _Ledger(session.journal, since.timestamp() if since else None, grouping, limits)
        if plot is not None:
            from .chart import draw

            draw(daily(session.journal, ledger.since), plot)
        if as_json:
            print_object(_object(ledger))
        elif as_csv:
            _print_csv(ledger)
        else:
            _print_table(ledger, last)
    if plot is not None:
        typer.echo(f"Drawn: {plot.resolve()}", err=as_csv or as_json)


def _object(ledger: _Ledger) -> dict[str, Any]:
    """What ``--json`` prints. ``total`` and ``currency`` are None where amounts cannot be added; ``limits`` are those
    that hold, and ``spent`` counts as they do: reserved amounts, and those that may have been charged, count as spent.
    It is None where something was paid in one of the ``unconverted`` currencies, of which nobody has said what they are
    worth in dollars.
    """
    sums = ledger.total()
    by = ledger.by or "day"
    today, month = counted(ledger.journal, ledger.limits)
    return {
        "entries": (as_dict(call) for call in ledger.entries()),
        "by": by,
        "totals": [_sum_dict(row) for row in ledger.totals(by)],
        "total": (sums[0].cost_in_units if sums else 0.0) if len(sums) < 2 else None,
        "currency": (sums[0].currency if sums else "USD") if len(sums) < 2 else None,
        "uncertain": (as_dict(call) for call in uncertain(ledger.journal, ledger.since)),
        "limits": {period: getattr(ledger.limits, period) for period in PERIODS},
        "spent": {
            "today": None if today.currencies else today.amount / NANOS,
            "month": None if month.currencies else month.amount / NANOS,
            "unconverted": sorted({*today.currencies, *month.currencies}),
        },
    }


def _sum_dict(row: Total) -> dict[str, Any]:
    return {
        "name": row.name,
        "count": row.count,
        "pictures": row.pictures,
        "seconds": row.seconds,
        "cost": row.cost_in_units,
        "currency": row.currency,
    }


def _print_csv(ledger: _Ledger) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")
    # Text mode makes of a line's end what belongs there; the default of csv would double it on Windows.
    lines = csv.writer(sys.stdout, lineterminator="\n")
    if ledger.by is None:
        head = ["time", "model", "provider", "request_id", "node_title", "workflow", "pictures", "seconds", "cost"]
        lines.writerow([*head, "currency", "id", "about"])
        lines.writerows(_safe(_row(call)) for call in ledger.entries())
    else:
        lines.writerow([ledger.by, "count", "pictures", "seconds", "cost", "currency"])
        lines.writerows(
            _safe([row.name, row.count, row.pictures, row.seconds, _Exact(money(row.cost)), row.currency])
            for row in ledger.totals(ledger.by)
        )


class _Exact(str):
    """A number that is written as it is."""


def _row(call: Call) -> list[Any]:
    names = [call.model, call.provider, call.request_id, call.node_title, call.workflow]
    amounts = [picture_count(call), call.seconds, _Exact(money(call.cost))]
    return [
        iso_time(call.sent_at),
        *names,
        *amounts,
        call.currency or "USD",
        call.id,
        "about" if call.is_approximate else "",
    ]


def _safe(cells: Iterable[Any]) -> list[Any]:
    """Spreadsheets run what begins like a formula, and titles come from workflows that others wrote."""
    return [
        f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in tuple("=+-@") else cell
        for cell in (one_line(cell) if type(cell) is str else cell for cell in cells)
    ]


def _print_table(ledger: _Ledger, last: int) -> None:
    out = console()
    table = _call_table(ledger, last) if ledger.by is None else _sum_table(ledger.totals(ledger.by), ledger.by)
    if table.row_count:
        out.print(table)
    for line in _closing(ledger, table.row_count if ledger.by is None else None):
        out.print(line)


def _call_table(ledger: _Ledger, last: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("time", "model", "provider", "request", "node", "workflow"):
        table.add_column(name, overflow="fold")
    for name in ("seconds", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for call in newest_entries(ledger.journal, last, ledger.since):
        names = (call.model, call.provider, call.request_id, call.node_title, call.workflow)
        seconds = "" if call.seconds is None else f"{call.seconds:.1f}"
        cells = [one_line(name or "", 60) for name in names]
        about = "about " if call.is_approximate else ""
        table.add_row(clock(call.sent_at), *cells, seconds, about + _amount(call.cost, call.currency))
    return table


def _sum_table(rows: Sequence[Total], by: By) -> Table:
    from rich.table import Table

    table = Table(by, box=None, pad_edge=False)
    for name in ("calls", "pictures", "seconds", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        numbers = (str(row.count), str(row.pictures), f"{row.seconds:.1f}")
        table.add_row(one_line(row.name or "-"), *numbers, _amount(row.cost, row.currency))
    return table


def _amount(amount: int | None, currency: str | None) -> str:
    return f"{money(amount)} {currency or 'USD'}"


def _closing(ledger: _Ledger, listed: int | None) -> list[str]:
    sums = ledger.total()
    calls, pictures = sum(row.count for row in sums), sum(row.pictures for row in sums)
    amounts = " and ".join(_amount(row.cost, row.currency) for row in sums) or "0.00 USD"
    lines = [f"Total: {amounts} for {_several(calls, 'call')} with {_several(pictures, 'picture')}"]
    if listed is not None and listed < calls:
        lines.insert(0, f"The newest {listed} of {calls} calls; --last lists more, --csv and --json have all.")
    for name, limit, spent in zip(
        ("Today", "This month"),
        (ledger.limits.day, ledger.limits.month),
        counted(ledger.journal, ledger.limits),
        strict=True,
    ):
        if limit is not None:
            others = f"; amounts in {', '.join(spent.currencies)} cannot be compared" if spent.currencies else ""
            lines.append(f"{name}: {money(spent.amount)} of {limit:.2f} USD, reserved amounts included{others}")
    count, reserved = uncertain_count(ledger.journal, ledger.since)
    if count:
        newest = newest_uncertain(ledger.journal, LISTED, ledger.since)
        which = ":" if len(newest) == count else f"; the newest {len(newest)}:"
        lines.append(
            f"Not in the total: {_several(count, 'call')} that may have been charged, with "
            f"{money(reserved)} USD reserved{which}"
        )
        lines += [
            f"  {clock(call.sent_at)}  {one_line(call.model, 60)}  {one_line(call.request_id or call.id[:8], 60)}  "
            f"{call.charged.value}"
            for call in newest
        ]
        lines.append("lumenfall recover ID asks the server about one of them again.")
    return lines


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
