"""Pictures that were paid for and never arrived: finished from disk, or from their links. Nothing is ordered here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

from ..api import LINK_EXPIRED, LINK_PRIVATE, LINK_REFUSED, Client, Meter, Server, spellings
from ..errors import Charged, InputError, LumenfallError, sentences
from ..host import Host, current, show_progress
from ..host.waiting import wait
from ..spend import Call, Journal, State, clock, newest, newest_uncertain
from . import background, late_prices
from .delivery import Delivery, can_fetch, fetch, is_new
from .order import in_turn
from .origin import HiddenInputs
from .outcome import UNRESOLVED, resolve, unresolved
from .plan import Results
from .receipts import hand_out_receipts
from .session import Session

NAMED = 5
"""How many calls an error offers."""


async def recover(name: str, hidden: HiddenInputs) -> Results:
    """The pictures of the call ``name`` (a request id, or 8 or more digits of a call id), free of charge; of the
    newest one that was paid for and not delivered yet, where ``name`` is empty. The call counts as delivered then.

    Raises Unresolved for a call that brought no pictures, with what the server's request log says about its cost;
    InputError where there is nothing to recover; DownloadError or AnswerError where the pictures cannot be had; the
    host's interruption on Stop.
    """
    host = current()
    recovery = _Recovery(host, name.strip())
    try:
        delivery = await wait(recovery.delivery(), host, lambda: recovery.status)
        await wait(recovery.mark_delivered(delivery), host, lambda: recovery.status)
    finally:
        recovery.wanted = False
    count = len(delivery.call.pictures)
    show_progress(host, f"{count} picture{'s' * (count != 1)} recovered")
    hand_out_receipts([delivery.call], hidden)
    return Results((delivery,))


class _Recovery:
    """``wanted`` ends when nobody waits any more; the pictures come to disk all the same."""

    def __init__(self, host: Host, name: str) -> None:
        self.wanted = True
        self.status = "looking for the pictures"
        self._name = name
        self._session = Session(host)
        self._journal = self._session.journal

    async def delivery(self) -> Delivery:
        """Run on the background's loop, and wait here."""
        return await background.run(self._run())

    async def _run(self) -> Delivery:
        earlier = await asyncio.to_thread(self._find)
        async with in_turn(self._journal, [earlier.key], lambda: self.wanted, self._tell_waiting):
            # Whoever held the lock may have brought it further.
            call = await asyncio.to_thread(self._journal.get, earlier.id) or earlier
            return await self._finish(call)

    async def mark_delivered(self, delivery: Delivery) -> None:
        """Note that somebody has the pictures."""
        await background.run(asyncio.to_thread(self._journal.mark_delivered, [delivery.call]))

    def _find(self) -> Call:
        # Enters what the database missed.
        self._journal.open()
        call = self._journal.find(self._name) if self._name else self._journal.undelivered()
        if call is not None:
            return call
        missing = f"No call has the id {self._name}." if self._name else "No paid picture waits to be recovered."
        raise _nothing(missing, sentences(self._offer_uncertain(), self._offer()))

    def _offer_uncertain(self) -> str:
        calls = newest_uncertain(self._journal, NAMED)
        named = "; ".join(map(_named, (call for call in reversed(calls) if call.state in UNRESOLVED)))
        return (
            f"What may have been charged: {named}. Recover one by its id: that asks the server again." if named else ""
        )

    def _offer(self) -> str:
        offered = "; ".join(map(_named, newest(self._journal, NAMED)))
        return f"The newest calls: {offered}" if offered else ""

    def _tell_waiting(self) -> None:
        self.status = "waiting for the call, which is in the air"

    async def _finish(self, call: Call) -> Delivery:
        if call.state in UNRESOLVED:
            call = await self._resolved(call)
        if call.state is State.LOST:
            # Sending it again is not for who recovers, but for who orders.
            error = unresolved(call)
            error.call = None
            raise error
        if call.state is State.REFUSED:
            raise _never_charged(call)
        if call.state is State.CLEANED:
            raise _nothing(f"The pictures of {clock(call.sent_at)} were removed from the store to make room.")
        is_here = any(map(self._journal.files.is_there, call.pictures))
        if call.state is not State.ANSWERED and not is_here and not can_fetch(call):
            raise _nothing(f"The files of the pictures of {clock(call.sent_at)} are gone from the store.")
        self.status = "fetching the pictures"
        # Downloads take no key, so none is needed.
        async with Client(Server(call.server)) as client:
            return await fetch(client, self._journal, call, replayed=True)

    async def _resolved(self, call: Call) -> Call:
        self.status = "asking the server what became of it"
        async with Client(self._session.server_of(call.server)) as client:
            return await resolve(client, self._journal, call)


def _named(call: Call) -> str:
    return f"{call.request_id or call.id[:8]} ({clock(call.sent_at)}, {call.model})"


def _never_charged(call: Call) -> LumenfallError:
    reason = f" ({call.error})" if call.error else ""
    return InputError(
        f"The request of {clock(call.sent_at)} brought no pictures{reason}, and nothing was charged for it.",
        code="NOTHING_TO_RECOVER",
        hint="It may be sent again: run its workflow.",
        request_id=call.request_id,
        charged=Charged.NO,
    )


def _nothing(message: str, hint: str = "") -> InputError:
    return InputError(message, code="NOTHING_TO_RECOVER", hint=hint)


MAX_AGE = 24 * 3600.0
"""Seconds after which pictures are left to those who ask for them."""

