"""One paid request, from its key to its pictures.

    in the store? replay | an equal one in the air? wait for it | reserve its price | journal `sent` | HTTP
    | raw answer on disk, journal `answered` | each picture a file, journal `downloaded` | journal `done`

Nothing that may have been charged is sent a second time: whoever finds such a call asks the server for the truth, and
otherwise leaves the decision to the user, who orders another picture with another seed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from .api import (
    Answer,
    Client,
    ImageRequest,
    Logged,
    Model,
    Reply,
    Server,
    WireRequest,
    error_for,
    read_answer,
    request_id,
    write,
)
from .errors import AnswerError, BudgetExceeded, Charged, LumenfallError, Unresolved
from .pixels import fingerprint
from .price import price
from .receive import ANOTHER, Delivery, bring_home
from .settings import Settings
from .spend import Call, Caller, Journal, Limits, State, nanos, request_key

POLL_SECONDS = 0.1
"""How often an equal request in the air is looked at."""


DASHBOARD = "https://lumenfall.ai/app/requests?open="
"""Where a person sees one request, and perhaps its pictures (Lumenfall's agent skill)."""


_UNRESOLVED = (State.SENT, State.LOST)


class Skipped(Exception):
    """Nobody wanted the pictures any more before the request was sent."""


@dataclass(frozen=True)
class Order:
    """A request, as it will be sent, and its key."""

    request: ImageRequest
    wire: WireRequest
    key: str


def order(request: ImageRequest, server: Server, model: Model) -> Order:
    """``request`` written for ``server``. Slow for large pictures. Raises InputError."""
    wire = write(request, server.flavour, takes_seed=model.takes("seed"))
    fields: Mapping[str, Any] = wire.content.get("json") or wire.content["data"]
    pictures = [fingerprint(image) for image in request.images]
    mask = None if request.mask is None else fingerprint(request.mask)
    return Order(request, wire, request_key(server.base_url, wire.path, fields, request.seed, pictures, mask))


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
    in_air: int = field(default=0, init=False)
    """How many requests may have left, and are not home yet."""

    async def deliver(self, order: Order) -> Delivery:
        """The pictures of ``order``, from the store or from the server.

        Raises LumenfallError, whose ``charged`` is as true as can be known, and Skipped.
        """
        lock = await asyncio.to_thread(self.journal.lock, order.key)
        while not await asyncio.to_thread(lock.acquire):
            self._check_wanted()
            self.tell("waiting for an equal request")
            await asyncio.sleep(POLL_SECONDS)
        try:
            self.tell(None)
            return await self._replay(order) or await self._buy(order)
        finally:
            await asyncio.to_thread(lock.release)

    def earlier(self, order: Order) -> Call | None:
        """The equal call that answers ``order``, or that keeps it from being sent; None where it is to be bought.

        Blocks. Raises StoreError.
        """
        call = self.journal.latest(order.key)
        if call is None or call.state is State.CLEANED:
            return None
        if call.state in _UNRESOLVED:
            return call
        if call.delivered_at and not self.settings.replay:
            return None
        is_whole = call.state is not State.DONE or all(map(self.journal.files.has, call.pictures))
        return call if is_whole else None

    async def _replay(self, order: Order) -> Delivery | None:
        """What an equal request brought before; None where one is to be bought. Whoever holds the lock and finds a
        call unfinished knows that its process is gone.
        """
        call = await asyncio.to_thread(self.earlier, order)
        if call is not None and call.state in _UNRESOLVED:
            call = await resolve(self.client, self.journal, call)
            if call.state is State.LOST:
                raise unresolved(call)
        if call is None or call.state is State.REFUSED:
            return None
        return await bring_home(self.client, self.journal, call, replayed=True)

    async def _buy(self, order: Order) -> Delivery:
        self._check_wanted()
        needed = await self._price(order)
        self._check_wanted()
        call = await asyncio.to_thread(
            self.journal.begin, _entry(order, self.client.server), self.caller, self._limits(), needed
        )
        if not self.wanted():
            await self._settle(replace(call, state=State.REFUSED, charged=Charged.NO))
            raise Skipped
        self.in_air += 1
        try:
            return await self._send(order, call)
        finally:
            self.in_air -= 1

    async def _send(self, order: Order, call: Call) -> Delivery:
        started = time.monotonic()
        try:
            reply = await self.client.send(order.wire, wanted=self.wanted, trace_id=call.id)
            call = replace(call, seconds=round(time.monotonic() - started, 3), request_id=request_id(reply.headers))
            if not reply.is_success:
                raise error_for(reply.status, reply.headers, reply.body)
            call, answer, notes = await self._answered(call, reply)
        except LumenfallError as error:
            raise await self._failed(call, error) from error.__cause__
        delivery = await bring_home(self.client, self.journal, call, answer.pictures, replayed=False)
        asked = int(order.request.parameters.get("n", 1))
        if answer.entries < asked:
            notes.append(f"{asked} pictures were asked for, {answer.entries} came.")
        return replace(delivery, notes=(*order.wire.notes, *delivery.notes, *notes))

    async def _answered(self, call: Call, reply: Reply) -> tuple[Call, Answer, list[str]]:
        """Keep the raw answer, and only then read it. Raises LumenfallError where it holds no picture."""
        notes = []
        try:
            await asyncio.to_thread(self.journal.records.keep_answer, call, reply.body)
        except OSError as error:
            notes.append(f"The answer could not be kept on disk: {error.strerror or error}.")
        answer = await _read(reply.status, reply.headers, reply.body, reply.broken)
        call = _with_answer(call, answer)
        if call.cost is None:
            call = _with_truth(call, await _look_up(self.client, call))
        return call, answer, notes + await self._settle(call)

    async def _failed(self, call: Call, error: LumenfallError) -> LumenfallError:
        """Enter that ``call`` brought no pictures, and let ``error`` say what that cost."""
        call = replace(
            call,
            state=State.REFUSED if error.charged is Charged.NO else State.LOST,
            charged=error.charged,
            request_id=error.request_id or call.request_id,
            error=error.message,
        )
        call = await resolve(self.client, self.journal, call)
        if call.charged is Charged.NO and error.charged is not Charged.NO:
            error.hint = "The server's request log says that this request cost nothing, so it may be sent again."
        error.charged = call.charged
        error.request_id = error.request_id or call.request_id
        if call.state is State.LOST:
            answer = self.journal.records.answer_name(call)
            kept = f"What arrived is kept in the pack's private folder, in {answer}." if answer else ""
            error.hint = " ".join(part for part in (error.hint, kept, _truth(call), ANOTHER) if part)
        return error

    async def _price(self, order: Order) -> int | None:
        """What to reserve, in nanos. Raises BudgetExceeded where there is a limit and nobody knows the price."""
        if not self._limits():
            return None
        found = await price(self.client, order.request, order.wire, self.model, self.settings.prices)
        if found is None:
            raise _unpriced(order.request.model)
        return nanos(found.amount)

    def _limits(self) -> Limits:
        return Limits(**self.settings.limits.model_dump())

    async def _settle(self, call: Call) -> list[str]:
        return await asyncio.to_thread(self.journal.settle, call)

    def _check_wanted(self) -> None:
        if not self.wanted():
            raise Skipped


def _entry(order: Order, server: Server) -> Call:
    request = order.request
    asked = {"prompt": request.prompt, "seed": request.seed, "pictures": len(request.images), **request.parameters}
    # Some paste their key into a prompt.
    asked = json.loads(server.redact(json.dumps(asked).encode()))
    return Call(order.key, server.base_url, order.wire.path, request.model, asked)


async def resolve(client: Client, journal: Journal, call: Call) -> Call:
    """Enter ``call``, which is sent or lost and belongs to nobody any more, as far as it can be brought: answered, if
    its answer lies on disk; else refused or lost, by what the server's request log says about its cost.
    """
    answered = await _from_disk(journal, call) if call.state is State.SENT else None
    if answered is not None:
        call = answered
    if call.state is not State.REFUSED and call.cost is None:
        call = _with_truth(call, await _look_up(client, call))
    if call.state in _UNRESOLVED:
        call = replace(call, state=State.REFUSED if call.charged is Charged.NO else State.LOST)
    await asyncio.to_thread(journal.settle, call)
    return call


async def _from_disk(journal: Journal, call: Call) -> Call | None:
    """``call`` with the answer that its process had kept, but not entered any more; None where there is none."""
    try:
        body = await asyncio.to_thread(journal.records.answer, call)
        return _with_answer(call, await _read(200, {}, body, None))
    except (OSError, LumenfallError):
        return None


async def _read(status: int, headers: Mapping[str, str], body: bytes, broken: str | None) -> Answer:
    """The answer. Raises LumenfallError where it holds no picture, whatever is wrong with it."""
    try:
        return await asyncio.to_thread(read_answer, status, headers, body, broken)
    except LumenfallError:
        raise
    except Exception as error:
        raise AnswerError(f"The answer could not be read ({type(error).__name__}: {error}).") from error


def _with_answer(call: Call, answer: Answer) -> Call:
    return replace(
        call,
        state=State.ANSWERED,
        charged=Charged.NO if answer.cost == 0 else Charged.YES,
        cost=None if answer.cost is None else nanos(answer.cost),
        currency=answer.currency,
        executed_model=answer.executed_model,
        provider=answer.provider,
        request_id=answer.request_id or call.request_id,
        facts={
            "entries": answer.entries,
            "revised_prompts": list(answer.revised_prompts),
            "notes": list(answer.notes),
            "links": [picture.url for picture in answer.pictures if picture.url],
        },
    )


async def _look_up(client: Client, call: Call) -> Logged | None:
    return await client.look_up(call.request_id, call.id, call.sent_at)


def _with_truth(call: Call, logged: Logged | None) -> Call:
    if logged is None:
        return call
    if logged.charged is Charged.UNKNOWN:
        # Still at work: what it will cost is not known yet.
        return replace(call, request_id=logged.request_id)
    cost = call.cost if logged.cost is None else nanos(logged.cost)
    currency = call.currency or logged.currency
    return replace(call, request_id=logged.request_id, charged=logged.charged, cost=cost, currency=currency)


def _truth(call: Call) -> str:
    if call.charged is Charged.YES:
        cost = "" if call.price is None else f" {call.price:.4g} {call.currency or 'USD'}"
        known = f"The server has charged{cost} for it."
    else:
        known = "Whether it was charged is not known."
    host = urlsplit(call.server).hostname or ""
    if call.request_id and f".{host}".endswith(".lumenfall.ai"):
        return f"{known} See {DASHBOARD}{call.request_id}"
    return known


def unresolved(call: Call) -> LumenfallError:
    """The error for ``call``, which is not sent again, and whose pictures never came."""
    when = datetime.fromtimestamp(call.sent_at).strftime("%Y-%m-%d %H:%M:%S")
    reason = f" ({call.error})" if call.error else ""
    return Unresolved(
        f"An equal request was sent at {when}, and no pictures of it came{reason}. Nothing was sent now.",
        hint=f"{_truth(call)} {ANOTHER}",
        request_id=call.request_id,
        charged=call.charged,
    )


def _unpriced(model: str) -> LumenfallError:
    return BudgetExceeded(
        f"A limit is set, but nobody knows the price of {model}.",
        code="PRICE_UNKNOWN",
        hint=f'Write your own figure into the settings file: {{"prices": {{"{model}": 0.04}}}}. Nothing was sent.',
    )
