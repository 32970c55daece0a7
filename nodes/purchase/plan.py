"""What a node wants, what it gets, and what it makes of that: the same for a run, which pays, and an estimate, which
does not.

A plan is free of I/O: it reaches no network and no disk, and knows nothing of who answers it.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from ..api import ImageRequest, Model
from ..errors import Charged, LumenfallError, sentences, worst_of
from ..settings import OnFailure
from . import background
from .delivery import Delivery

TooLarge = Literal["refuse", "scale down"]

Outputs = dict[str, Any]
"""What ComfyUI takes from a node: outputs under ``result``, and under ``ui`` what the browser and the history get."""


@dataclass(frozen=True)
class Terms:
    """What all requests of a plan share: the model, and the parameters that the user changed, by their wire names.

    With ``on_failure`` "stop", when one request fails no more are sent; with "keep" there is an error only when none
    succeeded; with None the settings decide. ``too_large`` is what becomes of pictures that the server would not take.
    """

    model: str
    parameters: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    on_failure: OnFailure | None = None
    too_large: TooLarge = "refuse"

    @property
    def transparent(self) -> bool:
        """Whether a transparent background was asked for, so that pictures keep four channels."""
        return self.parameters.get("background") == "transparent"


@dataclass(frozen=True)
class Results:
    """What became of the requests of a node: ``deliveries`` in their order, ``errors`` by the number of the request in
    the order in which they happened, and how many were ``skipped``, which are those that were not sent any more.
    """

    deliveries: tuple[Delivery, ...]
    errors: Mapping[int, LumenfallError] = field(default_factory=dict)
    skipped: int = 0
    notes: tuple[str, ...] = ()
    """What holds for all of them."""

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The errors for the report, in the shape of LumenfallError.as_dict() with the ``index`` of the request."""
        return [{"index": index, **error.as_dict()} for index, error in sorted(self.errors.items())]

    def error(self) -> LumenfallError:
        """The one error that speaks for all: that which may have cost most, with what became of the other requests."""
        worst = worst_of(list(self.errors.values()))
        hints, charged = [worst.hint], worst.charged
        if self.deliveries:
            count = len(self.deliveries) + len(self.errors) + self.skipped
            hints.append(
                f"{len(self.deliveries)} of the {count} requests of this node succeeded; their pictures are in the "
                "store, so that the next run with the same inputs gets them for free."
            )
            if any(delivery.cost != 0 for delivery in self.deliveries):
                charged = Charged.YES
        if self.skipped:
            hints.append(f"{self.skipped} of the requests {'was' if self.skipped == 1 else 'were'} not sent any more.")
        return worst.replaced(hint=sentences(*hints), charged=charged)

    @property
    def summary(self) -> str:
        """One short line, such as ``2 pictures in 3 s, 0.1 USD``."""
        costs = costs_of(self.deliveries)
        count = sum(len(delivery.pictures) for delivery in self.deliveries)
        pictures = f"{count} picture{'s' * (count != 1)}"
        tail = f", {told_costs(costs)}" if costs else ""
        if self.errors:
            tail += f", {len(self.errors)} of {len(self.errors) + len(self.deliveries)} requests failed"
        if all(delivery.replayed for delivery in self.deliveries):
            return f"{pictures} replayed{tail}"
        return f"{pictures} in {max(delivery.seconds for delivery in self.deliveries):.0f} s{tail}"


def costs_of(deliveries: Sequence[Delivery]) -> dict[str, float]:
    """The confirmed costs, by their currency; empty where the server named none."""
    known = [delivery for delivery in deliveries if delivery.cost is not None]
    return added([{delivery.call.currency or "USD": delivery.cost or 0.0} for delivery in known])


def added(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sums of costs by their currency: two of them are never added up."""
    amounts: dict[str, list[float]] = defaultdict(list)
    for costs in each:
        for currency, amount in costs.items():
            amounts[currency].append(amount)
    sums = {currency: round(math.fsum(parts), 9) for currency, parts in amounts.items()}
    # Nothing is nothing in any currency.
    return {currency: amount for currency, amount in sums.items() if amount} or dict(list(sums.items())[:1])


def reported_costs(report: Mapping[str, Any]) -> Mapping[str, float]:
    """What the report of a node says was paid, by its currency."""
    if report.get("costs"):
        costs: Mapping[str, float] = report["costs"]
        return costs
    return {} if report.get("cost") is None else {report.get("currency") or "USD": report["cost"]}


def told_costs(costs: Mapping[str, float]) -> str:
    """For people: ``0.04 USD + 5 JPY``."""
    return " + ".join(f"{amount:.4g} {currency}" for currency, amount in costs.items())


@dataclass(frozen=True)
class Plan(ABC):
    """What a node wants of one model."""

    terms: Terms

    @property
    def preview(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """A picture ``[H, W, C]`` and the MASK ``[H, W]`` of what will change in it, to be shown before it is paid."""
        return None

    def check(self) -> None:
        """Raise InputError for pictures that do not belong together. Says nothing about those that stand in for some
        that are not there yet.
        """
        return None

    @abstractmethod
    def requests(self, model: Model) -> Sequence[ImageRequest]:
        """The requests, by what is known of the model. Slow for large pictures. Raises InputError."""

    @abstractmethod
    def finish(self, results: Results) -> Outputs:
        """The node's outputs. Slow for large pictures."""


@dataclass(frozen=True)
class Plans(ABC):
    """What a node wants of several models, each of which may fail."""

    plans: tuple[Plan, ...]

    @abstractmethod
    def combine(self, outcomes: Sequence[Outputs | LumenfallError]) -> Outputs:
        """The node's outputs, from those of each plan or its error. Raises LumenfallError where all have failed."""

    @abstractmethod
    def summary(self, outputs: Outputs) -> str:
        """``outputs`` in one short line."""


async def carry_out(plan: Plan | Plans, answer: Callable[[Plan], Awaitable[Results]]) -> Outputs:
    """The outputs of ``plan``, whose requests are answered by ``answer``. Raises what that raises."""
    # Pasting large pictures takes a while; in a thread it does not hold up other nodes.
    if isinstance(plan, Plan):
        results = await answer(plan)
        return await background.in_thread(plan.finish, results)
    outcomes: list[Outputs | LumenfallError] = []
    for outcome in await asyncio.gather(*(carry_out(each, answer) for each in plan.plans), return_exceptions=True):
        # Anything else, such as the host's interruption, ends them all.
        if isinstance(outcome, BaseException) and not isinstance(outcome, LumenfallError):
            raise outcome
        outcomes.append(outcome)
    return await background.in_thread(plan.combine, outcomes)
