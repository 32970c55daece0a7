"""What a node wants, and what it makes of the answer: the same for a run, which pays, and an estimate, which does not.

A plan is free of I/O: it reaches no network and no disk, and knows nothing of who answers it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ..api import ImageRequest, Model
from ..errors import LumenfallError
from ..settings import OnFailure
from .delivery import Results

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
        return await asyncio.to_thread(plan.finish, results)
    outcomes: list[Outputs | LumenfallError] = []
    for outcome in await asyncio.gather(*(carry_out(each, answer) for each in plan.plans), return_exceptions=True):
        # Anything else, such as the host's interruption, ends them all.
        if isinstance(outcome, BaseException) and not isinstance(outcome, LumenfallError):
            raise outcome
        outcomes.append(outcome)
    return await asyncio.to_thread(plan.combine, outcomes)
