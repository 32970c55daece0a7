"""The one way from a node's inputs to tensors.

    inputs -> requests, checked -> each one bought or replayed (checkout) -> files (delivery) -> tensors

The work is done on the pack's own event loop (background). The node only waits for it: Stop, and the failure of
another node, end the waiting at once, and what is in the air is finished all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from ..api import Client, ImageRequest, Model, end_note, end_note_behind
from ..errors import (
    AuthenticationFailed,
    Charged,
    InsufficientBalance,
    InvalidRequest,
    LumenfallError,
    ModelUnavailable,
    NotFound,
    StoreError,
)
from ..host import Host, current, show_progress
from ..host.waiting import wait
from ..settings import OnFailure
from ..spend import clean
from . import background, ending
from .checkout import Checkout
from .delivery import Delivery, Results, total_cost
from .order import Order, Skipped, order
from .origin import caller
from .quote import current_quote
from .receipts import hand_out_receipts
from .recovery import look_after
from .session import Session

log = logging.getLogger(__name__)

TooLarge = Literal["refuse", "scale down"]


async def ask(
    slug: str,
    build: Callable[[Model], Sequence[ImageRequest]],
    on_failure: OnFailure | None = None,
    too_large: TooLarge = "refuse",
) -> Results:
    """Get the pictures of the requests that ``build`` makes for the model ``slug``.

    All requests are checked before the first is sent; they run together, as many at a time as the settings say. With
    "stop", when one fails no more are sent, and those in the air are brought to disk before its LumenfallError is
    raised; with "keep" an error is raised only when none succeeded; with None the settings decide. ``too_large`` is
    what becomes of pictures that the server would not take. Stop raises the host's interruption.
    """
    host = current()
    purchase = _Purchase(host, slug, on_failure, too_large)
    try:
        results = await wait(purchase.results(build), host, purchase.doing)
        if current_quote() is None:
            await wait(purchase.delivered(results), host, purchase.doing)
            background.start(purchase.make_room())
    except Skipped:
        # The node still waits, so it is the process that ends.
        raise host.interruption() from None
    except BaseException as error:
        if isinstance(error, type(host.interruption())) and purchase.in_air:
            error.args = (_left_in_air(purchase.in_air),)
        raise
    finally:
        purchase.wanted = False
    # Some browsers keep the last line on the node after the run.
    show_progress(host, _summary(results))
    hand_out_receipts([delivery.call for delivery in results.deliveries])
    return results


class _Purchase:
    """What one call of a node asks for. ``wanted`` ends when the node no longer waits: nothing more is sent then."""

    def __init__(self, host: Host, slug: str, on_failure: OnFailure | None, too_large: TooLarge) -> None:
        self.wanted = True
        self._host = host
        self._slug = slug
        self._may_shrink = too_large == "scale down"
        self._status: str | None = None
        self._end_note: str | None = None
        self._total = 0
        self._done = 0
        self._failed = False
        self._errors: list[LumenfallError] = []
        self._checkout: Checkout | None = None
        session = Session(host)
        self._server, self._journal, self._settings = session.server, session.journal, session.settings
        self._catalogue = session.catalogue
        self._keeps_going = (on_failure or self._settings.on_failure) == "keep"
        self._caller = caller()

    @property
    def in_air(self) -> int:
        """How many requests may have left, and are not home yet."""
        return self._checkout.in_air if self._checkout else 0

    def doing(self) -> str:
        """What is being waited for, in a few words."""
        if self._status:
            return self._status
        several = f", {self._done} of {self._total} done" if self._total > 1 else ""
        return f"waiting for {self._slug}{several}" + (f". {self._end_note}" if self._end_note else "")

    async def results(self, build: Callable[[Model], Sequence[ImageRequest]]) -> Results:
        """Run on the background's loop, and wait here."""
        if current_quote() is None:
            self._host.in_main_thread(ending.watch)
            background.start(look_after(self._server, self._journal))
        return await background.run(self._run(build), is_free=current_quote() is not None)

    async def _run(self, build: Callable[[Model], Sequence[ImageRequest]]) -> Results:
        async with Client(self._server, on_status=self._tell) as client:
            model = await self._catalogue.model(client, self._slug)
            self._end_note = end_note(model)
            notes = () if self._end_note is None else (self._end_note,)
            # Encoding large pictures takes a while; in a thread it does not hold up other calls.
            orders = await asyncio.to_thread(self._orders, build, model)
            self._total = len(orders)
            checkout = self._checkout = Checkout(
                client, self._journal, self._settings, self._caller, model, self._is_wanted, self._tell
            )
            quote = current_quote()
            if quote is not None:
                quote.notes += notes
                return Results(await quote.answer(checkout, orders), notes=notes)
            if self._end_note:
                log.warning(self._end_note)
            await asyncio.to_thread(self._journal.check_writable)
            room = asyncio.Semaphore(self._settings.parallel)
            outcomes = await asyncio.gather(
                *(self._one(checkout, room, *numbered) for numbered in enumerate(orders)), return_exceptions=True
            )
        return replace(_all_or_error(outcomes, self._errors, self._keeps_going), notes=notes)

    async def delivered(self, results: Results) -> None:
        """Note that the node has the pictures."""
        calls = [delivery.call for delivery in results.deliveries]
        await background.run(asyncio.to_thread(self._journal.delivered, calls))

    async def make_room(self) -> None:
        """For the next pictures."""
        await asyncio.to_thread(clean, self._journal, self._settings.store_gb, self._caller.run_id)

    def _orders(self, build: Callable[[Model], Sequence[ImageRequest]], model: Model) -> list[Order]:
        return [order(replace(request, may_shrink=self._may_shrink), self._server, model) for request in build(model)]

    def _tell(self, status: str | None) -> None:
        self._status = status

    def _is_wanted(self) -> bool:
        return self.wanted and not self._failed and not background.is_closing()

    async def _one(self, checkout: Checkout, room: asyncio.Semaphore, index: int, order: Order) -> Delivery:
        async with room:
            if not self._is_wanted():
                raise Skipped
            try:
                return replace(await checkout.deliver(order), index=index)
            except Exception as error:
                # These would meet every further request too.
                hopeless = isinstance(error, (AuthenticationFailed, InsufficientBalance, StoreError))
                self._failed = self._failed or hopeless or not self._keeps_going
                if isinstance(error, LumenfallError):
                    self._explain(error)
                    self._errors.append(error)
                raise
            finally:
                self._done += 1
                self._tell(None)

    def _explain(self, error: LumenfallError) -> None:
        """Name the successor of a model that the server no longer has."""
        told = self._end_note or (end_note_behind(self._slug) if isinstance(error, ModelUnavailable) else None)
        if told and isinstance(error, (ModelUnavailable, InvalidRequest, NotFound)):
            error.hint = f"{told} {error.hint}".strip()


