"""What was spent a day, drawn: a column for each day, a colour for each model."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from ...errors import InputError
from ...host.files import write_durably
from ...spend import NANOS, Total
from .printing import money, one_line

WIDTH, HEIGHT, DOTS_PER_INCH = 1200, 600, 100
"""Pixels."""

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#a463f2", "#97bbf5", "#9c6b4e")
OTHERS = "#9498a0"
FEWEST_DAYS, MOST_LABELS = 8, 12
STEPS = (1, 2, 7, 14, 28, 56, 91, 182, 364)
INK, FAINT = "#22252b", "#e4e6ea"


def draw(daily: Sequence[tuple[date, Total]], path: Path) -> None:
    """Write what each model cost on each day, a day a column, as a PNG of 1200 x 600 pixels; a file there is replaced.

    Raises InputError where there is nothing to draw, amounts cannot be added, matplotlib is missing, or the file
    cannot be written.
    """
    paid = [(day, total) for day, total in daily if total.cost]
    if not paid:
        raise InputError("Nothing was spent in that time, so there is nothing to draw.", code="NOTHING_SPENT")
    currencies = {total.currency for _, total in paid}
    if len(currencies) > 1:
        raise InputError(f"Amounts in {', '.join(sorted(currencies))} cannot be drawn in one picture.")
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter
    except ImportError as error:
        raise InputError(
            "Drawing needs matplotlib.", code="NO_MATPLOTLIB", hint="pip install matplotlib brings it."
        ) from error
    currency = currencies.pop()
    days, columns = _columns(paid)
    # Neither pyplot nor a window: the figure belongs to nobody else.
    figure = Figure(figsize=(WIDTH / DOTS_PER_INCH, HEIGHT / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    figure.set_layout_engine("constrained", w_pad=0.2, h_pad=0.2)
    axes = figure.add_subplot()
    places, below = range(len(days)), [0.0] * len(days)
    width = 0.8 if len(days) < 100 else 1.0
    for (model, amounts), colour in zip(columns, (*COLOURS, OTHERS), strict=False):
        label = f"{one_line(model, 28)}  {_price(round(sum(amounts) * NANOS), currency)}"
        axes.bar(places, amounts, width, below, label=label, color=colour, zorder=2)
        below = [low + amount for low, amount in zip(below, amounts, strict=True)]
    # Few days stay columns, instead of filling the picture.
    margin = max(0.6, (FEWEST_DAYS - len(days)) / 2)
    axes.set_xlim(-margin, len(days) - 1 + margin)
    step = next(step for step in STEPS if len(days) <= step * MOST_LABELS or step == STEPS[-1])
    axes.set_xticks(list(places[::step]), _labels(days[::step]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, max(below), currency)))
    axes.grid(axis="y", color=FAINT, zorder=1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK, labelsize=11)
    whole = sum(total.cost for _, total in paid)
    span = f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}" if len(days) > 1 else f"{days[0]:%Y-%m-%d}"
    axes.set_title(
        f"Spend a day: {_price(whole, currency)}, {span}", loc="left", color=INK, fontsize=14, pad=14, parse_math=False
    )
    legend = figure.legend(loc="outside right upper", frameon=False, fontsize=10, labelcolor=INK, reverse=True)
    for text in legend.get_texts():
        text.set_parse_math(False)  # two dollar signs in a name would make a formula of it
    png = io.BytesIO()
    figure.savefig(png, format="png")
    try:
        write_durably(path.resolve(), png.getvalue())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _columns(daily: Sequence[tuple[date, Total]]) -> tuple[list[date], list[tuple[str, list[float]]]]:
    """Every day from the first to the last; and for each model, dearest first, what it cost on each. The cheapest
    share one entry where there are more models than colours.
    """
    spent: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for day, total in daily:
        spent[total.name or ""][day] += total.cost
    first = min(day for its in spent.values() for day in its)
    last = max(day for its in spent.values() for day in its)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    models = sorted(spent, key=lambda model: (-sum(spent[model].values()), model))
    named = models if len(models) <= len(COLOURS) + 1 else models[: len(COLOURS)]
    columns = [(model, [spent[model].get(day, 0) / NANOS for day in days]) for model in named]
    rest = models[len(named) :]
    if rest:
        columns.append(
            (f"{len(rest)} others", [sum(spent[model].get(day, 0) for model in rest) / NANOS for day in days])
        )
    return days, columns


def _labels(days: Sequence[date]) -> list[str]:
    """Day and month, and the year where it begins. The names of months would depend on the system's language."""
    return [
        f"{day:%m-%d}" if number and day.year == days[number - 1].year else f"{day:%m-%d}\n{day:%Y}"
        for number, day in enumerate(days)
    ]


def _price(amount: int, currency: str) -> str:
    decimals = -7 if abs(amount) >= NANOS else -5
    text = money(round(amount, decimals))
    return f"${text}" if currency == "USD" else f"{text} {currency}"


def _tick(value: float, highest: float, currency: str) -> str:
    text = f"{value:.2f}" if highest >= 0.05 else f"{value:.4f}"
    return f"${text}" if currency == "USD" else f"{text} {currency}"
