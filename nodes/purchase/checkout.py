"""One paid request, from its key to its pictures.

    in the store? replay | an equal one in the air? wait for it | reserve its price | journal `sent` | HTTP
    | raw answer on disk, journal `answered` | each picture a file, journal `downloaded` | journal `done`

Nothing that may have been charged is sent a second time: whoever finds such a call asks the server for the truth, and
otherwise leaves the decision to the user, who orders another picture with another seed, or consents (consent).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass, field, replace

from ..api import (
    Answer,
    Client,
    Model,
    Reply,
    error_for,
    holds_pictures,
    is_doubtful,
    is_put_off,
    picture_fields,
    pictures_asked,
    request_id,
    says_nothing_was_begun,
)
from ..api.base_urls import require_api
from ..api.prices import Price, price
from ..errors import Charged, DryRunCharged, LumenfallError, sentences
from ..host import Batch
from ..settings import Settings
from ..spend import Call, Caller, Journal, KeyLock, Limits, Overtaken, State, dearest, nanos, unconverted
from ..spend.budget import require, unpriced
from .charged_dry_runs import has_charged_dry_run, remember_charged_dry_run
from .consent import Consent, give_up_bought
from .delivery import AGAIN, Delivery, fetch
from .late_prices import learn_aside
from .order import Order, Skipped, entry_of, in_turn
from .outcome import (
    UNRESOLVED,
    known_cost,
    may_come_again,
    most_pictures,
    read_paid_answer,
    resolve,
    surprise,
    unresolved,
    ways_on,
    with_answer,
    with_logged_cost,
)
from .put_off import PutOffs
from .replay import equal_call, pictures_of
from .session import limits_of


@dataclass(frozen=True)
class _Turn:
    """``seen`` are the ids of the equal calls that were looked at while ``lock`` was held."""

    lock: KeyLock
    seen: frozenset[str]


@dataclass
class Checkout:
    """Where orders of one node are paid for. ``wanted`` is asked before money moves."""

    client: Client
    journal: Journal
    settings: Settings
    caller: Caller
    model: Model
    wanted: Callable[[], bool]
    tell: Callable[[str | None], None]
    consent: Consent | None = None
    batch: Batch | None = None
    sent: dict[str, bool] = field(default_factory=dict, init=False)
    """Of each order that may have left, by its key, whether it is still in the air."""
    _turns: dict[str, _Turn] = field(default_factory=dict, init=False)
    """The last one of each order, by its key."""
    _pricing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def fulfil(self, order: Order) -> Delivery:
        """The pictures of ``order``, from the store or from the server.

        Raises LumenfallError, whose ``charged`` is as true as can be known, and Skipped.
        """
        keys = order.turn
        refused: set[str] = set()
        while True:
            async with in_turn(self.journal, keys, self.wanted, self._tell_waiting) as lock:
                self.tell(None)
                call = await asyncio.to_thread(self._look_up, order, lock, refused)
                if call is None or call.key in keys:
                    with contextlib.suppress(Overtaken):
                        if call is None:
                            return await self._buy(order)
                        if call.state not in UNRESOLVED:
                            return await self._replay(call, order)
                        # Whoever holds the lock and finds one that is unfinished knows that its process is gone.
                        call = await resolve(self.client, self.journal, call)
                        if call.state is not State.REFUSED:
                            return await self._after(call, order)
                        # One that came before it may keep this order from being sent.
                        refused.add(call.id)
                    continue
            # Found under a former key, which somebody may still be at work on.
            keys = (*order.turn, call.key)

    def _look_up(self, order: Order, lock: KeyLock, refused: Container[str]) -> Call | None:
        """The equal call that answers ``order``, or keeps it from being sent, while ``lock`` is held. Blocks. Raises
        StoreError.
        """
        equal = self.journal.equal(*order.keys)
        self._turns[order.key] = _Turn(lock, frozenset(call.id for call in equal))
        return equal_call(self.journal, equal, order, self.settings.replay, refused)

    async def _after(self, call: Call, order: Order) -> Delivery:
        """What comes of ``call``, an equal request that was unfinished: where that is nothing, and the user consents,
        ``order`` is bought.
        """
        if call.state is not State.LOST:
            return await self._replay(call, order)
        if may_come_again(call):
            return await self._buy_after(order, call)
        return await self._buy_again(order, call, unresolved(call))

    async def _replay(self, call: Call, order: Order) -> Delivery:
        """What ``call``, an equal request, brought before; where none of that is left, ``order`` is bought. So it is
        where it, or a part of it, cannot be had, and the user consents.
        """
        try:
            delivery = await pictures_of(self.client, self.journal, call)
            if delivery is None:
                return await self._buy(order)
            if delivery.is_short and await self._may_send_again(call):
                return await self._buy_after(order, call)
            learn_aside(self.client.server, self.journal, delivery.call)
            return delivery
        except LumenfallError as error:
            if error.call != call.id:
                raise
            return await self._buy_again(order, call, error)

    async def _buy_again(self, order: Order, call: Call, error: LumenfallError) -> Delivery:
        """``call`` was, or may have been, charged, and brought nothing. Raises ``error`` unless the user consents."""
        if not await self._may_send_again(call):
            raise error
        return await self._buy_after(order, call)

    async def _may_send_again(self, call: Call) -> bool:
        """Whether the user consents."""
        return self.consent is not None and await asyncio.to_thread(self.consent.covers, self.journal, call)

    async def _buy_after(self, order: Order, call: Call) -> Delivery:
        """Buy ``order``, and give up ``call``, which it takes the place of."""
        try:
            return await self._buy(order)
        finally:
            await asyncio.to_thread(give_up_bought, self.journal, call, order.keys)

    async def _buy(self, order: Order) -> Delivery:
        self._check_wanted()
        if self.settings.check_base_url:
            require_api(self.client.server.base_url)
        try:
            limits, needed = await self._reservation(order)
        except DryRunCharged as error:
            return await self._keep_dry_run(order, error)
        self._check_wanted()
        turn = self._turns[order.key]
        call = await self._begin(entry_of(order, self.client.server), limits, needed, turn.seen)
        if not self.wanted():
            await self._settle(replace(call, state=State.REFUSED, charged=Charged.NO))
            raise Skipped
        self.sent[order.key] = True
        try:
            return await self._send(order, call, turn.lock)
        finally:
            self.sent[order.key] = False

    async def _send(self, order: Order, call: Call, lock: KeyLock) -> Delivery:
        started, put_offs = time.monotonic(), PutOffs(self.client.server, self.journal, call, lock)
        try:
            try:
                chosen, entering = self.settings.picture_field, put_offs.enter
                reply = await picture_fields.send(self.client, order.wire, chosen, self.wanted, call.id, entering)
            except LumenfallError as error:
                raise await self._failed(put_offs.call, error) from error.__cause__
            except Exception as error:
                raise await self._failed(put_offs.call, surprise(error), is_verdict=False) from error
            call = replace(put_offs.call, seconds=round(time.monotonic() - started, 3))
            delivery = await self._receive(order, call, reply)
        except LumenfallError as error:
            raise await put_offs.told(error) from error.__cause__
        put_offs.ask_aside()
        return delivery

    async def _receive(self, order: Order, call: Call, reply: Reply) -> Delivery:
        """What came for ``call``: money has been spent by now."""
        try:
            told = {"peer": reply.peer, "dated": reply.dated}
            facts = {**call.facts, **{name: value for name, value in told.items() if value is not None}}
            call = replace(call, request_id=request_id(reply.headers), facts=facts)
            if not reply.is_success and not await asyncio.to_thread(holds_pictures, reply.body):
                raise error_for(reply.status, reply.headers, reply.body)
            call, answer, notes = await self._answered(call, reply)
        except LumenfallError as error:
            raise await self._failed(call, error) from error.__cause__
        except Exception as error:
            raise await self._failed(call, surprise(error), is_verdict=False) from error
        delivery = await fetch(self.client, self.journal, call, answer.pictures, replayed=False)
        count = int(order.request.parameters.get("n", 1))
        if answer.entries < count:
            notes.append(f"{count} pictures were asked for, {answer.entries} came.")
        if self.client.server.exposure:
            notes.append(self.client.server.exposure)
        return replace(delivery, notes=(*order.wire.notes, *delivery.notes, *notes))

    async def _keep_dry_run(self, order: Order, error: DryRunCharged) -> Delivery:
        """Take in what a dry run has brought as what it was to the server: the order."""
        call = replace(entry_of(order, self.client.server), **asdict(self._named_caller()))
        call = replace(call, reserved=await self._presumed(order))
        notes = await self._settle(call)
        delivery = await self._receive(order, call, Reply(200, dict(error.headers), error.body))
        return replace(delivery, notes=(*notes, *delivery.notes, f"{error.message} No limit could stop it."))

    async def _presumed(self, order: Order) -> int | None:
        """What a dry run that was charged counts as until its cost is known, in nanos of a US dollar: the user's
        figure, else the dearest so far, else the list price, and the whole limit where nobody knows. Never raises.
        """
        model, count = order.request.model, pictures_asked(order.request.parameters)
        limits = limits_of(self.settings, self.batch)
        figure, highest = self.settings.prices.get(model), None
        try:
            limits = await asyncio.to_thread(self.journal.limits, limits)
            highest = None if figure is not None else await asyncio.to_thread(dearest, self.journal, model, limits)
        except Exception as error:
            surprise(error)  # the picture that came matters more
        if highest is not None:
            return highest * count
        each = figure if figure is not None else self.model.price
        if each:
            return nanos(each * count)
        whole = [nanos(limit) for limit in (limits.run, limits.day, limits.month) if limit is not None]
        return max(whole, default=None)

    async def _begin(self, call: Call, limits: Limits, needed: int | None, seen: Container[str]) -> Call:
        """Enter ``call`` as sent. Raises LumenfallError where that fails, for whatever reason, and Overtaken: then it
        is not sent.
        """
        try:
            return await asyncio.to_thread(self.journal.begin, call, self._named_caller(), limits, needed, seen)
        except (LumenfallError, Overtaken):
            raise
        except Exception as error:
            await self._settle(replace(call, state=State.REFUSED, charged=Charged.NO))
            raise surprise(error).replaced(charged=Charged.NO) from error

    async def _answered(self, call: Call, reply: Reply) -> tuple[Call, Answer, list[str]]:
        """Keep the raw answer, and only then read it. Raises LumenfallError where it holds no picture."""
        notes = []
        try:
            await asyncio.to_thread(self.journal.records.keep_answer, call, reply.body)
        except OSError as error:
            notes.append(f"The answer could not be kept on disk: {error.strerror or error}.")
        answer = await read_paid_answer(reply.status, reply.headers, reply.body, reply.broken, most_pictures(call))
        call = with_answer(call, answer, self.client.server)
        if not call.cost:
            is_priced = any((call.reserved, self.model.price, self.settings.prices.get(call.model)))
            call = await with_logged_cost(self.client, call, is_priced=is_priced)
        return call, answer, notes + await self._settle(call)

    async def _failed(self, call: Call, error: LumenfallError, *, is_verdict: bool = True) -> LumenfallError:
        """Enter that ``call`` brought no pictures. ``error``, with what that cost. Where that is no verdict on what
        came, but a failure of ours, an answer that lies on disk is looked at once more.
        """
        error = error.replaced(message=self.client.server.without_key(error.message))
        call = replace(
            call,
            state=State.REFUSED if error.charged is Charged.NO else State.LOST,
            charged=error.charged,
            request_id=error.request_id or call.request_id,
            error=error.message,
        )
        if is_put_off(error):
            call = replace(call, facts={**call.facts, "put_off": True})
        if error.status is not None and call.charged is Charged.UNKNOWN and self.client.server.flavour.native:
            call = replace(call, facts={**call.facts, "doubted": True})
        if error.cost:
            call = replace(call, cost=nanos(error.cost), currency=error.currency or "USD")
        try:
            call = await resolve(
                self.client,
                self.journal,
                call,
                has_read=is_verdict,
                is_doubtful=is_doubtful(error),
                says_nothing_was_begun=says_nothing_was_begun(error),
            )
        except Exception as failure:
            # What the journal has of it keeps equal requests from being sent, and the next run asks again.
            surprise(failure)
        if call.state is State.ANSWERED:
            return error.replaced(hint=sentences(error.hint, AGAIN), request_id=call.request_id, charged=call.charged)
        hint, blocking = error.hint, None
        if call.charged is Charged.NO and error.charged is not Charged.NO:
            hint = "The server's request log says that this request cost nothing, so it may be sent again."
        if call.state in UNRESOLVED:
            answer = self.journal.records.answer_name(call)
            kept = f"What arrived is kept in the pack's private folder, in {answer}." if answer else ""
            hint = sentences(hint, kept, known_cost(call), ways_on(call))
            blocking = None if may_come_again(call) else call.id
        request_id = error.request_id or call.request_id
        return error.replaced(hint=hint, request_id=request_id, charged=call.charged, call=blocking)

    async def price(self, order: Order) -> Price | None:
        """What ``order`` would cost; None where nobody knows. Raises LumenfallError, also where the server made the
        pictures instead of telling their price: they are in the store then.
        """
        try:
            return await self._price(order)
        except DryRunCharged as error:
            async with in_turn(self.journal, order.turn, self.wanted, lambda: None):
                delivery = await self._keep_dry_run(order, error)
            raise error.replaced(
                hint="Its pictures are in the store: a run with the same inputs gets them for free.",
                request_id=delivery.call.request_id,
                charged=delivery.call.charged,
            ) from error.__cause__

    async def _price(self, order: Order) -> Price | None:
        folder, base_url = self.journal.folder, self.client.server.base_url
        # One at a time: what the first one meets decides on the others.
        async with self._pricing:
            fit = not await asyncio.to_thread(has_charged_dry_run, folder, base_url)
            try:
                return await price(
                    self.client, order.request, order.wire, self.model, self.settings.prices, by_dry_run=fit
                )
            except DryRunCharged:
                await asyncio.to_thread(remember_charged_dry_run, folder, base_url)
                raise

    def _check_reached(self, order: Order, limits: Limits) -> None:
        """Raise BudgetExceeded where nothing is left: even a dry run may be taken for an order. Blocks."""
        call = replace(entry_of(order, self.client.server), run_id=self.caller.run_id)
        with self.journal.open().read() as connection:
            require(connection, limits, call, 1)

    async def _reservation(self, order: Order) -> tuple[Limits, int | None]:
        """The limits that hold here, and what to reserve, in nanos of a US dollar. Raises BudgetExceeded where there
        is a limit and nobody knows the price, and StoreError where nothing can be kept.
        """
        limits = await asyncio.to_thread(self._allowed)
        if not limits:
            return limits, None
        await asyncio.to_thread(self._check_reached, order, limits)
        found = await self._price(order)
        amounts = []
        if found is not None and not (found.is_stand_in and found.source == "list price"):
            amount = limits.in_dollars(nanos(found.amount), found.currency)
            if amount is None:
                raise unconverted(found.currency, "what this request would cost cannot be compared with it")
            amounts.append(amount)
        if found is None or found.is_stand_in:
            # A list price says where prices start. What was paid before says more.
            highest = await asyncio.to_thread(dearest, self.journal, order.request.model, limits)
            amounts += [] if highest is None else [highest * pictures_asked(order.request.parameters)]
        if not amounts:
            raise unpriced(order.request.model)
        return limits, max(amounts)

    def _allowed(self) -> Limits:
        """The limits that hold here. Blocks. Raises StoreError where nothing can be kept."""
        self.journal.check_writable()
        return self.journal.limits(limits_of(self.settings, self.batch))

    def _named_caller(self) -> Caller:
        return Caller(**self.client.server.without_key(asdict(self.caller)))

    async def _settle(self, call: Call) -> list[str]:
        return await asyncio.to_thread(self.journal.settle, call)

    def _tell_waiting(self) -> None:
        self.tell("waiting for an equal request")

    def _check_wanted(self) -> None:
        if not self.wanted():
            raise Skipped
