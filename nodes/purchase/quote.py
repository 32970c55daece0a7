"""What one node would cost: the requests of its plan are priced instead of sent.

Plan and orders are those of a paid run, so that an estimate and the run that follows it cannot disagree. Then the store
is asked what it would replay, and the server, by dry run, what the rest would cost.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Literal

import torch

from ..api import Client, ImageRequest, Server, pictures_asked, retirement_note
from ..errors import LumenfallError
from ..host import Host, current
from ..host.waiting import wait
from ..spend import Call, Caller, Journal, State
from . import background
from .checkout import Checkout
from .delivery import Delivery
from .order import Order, orders_of
from .outcome import UNRESOLVED
from .plan import Plan, Results
from .replay import equal_call, pictures_of
from .session import Session

Source = Literal["dry run", "your figure", "list price", "store", "unknown"]
"""Where a price comes from. What the store replays costs nothing; "unknown" is no price at all."""

STAND_IN_SIDE = 1024
"""Pixels of a picture whose size nobody knows yet."""


@dataclass(frozen=True)
class PricedRequest:
    """One request: ``pictures`` that it would bring and their price in ``currency``. ``is_shared``: it costs nothing
    as an earlier node of the graph orders an equal one, and would where that does not run.
    """

    model: str
    pictures: int
    price: float = 0.0
    currency: str | None = None
    source: Source = "unknown"
    note: str | None = None
    is_shared: bool = False
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
        self._own: set[str] = set()

    async def answer(self, plan: Plan) -> Results:
        """Price the requests of ``plan``, one after the other, and give for each what the store has of it, else
        pictures that stand in for those not bought yet. Nothing is ordered, entered in the journal or handed out.

        Raises LumenfallError where ``plan`` cannot be priced; Stop raises the host's interruption.
        """
        if self.inputs_known:
            plan.check()
        host = current()
        return await wait(background.run(self._run(host, plan), is_free=True), host, lambda: "estimating")

    async def _run(self, host: Host, plan: Plan) -> Results:
        session = Session(host)
        server, journal, settings = session.server, session.journal, session.settings
        async with Client(server) as client:
            model = await session.catalogue.model(client, plan.terms.model)
            orders = await asyncio.to_thread(orders_of, plan, server, model, session.catalogue.latest)
            note = retirement_note(model)
            notes = () if note is None else (note,)
            self.notes += notes
            if self.inputs_known:
                # What a crash kept out of the database is in the records beside it.
                await asyncio.to_thread(journal.open)
            checkout = Checkout(client, journal, settings, Caller(), model, lambda: True, lambda _: None)
            deliveries = [await self._one(checkout, order) for order in orders]
        return Results(tuple(replace(each, index=index) for index, each in enumerate(deliveries)), notes=notes)

    async def _one(self, checkout: Checkout, order: Order) -> Delivery:
        name, count = order.request.model, pictures_asked(order.request.parameters)
        replay = checkout.settings.replay
        call = await asyncio.to_thread(_bought, checkout.journal, order, replay) if self.inputs_known else None
        if call is not None and call.state in (State.DOWNLOADED, State.DONE):
            delivery = await pictures_of(checkout.client, checkout.journal, call)
            if delivery is not None:
                pictures = sum(picture.shape[0] for picture in delivery.pictures)
                self.requests.append(PricedRequest(name, pictures, source="store"))
                return delivery
            call = None
        self.outputs_known = False
        if call is not None and call.state in UNRESOLVED and not replay:
            call = None  # which a run that begins now sends again, by the user's word
        if call is not None and call.state in UNRESOLVED:
            note = "An equal request was sent before, and what became of it is not known. It is not sent again blindly."
            self.requests.append(PricedRequest(name, 0, source="store", note=note))
        elif call is not None or not self._ordered.isdisjoint(order.keys):
            # An answer of which pictures are still to be fetched, or an equal request that comes before this one.
            is_shared = call is None and self._own.isdisjoint(order.keys)
            self.requests.append(PricedRequest(name, count, source="store", is_shared=is_shared))
        else:
            request = await self._priced(checkout, order, count)
            if request.error is None and self.inputs_known and replay:
                self._ordered.add(order.key)
                self._own.add(order.key)
            self.requests.append(request)
        return _stand_in(order, count, checkout.client.server)

    async def _priced(self, checkout: Checkout, order: Order, count: int) -> PricedRequest:
        name = order.request.model
        try:
            known = await checkout.price(order)
        except LumenfallError as error:
            return PricedRequest(name, 0, error=error)
        if known is None:
            return PricedRequest(name, count)
        return PricedRequest(name, count, known.amount, known.currency, known.source)


def _bought(journal: Journal, order: Order, replay: bool) -> Call | None:
    return equal_call(journal, journal.equal(*order.keys), order, replay)


def _stand_in(order: Order, count: int, server: Server) -> Delivery:
    request = order.request
    width, height = _size(request)
    call = Call(order.key, server.base_url, order.wire.path, request.model, dict(request.parameters))
    return Delivery(call, (grey(width, height),) * count, (), ())


def grey(width: int = STAND_IN_SIDE, height: int = STAND_IN_SIDE) -> torch.Tensor:
    """A picture ``[1, height, width, 3]`` that stands in for one that is not there yet."""
    return torch.full((1, height, width, 3), 0.5)


def _size(request: ImageRequest) -> tuple[int, int]:
    """Width and height of what ``request`` would bring, as far as that can be told: as asked, else as the input."""
    size = re.fullmatch(r"(\d+)x(\d+)", str(request.parameters.get("size", "")))
    if size:
        return int(size[1]), int(size[2])
    if request.images:
        header = request.images[0]  # of a PNG: width and height are big-endian numbers at fixed places
        return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    return STAND_IN_SIDE, STAND_IN_SIDE
