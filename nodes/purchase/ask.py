"""The one way from a plan to tensors.

    plan -> requests, checked -> each one bought or replayed (checkout) -> files (delivery) -> tensors

The work is done on the pack's own event loop (background). The node only waits for it: Stop, and the failure of
another node, end the waiting at once, and what is in the air is finished all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from ..api import Client, retirement_note, retirement_note_of_slug
from ..errors import (
    AuthenticationFailed,
    BudgetExceeded,
    Charged,
    InsufficientBalance,
    InvalidRequest,
    LumenfallError,
    ModelUnavailable,
    NotFound,
    StoreError,
    sentences,
)
from ..host import Host, current, show_preview, show_progress
from ..host.waiting import wait
from ..pixels import highlight
from ..spend import clean
from . import background, ending
from .checkout import Checkout
from .chores import is_due
from .consent import consent, is_given
from .delivery import Delivery
from .order import Order, Skipped, orders_of
from .origin import HiddenInputs, caller, start_of
from .outcome import surprise
from .plan import Plan, Results
from .receipts import hand_out_receipts
from .recovery import look_after
from .session import session_of
from .slots import most, slots

log = logging.getLogger(__name__)


async def ask(plan: Plan, hidden: HiddenInputs) -> Results:
    """Get the pictures of the requests of ``plan``, and show its preview meanwhile.

    All requests are checked before the first is sent; they run together, as many at a time as the settings let the
    process send. When one fails and no more are to be sent, those in the air are brought to disk before its
    LumenfallError is raised. Stop raises the host's interruption.
    """
    host = current()
    if background.is_closing():
        raise host.interruption()
    plan.check()
    if (preview := plan.preview) is not None:
        show_preview(host, lambda: highlight(*preview))
    purchase = _Purchase(host, plan, hidden)
    try:
        results = await wait(purchase.results(), host, purchase.doing)
        await wait(purchase.mark_delivered(results), host, purchase.doing)
        purchase.make_room()
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
    show_progress(host, results.summary)
    hand_out_receipts([delivery.call for delivery in results.deliveries], hidden)
    return results


class _Purchase:
    """One plan that is paid for. ``wanted`` ends when the node no longer waits: nothing more is sent then."""

    def __init__(self, host: Host, plan: Plan, hidden: HiddenInputs) -> None:
        self.wanted = True
        self._host = host
        self._plan = plan
        self._status: str | None = None
        self._retirement: str | None = None
        self._total = 0
        self._done = 0
        self._failed = False
        self._errors: dict[int, LumenfallError] = {}
        self._checkout: Checkout | None = None
        self._looking_after: Future[bool] | None = None
        session = session_of(host)
        self._server, self._journal, self._settings = session.server, session.journal, session.settings
        self._catalogue = session.catalogue
        self._keeps_going = (plan.terms.on_failure or self._settings.on_failure) == "keep"
        self._caller = caller(hidden)
        place = host.place()
        self._start, self._batch = start_of(place), place.batch
        self._consenting = place if is_given(place, self._settings) else None

    @property
    def in_air(self) -> int:
        """How many requests may have left, and are not home yet."""
        return sum(self._checkout.sent.values()) if self._checkout else 0

    def doing(self) -> str:
        """What is being waited for, in a few words."""
        if self._status:
            return self._status
        several = f", {self._done} of {self._total} done" if self._total > 1 else ""
        # Some paste the key into whatever field has the focus.
        model = self._server.without_key(self._plan.terms.model)
        return f"waiting for {model}{several}" + (f". {self._retirement}" if self._retirement else "")

    async def results(self) -> Results:
        """Run on the background's loop, and wait here."""
        self._host.in_main_thread(ending.watch)
        if is_due("look after", self._start):
            self._looking_after = background.start(look_after(self._server, self._journal))
        return await background.run(self._run())

    async def _run(self) -> Results:
        async with Client(self._server, on_status=self._tell) as client:
            model = await self._catalogue.model(client, self._plan.terms.model)
            self._retirement = retirement_note(model)
            # Encoding large pictures takes a while; in a thread it does not hold up other calls.
            orders = await asyncio.to_thread(orders_of, self._plan, self._server, model, self._catalogue.latest)
            self._total = len(orders)
            consented = None
            if self._consenting is not None:
                consented = await asyncio.to_thread(consent, self._journal, self._consenting)
            who = (self._caller, model, self._is_wanted, self._tell)
            checkout = self._checkout = Checkout(client, self._journal, self._settings, *who, consented, self._batch)
            if self._retirement:
                log.warning(self._retirement)
            outcomes = await asyncio.gather(
                *(self._one(checkout, *numbered) for numbered in enumerate(orders)), return_exceptions=True
            )
        return self._results(outcomes)

    def _results(self, outcomes: Sequence[Delivery | BaseException | None]) -> Results:
        """What became of all orders. Raises the error that speaks for all where too few of them brought something."""
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        deliveries = tuple(outcome for outcome in outcomes if isinstance(outcome, Delivery))
        skipped = len(outcomes) - len(deliveries) - len(self._errors)
        results = Results(deliveries, self._errors, skipped, notes=(self._retirement,) if self._retirement else ())
        if self._errors and not (self._keeps_going and deliveries):
            raise results.error()
        if skipped and not self._errors:
            raise Skipped
        return results

    async def mark_delivered(self, results: Results) -> None:
        """Note that the node has the pictures."""
        calls = [delivery.call for delivery in results.deliveries]
        await background.run(asyncio.to_thread(self._journal.mark_delivered, calls))

    def make_room(self) -> None:
        """For the next pictures."""
        if is_due("make room", self._start):
            run_id = self._caller.run_id
            background.start(asyncio.to_thread(clean, self._journal, self._settings.store_gb, run_id))

    def _tell(self, status: str | None) -> None:
        self._status = status

    def _is_wanted(self) -> bool:
        return self.wanted and not self._failed and not background.is_closing()

    async def _fulfil(self, checkout: Checkout, order: Order) -> Delivery:
        try:
            return await checkout.fulfil(order)
        except BudgetExceeded:
            # What earlier requests may have cost counts too, as long as nobody knows it.
            has_settled = False
            if self._looking_after is not None:
                with contextlib.suppress(Exception):
                    has_settled = await asyncio.wrap_future(self._looking_after)
            if not has_settled:
                raise
        return await checkout.fulfil(order)

    async def _one(self, checkout: Checkout, index: int, order: Order) -> Delivery | None:
        """What ``order`` brought; None where that was an error, or where it was not sent any more."""
        async with slots().one(self._caller.run_id, self, most(self._settings)):
            if not self._is_wanted():
                return None
            try:
                return replace(await self._fulfil(checkout, order), index=index)
            except Skipped:
                return None
            except LumenfallError as error:
                # These would meet every further request too.
                hopeless = isinstance(error, (AuthenticationFailed, InsufficientBalance, StoreError))
                self._failed = self._failed or hopeless or not self._keeps_going
                self._errors[index] = self._explained(error)
                return None
            except Exception as error:
                # What goes wrong once it was sent has an error of its own; this one knows only whether it was.
                self._failed = self._failed or not self._keeps_going
                charged = Charged.UNKNOWN if order.key in checkout.sent else Charged.NO
                self._errors[index] = surprise(error).replaced(charged=charged)
                return None
            finally:
                self._done += 1
                self._tell(None)

    def _explained(self, error: LumenfallError) -> LumenfallError:
        """``error``, which names the successor of a model that the server no longer has."""
        note = self._retirement
        if note is None and isinstance(error, ModelUnavailable):
            note = retirement_note_of_slug(self._plan.terms.model)
        if note and isinstance(error, (ModelUnavailable, InvalidRequest, NotFound)):
            return error.replaced(hint=sentences(note, error.hint))
        return error


def _left_in_air(count: int) -> str:
    what = "a request was already sent and finishes" if count == 1 else f"{count} requests were already sent and finish"
    return f"stopped; {what} in the background. The same inputs get it for free."
