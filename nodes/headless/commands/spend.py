"""``lumenfall spend``: the ledger as a table, as CSV, as JSON and as a picture."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ...purchase.session import Session
from ...settings import LimitSettings
from ...spend import NANOS, By, Call, Journal, Total, clock, counted, entries, picture_count, total, totals, uncertain
from ..host import Headless
from .printing import as_dict, console, failing_in_words, iso_time, money, one_line


class Grouping(str, Enum):
    DAY = "day"
    MONTH = "month"
    MODEL = "model"
    WORKFLOW = "workflow"
    PROVIDER = "provider"


@dataclass(frozen=True)
class _Ledger:
    """The part of the ledger that was asked for. ``counted`` is what counts today and this month, in nanos."""

    entries: Sequence[Call]
    uncertain: Sequence[Call]
    counted: tuple[int, int]
    limits: LimitSettings

    @classmethod
    def read(cls, journal: Journal, since: float | None, limits: LimitSettings) -> _Ledger:
        return cls(entries(journal, since), uncertain(journal, since), counted(journal), limits)


def spend(
    by: Annotated[Grouping | None, typer.Option(help="Add calls up instead of listing them.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="From this day on.")
    ] = None,
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
        ledger = _Ledger.read(session.journal, since.timestamp() if since else None, session.settings.limits)
        if plot is not None:
            from .chart import draw

            draw(ledger.entries, plot)
    if as_json:
        print(json.dumps(_object(ledger, grouping or "day")))
    elif as_csv:
        _print_csv(ledger, grouping)
    else:
        _print_table(ledger, grouping)
    if plot is not None:
        typer.echo(f"Drawn: {plot.resolve()}", err=as_csv or as_json)


def _object(ledger: _Ledger, by: By) -> dict[str, Any]:
    """What ``--json`` prints. ``total`` and ``currency`` are None where amounts cannot be added; ``spent`` counts
    as the limits do: reserved amounts, and those that may have been charged, count as spent.
    """
    sums = total(ledger.entries)
    today, month = ledger.counted
    return {
        "entries": [as_dict(call) for call in ledger.entries],
        "by": by,
        "totals": [_sum_dict(row) for row in totals(ledger.entries, by)],
        "total": (sums[0].price if sums else 0.0) if len(sums) < 2 else None,
        "currency": (sums[0].currency if sums else "USD") if len(sums) < 2 else None,
        "uncertain": [as_dict(call) for call in ledger.uncertain],
        "limits": ledger.limits.model_dump(),
        "spent": {"today": today / NANOS, "month": month / NANOS},
    }


def _sum_dict(row: Total) -> dict[str, Any]:
    return {
        "name": row.name,
        "count": row.count,
        "pictures": row.pictures,
        "seconds": row.seconds,
        "cost": row.price,
        "currency": row.currency,
    }


def _print_csv(ledger: _Ledger, by: By | None) -> None:
    text = io.StringIO(newline="")
    # Text mode makes of a line's end what belongs there; the default of csv would double it on Windows.
    lines = csv.writer(text, lineterminator="\n")
    if by is None:
        head = ["time", "model", "provider", "request_id", "node_title", "workflow", "pictures", "seconds", "cost"]
        lines.writerow([*head, "currency", "id"])
        lines.writerows(_safe(_row(call)) for call in ledger.entries)
    else:
        lines.writerow([by, "count", "pictures", "seconds", "cost", "currency"])
        lines.writerows(
            _safe([row.name, row.count, row.pictures, row.seconds, _Exact(money(row.cost)), row.currency])
            for row in totals(ledger.entries, by)
        )
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text.getvalue())


class _Exact(str):
    """A number that is written as it is."""


def _row(call: Call) -> list[Any]:
    names = [call.model, call.provider, call.request_id, call.node_title, call.workflow]
    amounts = [picture_count(call), call.seconds, _Exact(money(call.cost))]
    return [iso_time(call.sent_at), *names, *amounts, call.currency or "USD", call.id]


def _safe(cells: Iterable[Any]) -> list[Any]:
    """Spreadsheets run what begins like a formula, and titles come from workflows that others wrote."""
    return [
        f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in tuple("=+-@") else cell
        for cell in (one_line(cell) if type(cell) is str else cell for cell in cells)
    ]


def _print_table(ledger: _Ledger, by: By | None) -> None:
    from rich.table import Table

    out = console()
    if by is None:
        table = Table(box=None, pad_edge=False)
        for name in ("time", "model", "provider", "request", "node", "workflow"):
            table.add_column(name, overflow="fold")
        for name in ("seconds", "cost"):
            table.add_column(name, justify="right", no_wrap=True)
        for call in ledger.entries:
            names = (call.model, call.provider, call.request_id, call.node_title, call.workflow)
            seconds = "" if call.seconds is None else f"{call.seconds:.1f}"
            cells = [one_line(name or "", 60) for name in names]
            table.add_row(clock(call.sent_at), *cells, seconds, _price(call.cost, call.currency))
    else:
        table = Table(by, box=None, pad_edge=False)
        for name in ("calls", "pictures", "seconds", "cost"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in totals(ledger.entries, by):
            numbers = (str(row.count), str(row.pictures), f"{row.seconds:.1f}")
            table.add_row(one_line(row.name or "-"), *numbers, _price(row.cost, row.currency))
    if ledger.entries:
        out.print(table)
    for line in _closing(ledger):
        out.print(line)


def _price(amount: int | None, currency: str | None) -> str:
    return f"{money(amount)} {currency or 'USD'}"


def _closing(ledger: _Ledger) -> list[str]:
    sums = total(ledger.entries)
    calls, pictures = sum(row.count for row in sums), sum(row.pictures for row in sums)
    amounts = " and ".join(_price(row.cost, row.currency) for row in sums) or "0.00 USD"
    lines = [f"Total: {amounts} for {_several(calls, 'call')} with {_several(pictures, 'picture')}"]
    for name, spent, limit in zip(
        ("Today", "This month"), ledger.counted, (ledger.limits.day, ledger.limits.month), strict=True
    ):
        if limit is not None:
            lines.append(f"{name}: {money(spent)} of {limit:.2f} USD, reserved amounts included")
    if ledger.uncertain:
        reserved = sum(call.reserved or 0 for call in ledger.uncertain)
        lines.append(
            f"Not in the total: {_several(len(ledger.uncertain), 'call')} that may have been charged, with "
            f"{money(reserved)} USD reserved:"
        )
        lines += [
            f"  {clock(call.sent_at)}  {one_line(call.model, 60)}  {one_line(call.request_id or call.id[:8], 60)}  "
            f"{call.charged.value}"
            for call in ledger.uncertain
        ]
    return lines


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
