"""How the questions are asked: through the pack, within its own limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nodes.api import Client, ImageRequest, Model
from nodes.contract.outputs import describe, gather
from nodes.errors import LumenfallError
from nodes.headless.host import Headless
from nodes.host import use
from nodes.purchase.ask import ask
from nodes.purchase.delivery import Delivery
from nodes.purchase.origin import HiddenInputs
from nodes.purchase.plan import Outputs, Plan, Results, Terms
from nodes.purchase.session import Session
from tests.conftest import Nodes

T = TypeVar("T")


@dataclass(frozen=True)
class One(Plan):
    """A request as it is, whatever no node would ask."""

    request: ImageRequest

    def requests(self, model: Model) -> list[ImageRequest]:
        return [self.request]

    def finish(self, results: Results) -> Outputs:
        pictures, _, notes = gather(results.deliveries, False)
        return {"result": (describe(self.terms.model, results, notes, pictures),)}


@dataclass
class Live:
    """A server, and what was seen of it: lines of Markdown under the heading of each question."""

    environ: Mapping[str, str]
    folder: Path
    links: Path
    """The file in which links are kept for the next run."""
    limit: str
    """US dollars, for all questions together."""
    side: int
    """Pixels of the pictures whose size does not matter, but to the time that it takes."""
    seen: dict[str, list[str]] = field(default_factory=dict)

    @property
    def host(self) -> Headless:
        limits = {f"LUMENFALL_LIMIT_{period}": self.limit for period in ("DAY", "MONTH")}
        return Headless({**self.environ, **limits, "LUMENFALL_DATA_DIR": str(self.folder / "data")})

    @property
    def nodes(self) -> Nodes:
        return Nodes(self.host)

    def order(self, request: ImageRequest) -> Delivery:
        """What a request brings. Raises LumenfallError, also where it would go beyond the limit."""

        async def run() -> Results:
            return await ask(One(Terms(request.model, request.parameters), request), HiddenInputs())

        with use(self.host):
            (delivery,) = asyncio.run(run()).deliveries
        return delivery

    def free(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """The answer to something that costs nothing."""

        async def run() -> T:
            async with Client(Session(self.host).server) as client:
                return await work(client)

        return asyncio.run(run())

    def original(self, delivery: Delivery) -> bytes:
        """The first picture's file as it came."""
        return Path(self.folder / "data" / delivery.originals[0]).read_bytes()


def told(error: LumenfallError) -> str:
    return f"{type(error).__name__} {error.code} ({error.charged.value}): {error.message}"


def shape(value: Any, depth: int = 4) -> str:
    """What a JSON value is made of, without its texts."""
    if isinstance(value, Mapping) and depth:
        return "{" + ", ".join(f"{name}: {shape(inner, depth - 1)}" for name, inner in list(value.items())[:40]) + "}"
    if isinstance(value, list) and depth:
        return f"[{shape(value[0], depth - 1)} x{len(value)}]" if value else "[]"
    return type(value).__name__