RESOLVE_WITHIN = 7 * 24 * 3600.0
"""Seconds for which the server's request log is asked again about a call of which it knew nothing: at each run at
first, and then after pauses that grow with its age.
"""

PAUSES_AFTER = 3600.0

LONGEST_PAUSE = 12 * 3600.0

PATIENCE = 15.0
"""Seconds that a run spends on the calls of earlier ones; so much longer does a process live for them at most."""

MOST_CALLS = 20
"""How many it takes up, and as many more as the log settles: a storm of 429 must not use up the limits. What is left
over is for a later run, as nothing is lost by waiting.
"""

AT_ONCE = 4


async def look_after(server: Server, journal: Journal) -> bool:
    """Finish what can be finished of the calls to ``server``, free of charge and in measure. Failures are left for
    later. Whether the log settled anything, so that less may count against limits.
    """
    deadline = time.monotonic() + PATIENCE
    settled = 0
    with contextlib.suppress(LumenfallError):
        calls = await asyncio.to_thread(_neglected, journal, server)
        left = enumerate(calls)

        async def work() -> None:
            nonlocal settled
            async with Client(server, deadline=deadline) as client:
                while time.monotonic() < deadline:
                    number, call = next(left, (0, None))
                    if call is None or number - settled >= MOST_CALLS:
                        return
                    is_settled = await _finish(client, journal, call)
                    settled += is_settled  # read only now, as the others count meanwhile

        workers = [work() for _ in range(min(AT_ONCE, len(calls)))]
        for outcome in await asyncio.gather(*workers, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
    return settled > 0


def _neglected(journal: Journal, server: Server) -> list[Call]:
    """Those that were not looked up for longest first, and of these the newest."""
    journal.open()
    now, names = time.time(), spellings(server.base_url)
    calls = [
        call
        for call in journal.unresolved(names, since=now - RESOLVE_WITHIN)
        # Pictures belong where they were ordered, should machines share the database but not the folder.
        if (_is_due(call) if call.state in UNRESOLVED else call.sent_at >= now - MAX_AGE and journal.records.has(call))
    ]
    if server.flavour.native:
        unpriced = journal.unpriced(names, since=now - late_prices.PRICE_WITHIN)
        calls += [call for call in unpriced if late_prices.is_due(call) and journal.records.knows(call)]
    return sorted(calls, key=lambda call: (late_prices.looked_at(call), -call.sent_at))


def _is_due(call: Call) -> bool:
    """Whether the log is to be asked now what became of it."""
    now, looked_at = time.time(), late_prices.looked_at(call)
    # When somebody last wanted to know.
    asked_at = max(call.sent_at, float(call.facts.get("given_up", 0.0)))
    pause = min(looked_at - asked_at, LONGEST_PAUSE)
    # A clock that was ahead must not put it off for ever.
    return now - asked_at < PAUSES_AFTER or not 0 <= now - looked_at < pause


async def _finish(client: Client, journal: Journal, earlier: Call) -> bool:
    """Whether the log settled whether ``earlier`` was charged, or that it counts against no limit for now."""
    lock = await asyncio.to_thread(journal.lock, earlier.key)
    if not await asyncio.to_thread(lock.acquire):
        return False  # its process lives
    try:
        before = call = await asyncio.to_thread(journal.get, earlier.id) or earlier
        if call.state in UNRESOLVED:
            # Whoever asks for it reads its answer once more.
            has_read = "unreadable" in call.facts
            call = replace(call, facts={**call.facts, "looked_at": time.time()})
            call = await resolve(client, journal, call, has_read=has_read)
        is_settled = (call.charged, call.reserved) != (before.charged, before.reserved)
        if call.state in (State.ANSWERED, State.DOWNLOADED):
            await _fetch_unasked(client, journal, call)
        elif late_prices.is_due(call):
            await late_prices.learn(client, journal, call)
    finally:
        await asyncio.to_thread(lock.release)
    return is_settled


MOST_TRIES = 3
MOST_BYTES = 512 * 2**20
"""What is spent at most on the pictures of one call while nobody asks for them: twice the largest file."""


async def _fetch_unasked(client: Client, journal: Journal, call: Call) -> None:
    """Bring what can be had of ``call``, as long as it is worth the effort. The effort is in the journal beforehand: it
    may be the last thing that this process does.
    """
    effort = call.facts.get("unasked", {})
    tries, size = int(effort.get("tries", 0)), int(effort.get("bytes", 0))
    if tries >= MOST_TRIES or size >= MOST_BYTES:
        return
    call = _with_effort(call, tries + 1, size)
    await asyncio.to_thread(journal.settle, call)
    client.meter = Meter(MOST_BYTES - size)
    final, began = False, time.monotonic()
    try:
        await fetch(client, journal, call, replayed=True, patient=lambda: False)
    except LumenfallError as error:
        final = error.code in (LINK_EXPIRED, LINK_PRIVATE) or (error.code == LINK_REFUSED and not is_new(call))
    latest = await asyncio.to_thread(journal.get, call.id)
    if latest is not None and latest.state in (State.ANSWERED, State.DOWNLOADED):
        # Where the server was out of reach, nothing was tried; but one that keeps everybody waiting was.
        is_slow = time.monotonic() - began > PATIENCE / 3
        tries = MOST_TRIES if final else tries + (is_slow or client.meter.count > 0)
        await asyncio.to_thread(journal.settle, _with_effort(latest, tries, size + client.meter.count))


def _with_effort(call: Call, tries: int, size: int) -> Call:
    return replace(call, facts={**call.facts, "unasked": {"tries": tries, "bytes": size}})
