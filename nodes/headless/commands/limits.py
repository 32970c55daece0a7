"""``lumenfall limits``: what may be spent at most, here and by all who share the journal."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from ...purchase.session import Session
from ...settings import MAX_AMOUNT
from ...spend import PERIODS
from ..host import Headless
from .printing import failing_in_words, print_object

_HELP = "US dollars, or none to lift it."


def limits(
    run: Annotated[str | None, typer.Option(metavar="USD", help=f"For each run. {_HELP}")] = None,
    day: Annotated[str | None, typer.Option(metavar="USD", help=f"For each day. {_HELP}")] = None,
    month: Annotated[str | None, typer.Option(metavar="USD", help=f"For each month. {_HELP}")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show the limits, or set those of everybody who shares this journal (LUMENFALL_DATABASE, else the private folder).

    They hold beside the limits in each machine's own settings: the strictest counts.
    """
    asked = {"run": run, "day": day, "month": month}
    changes = {period: _amount(period, text) for period, text in asked.items() if text is not None}
    with failing_in_words(as_json):
        session = Session(Headless())
        journal, own = session.journal, session.limits
        shared = journal.share_limits(changes)
        holding = journal.limits(own)
    values = {
        "own": {period: getattr(own, period) for period in PERIODS},
        "shared": {period: shared.get(period) for period in PERIODS},
        "limits": {period: getattr(holding, period) for period in PERIODS},
    }
    if as_json:
        print_object(values)
        return
    for period in PERIODS:
        both = ", ".join(f"{whose} {_text(values[whose][period])}" for whose in ("own", "shared"))
        typer.echo(f"{period:6} {_text(values['limits'][period]):>12}   ({both})")


def _amount(period: str, text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= MAX_AMOUNT:
        raise typer.BadParameter(f"--{period} takes US dollars, or none")
    return amount


def _text(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:.2f} USD"