_WORST_FIRST = (Charged.YES, Charged.UNKNOWN, Charged.NO)


def _all_or_error(
    outcomes: Sequence[Delivery | BaseException], errors: Sequence[LumenfallError], keeps_going: bool
) -> Results:
    """The deliveries, if every request brought one, or if one did and the rest may fail. Else the error that may have
    cost most, the earliest of equals, which speaks for all. ``errors`` are those in ``outcomes``, as they happened.
    """
    deliveries = tuple(outcome for outcome in outcomes if isinstance(outcome, Delivery))
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, (LumenfallError, Skipped)):
            raise outcome
    skipped = len(outcomes) - len(deliveries) - len(errors)
    if not errors and skipped:
        raise Skipped
    if not errors or (keeps_going and deliveries):
        failures = [
            {"index": index, **outcome.as_dict()}
            for index, outcome in enumerate(outcomes)
            if isinstance(outcome, LumenfallError)
        ]
        return Results(deliveries, tuple(failures))
    worst = worst_of(errors)
    hints = [worst.hint]
    if deliveries:
        hints.append(
            f"{len(deliveries)} of the {len(outcomes)} requests of this node succeeded; their pictures are in the "
            "store, so that the next run with the same inputs gets them for free."
        )
        if any(delivery.cost != 0 for delivery in deliveries):
            worst.charged = Charged.YES
    if skipped:
        hints.append(f"{skipped} of the requests {'was' if skipped == 1 else 'were'} not sent any more.")
    worst.hint = " ".join(hint for hint in hints if hint)
    raise worst


def worst_of(errors: Sequence[LumenfallError]) -> LumenfallError:
    """The error that may have cost most, the earliest of equals; its hint tells of the others."""
    worst = min(errors, key=lambda error: _WORST_FIRST.index(error.charged))
    others = [f"Another request failed too: {error.message} {error.hint}" for error in errors if error is not worst]
    worst.hint = " ".join(part for part in (worst.hint, *others) if part)
    return worst


def _left_in_air(count: int) -> str:
    what = "a request was already sent and finishes" if count == 1 else f"{count} requests were already sent and finish"
    return f"stopped; {what} in the background. The same inputs get it for free."


def _summary(results: Results) -> str:
    deliveries = results.deliveries
    cost, currency = total_cost(deliveries)
    count = sum(len(delivery.pictures) for delivery in deliveries)
    pictures = f"{count} picture{'s' * (count != 1)}"
    failed = f", {len(results.failures)} of {len(results.failures) + len(deliveries)} requests failed"
    price = "" if cost is None else f", {cost:.4g} {currency or 'USD'}"
    tail = price + (failed if results.failures else "")
    if all(delivery.replayed for delivery in deliveries):
        return f"{pictures} replayed{tail}"
    return f"{pictures} in {max(delivery.seconds for delivery in deliveries):.0f} s{tail}"
