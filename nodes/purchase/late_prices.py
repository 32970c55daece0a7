"""What pictures have cost of which the answer named no cost, or none that is believed: the server's request log knows
it later, and is asked again after growing pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

from ..api import Client, Server
from ..errors import Charged, LumenfallError
from ..spend import Call, Journal, State
from . import background
from .order import Skipped, in_turn
from .outcome import look_up, tell_unread, with_log

PRICE_WITHIN = 7 * 24 * 3600.0
"""Seconds for which the log is asked."""

MOST_LOOKS = 10
"""How often it may tell no cost."""

FIRST_PAUSE = 2.0
"""Seconds; each further pause is four times as long, so that the last look comes after two days."""

PATIENCE = 15.0
"""Seconds that one look may take."""

MOST_AT_ONCE = 20
"""What is left over is for a later run, as nothing is lost by waiting."""


def looked_at(call: Call) -> float:
    """When the log was asked last, in vain."""
    return float(call.facts.get("looked_at", 0.0))


def is_due(call: Call) -> bool:
    """Whether nobody knows what the pictures of ``call`` have cost, and the log is to be asked now."""
    if call.state not in (State.DONE, State.CLEANED) or call.cost is not None or call.charged is Charged.NO:
        return False
    looks, now = _looks(call), time.time()
    pause = FIRST_PAUSE * 4 ** (looks - 1) if looks else 0.0
    # A clock that was ahead must not put it off for ever.
    is_paused = 0 <= now - looked_at(call) < pause
    return looks < MOST_LOOKS and not is_paused and call.sent_at >= now - PRICE_WITHIN


async def learn(client: Client, journal: Journal, call: Call) -> None:
    """Ask the log, and enter what it says; where it says nothing, when that was. Whoever calls holds the lock."""
    looks = _looks(call)
    facts = {**call.facts, "looked_at": time.time()}
    logged = None
    try:
        logged = await look_up(client, call)
        looks += 1
        priced = with_log(logged, call, is_priced=True, told_at=client.dated)
    except Exception as error:
        # That it could not be asked is no answer.
        tell_unread(error)
        priced = call
    if looks >= MOST_LOOKS and priced.cost is None and logged is not None and logged.is_given_away:
        priced = replace(priced, cost=0, currency=logged.currency or "USD", charged=Charged.NO)
    latest = await asyncio.to_thread(journal.get, call.id) or call
    costs = {name: getattr(priced, name) for name in ("cost", "currency", "charged", "request_id")}
    await asyncio.to_thread(journal.settle, replace(latest, facts={**latest.facts, **facts, "looks": looks}, **costs))


def _looks(call: Call) -> int:
    return int(call.facts.get("looks", 0))


_asking: set[str] = set()


def learn_aside(server: Server, journal: Journal, call: Call) -> None:
    """Do so in the background, as soon as nobody else holds the lock of ``call``, where that is due."""
    is_possible = server.flavour.native and call.id not in _asking and len(_asking) < MOST_AT_ONCE
    if is_possible and is_due(call) and journal.records.knows(call):
        _asking.add(call.id)
        background.start(_learn_in_turn(server, journal, call))


async def _learn_in_turn(server: Server, journal: Journal, call: Call) -> None:
    deadline = time.monotonic() + PATIENCE
    try:
        with contextlib.suppress(LumenfallError, Skipped):
            async with in_turn(journal, [call.key], lambda: time.monotonic() < deadline, lambda: None):
                latest = await asyncio.to_thread(journal.get, call.id)
                if latest is not None and is_due(latest):
                    async with Client(server, deadline=deadline) as client:
                        await learn(client, journal, latest)
    finally:
        _asking.discard(call.id)
