"""What one node would cost: while a Quote is in effect, its requests are priced instead of sent.

Everything up to the order itself is the way of a paid run, so that an estimate and the run that follows it cannot
disagree. Then the store is asked what it would replay, and the server, by dry run, what the rest would cost. The node
gets what the store has, and otherwise pictures that stand in for those not bought yet, and goes on to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

import torch

from ..api import ImageRequest
from ..errors import LumenfallError
from ..spend import Call, State
from .checkout import Checkout
from .delivery import Delivery, fetch
from .order import Order
from .outcome import UNRESOLVED

Source = Literal["dry run", "your figure", "list price", "store", "unknown"]
"""Where a price comes from. What the store replays costs nothing; "unknown" is no price at all."""

STAND_IN_SIDE = 1024
"""Pixels of a picture whose size nobody knows yet."""


@dataclass(frozen=True)
class PricedRequest:
    """One request: ``pictures`` that it would bring and their price in ``currency``."""

    model: str
    pictures: int
    price: float = 0.0
    currency: str | None = None
    source: Source = "unknown"
    note: str | None = None
    error: LumenfallError | None = None


class Quote:
    """What the requests of one node would cost.

    ``ordered`` holds the keys that earlier nodes of the graph would order, and takes this one's. With ``inputs_known``
    false the node works on stand-ins: the keys of its requests are not the real ones, so nothing counts as replayed.
    ``outputs_known`` tells whether the node got all its real pictures; ``notes`` are about the node as a whole.
    """

    def __init__(self, ordered: set[str], *, inputs_known: bool) -> None:
        self.requests: list[PricedRequest] = []
        self.notes: list[str] = []
        self.outputs_known = inputs_known
        self.inputs_known = inputs_known
        self._ordered = ordered

    async def answer(self, checkout: Checkout, orders: Sequence[Order]) -> tuple[Delivery, ...]:
        """Price ``orders``, one after the other, and give for each what is handed on instead of bought pictures.

        Raises LumenfallError where the store cannot be read.
        """
        if self.inputs_known:
            # What a crash kept out of the database is in the records beside it.
            await asyncio.to_thread(checkout.journal.open)
        deliveries = [await self._one(checkout, order) for order in orders]
        return tuple(replace(delivery, index=index) for index, delivery in enumerate(deliveries))

    async def _one(self, checkout: Checkout, order: Order) -> Delivery:
        model, count = order.request.model, int(order.request.parameters.get("n", 1))
        call = await asyncio.to_thread(checkout.earlier, order) if self.inputs_known else None
        if call is not None and call.state in (State.DOWNLOADED, State.DONE):
            delivery = await fetch(checkout.client, checkout.journal, call, replayed=True)
            pictures = sum(picture.shape[0] for picture in delivery.pictures)
            self.requests.append(PricedRequest(model, pictures, source="store"))
            return delivery
        self.outputs_known = False
        if call is not None and call.state in UNRESOLVED:
            note = "An equal request was sent before, and how it ended is not known. It is not sent again blindly."
            self.requests.append(PricedRequest(model, 0, source="store", note=note))
        elif call is not None or not self._ordered.isdisjoint(order.keys):
            # An answer of which pictures are still to be fetched, or an equal request that comes before this one.
            self.requests.append(PricedRequest(model, count, source="store"))
        else:
            self.requests.append(await self._priced(checkout, order, count))
        return _stand_in(checkout, order, count)

    async def _priced(self, checkout: Checkout, order: Order, count: int) -> PricedRequest:
        model = order.request.model
        try:
            found = await checkout.price(order)
        except LumenfallError as error:
            return PricedRequest(model, 0, error=error)
        if self.inputs_known and checkout.settings.replay:
            self._ordered.add(order.key)
        if found is None:
            return PricedRequest(model, count)
        return PricedRequest(model, count, found.amount, found.currency, found.source)


_current: ContextVar[Quote | None] = ContextVar("lumenfall_quote", default=None)


@contextlib.contextmanager
def use_quote(quote: Quote) -> Iterator[None]:
    """Let the node that runs in the block be quoted: nothing is ordered, entered in the journal or handed out."""
    token = _current.set(quote)
    try:
        yield
    finally:
        _current.reset(token)


def current_quote() -> Quote | None:
    """The quote in effect; None where requests are sent."""
    return _current.get()


def is_guessing() -> bool:
    """Whether stand-ins may be among the inputs, whose shapes and values mean nothing."""
    quote = current_quote()
    return quote is not None and not quote.inputs_known


def _stand_in(checkout: Checkout, order: Order, count: int) -> Delivery:
    width, height = _size(order.request)
    call = Call(order.key, checkout.client.server.base_url, order.wire.path, order.request.model)
    return Delivery(call, (grey(width, height),) * count, (), ())


def grey(width: int = STAND_IN_SIDE, height: int = STAND_IN_SIDE) -> torch.Tensor:
    """A picture ``[1, height, width, 3]`` that stands in for one that is not there yet."""
    return torch.full((1, height, width, 3), 0.5)


def _size(request: ImageRequest) -> tuple[int, int]:
    """Width and height of what ``request`` would bring, as far as that can be told: as asked, else as the input."""
    asked = re.fullmatch(r"(\d+)x(\d+)", str(request.parameters.get("size", "")))
    if asked:
        return int(asked[1]), int(asked[2])
    if request.images:
        header = request.images[0]  # of a PNG: width and height are big-endian numbers at fixed places
        return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    return STAND_IN_SIDE, STAND_IN_SIDE
