"""What a graph would cost, node by node."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # that module needs torch, and the command line is to start quickly
    from ..purchase.quote import Source


@dataclass(frozen=True)
class Line:
    """One paid node, with all its models. ``price`` is the sum of its known prices, in ``currency``; ``source`` that of
    the least certain.

    ``pictures`` counts those that would come, ``replayed`` those of them that the store has by then, and ``shared``
    those of these that an earlier node of the graph puts there. ``approximate``: its
    inputs are not known yet. ``error``, in the shape of LumenfallError.as_dict(), says why it cannot be estimated;
    ``refused``: for the same reason a run would send nothing.
    """

    node_id: str
    title: str
    model: str | None = None
    requests: int = 0
    pictures: int = 0
    replayed: int = 0
    shared: int = 0
    price: float = 0.0
    currency: str | None = None
    source: Source = "unknown"
    approximate: bool = False
    notes: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None
    refused: bool = False

    @property
    def is_known(self) -> bool:
        """Whether ``price`` is all that the node would cost."""
        return self.error is None and self.source != "unknown"


@dataclass(frozen=True)
class Estimate:
    """What the paid nodes of a graph would cost, all together."""

    lines: tuple[Line, ...]

    @property
    def currency(self) -> str:
        """The currency of ``total``."""
        return next((line.currency for line in self.lines if line.currency), "USD")

    @property
    def total(self) -> float:
        """The sum of the known prices."""
        return round(math.fsum(line.price for line in self.lines if line.currency in (None, self.currency)), 9)

    @property
    def unknown(self) -> int:
        """How many nodes cost more than ``total`` says, or cannot be estimated."""
        return sum(not line.is_known or line.currency not in (None, self.currency) for line in self.lines)

    @property
    def approximate(self) -> bool:
        return any(line.approximate for line in self.lines)

    @property
    def summary(self) -> str:
        """One short line, such as ``about 0.16 USD for 4 pictures, 1 replayed``."""
        pictures, replayed = (sum(getattr(line, name) for line in self.lines) for name in ("pictures", "replayed"))
        parts = [f"about {_money(self.total, self.currency)} for {_counted(pictures, 'picture')}"]
        parts += [f"{replayed} replayed"] if replayed else []
        parts += [f"{_counted(self.unknown, 'node')} not known"] if self.unknown else []
        return ", ".join(parts)

    @property
    def text(self) -> str:
        """A table for people: a row for each paid node, and the total."""
        rows = [_row(line) for line in self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        remarks = [f"{line.title}: {remark}" for line in self.lines for remark in _remarks(line)]
        return "\n".join([*table, *remarks, f"Total: {self.summary}"])

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        names = ("total", "currency", "unknown", "approximate", "summary")
        lines = [{**vars(line), "notes": list(line.notes)} for line in self.lines]
        return {**{name: getattr(self, name) for name in names}, "lines": lines}


def _row(line: Line) -> tuple[str, ...]:
    known = _money(line.price, line.currency or "USD") if line.is_known or line.price else "not known"
    source = f"{line.source}, approximate" if line.approximate else line.source
    pictures = _counted(line.pictures, "picture") + (f", {line.replayed} replayed" if line.replayed else "")
    return line.node_id, line.title, line.model or "-", pictures, known, source


def _remarks(line: Line) -> list[str]:
    if line.error is None:
        return list(line.notes)
    return [*line.notes, f"{line.error['message']} {line.error['hint']}".strip()]


def _money(amount: float, currency: str) -> str:
    """Up to six decimals, without idle zeros."""
    return f"{amount:.6f}".rstrip("0").rstrip(".") + f" {currency}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
