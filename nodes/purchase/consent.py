"""Sending again what may have been charged. Nothing does so by itself, but the user may say so: once, and knowingly."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from ..api import Client
from ..errors import InputError, StoreError
from ..spend import Call, Journal, State
from .outcome import UNRESOLVED, is_given_up, resolve
from .session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consent:
    """What the user has said by starting a run: what was sent ``before`` it (seconds since 1970) may be sent again. It
    covers nothing that the run ``run_id`` has sent itself, however often an equal request comes up in it.
    """

    run_id: str | None
    before: float

    def covers(self, call: Call) -> bool:
        return call.run_id != self.run_id and call.sent_at < self.before


def give_up(journal: Journal, call: Call) -> Call:
    """Enter that the user has given ``call`` up. What it cost, or may have cost, still counts. Never raises."""
    call = replace(call, facts={**call.facts, "given_up": time.time()})
    try:
        journal.settle(call)
    except Exception as error:
        # What follows it in the journal speaks louder in any case.
        log.warning("Call %s could not be given up (%s)", call.id, type(error).__name__)
    return call


async def release(session: Session, call_id: str) -> Call:
    """Give the call with this id up, unless the server turns out to know what became of it: what was never charged, or
    has come after all, keeps nothing from being sent. The call as it is now.

    Raises InputError with the code NOT_FOUND where there is none, and IN_THE_AIR where somebody waits for it still;
    StoreError where it cannot be entered.
    """
    journal = session.journal
    await asyncio.to_thread(journal.open)
    call = await _found(journal, call_id)
    lock = await asyncio.to_thread(journal.lock, call.key)
    if not await asyncio.to_thread(lock.acquire):
        raise InputError("This request, or an equal one, is still in the air.", code="IN_THE_AIR", hint="Wait for it.")
    try:
        # Whoever held the lock may have brought it further.
        call = await _found(journal, call_id)
        if call.state in UNRESOLVED:
            async with Client(session.server_of(call.server)) as client:
                call = await resolve(client, journal, call)
        if call.state is not State.LOST or is_given_up(call):
            return call
        await asyncio.to_thread(give_up, journal, call)
        call = await _found(journal, call_id)
        if not is_given_up(call):
            raise StoreError("The journal of paid calls cannot be written now.", hint="Nothing was changed; try again.")
        return call
    finally:
        await asyncio.to_thread(lock.release)


async def _found(journal: Journal, call_id: str) -> Call:
    call = await asyncio.to_thread(journal.find, call_id)
    if call is None or call.id != call_id:
        raise InputError(f"There is no call {call_id}.", code="NOT_FOUND")
    return call
