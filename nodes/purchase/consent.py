"""Sending again what may have been charged. Nothing does so by itself, but the user may say so: once, and knowingly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..api import Client
from ..errors import InputError, LumenfallError, StoreError
from ..host import Host, Place
from ..host.forking import in_child
from ..settings import Settings
from ..spend import Call, Journal, State
from .delivery import fetch
from .origin import run_of, start_of
from .outcome import UNRESOLVED, is_given_up, resolve
from .replay import is_here
from .session import Session, session_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consent:
    """What the user has said by starting a run: what was sent before it may be sent again. ``latest`` is the id of the
    last call that was entered then: the journal has one order for all, whatever their clocks say. It covers nothing
    that the run ``run_id`` has sent itself, however often an equal request comes up in it.
    """

    run_id: str
    latest: str | None

    def covers(self, journal: Journal, call: Call) -> bool:
        """Blocks. Raises StoreError."""
        return call.run_id != self.run_id and self.latest is not None and journal.is_as_old(call.id, self.latest)


MAX_KNOWN_RUNS = 1000

_latest: dict[str, str | None] = {}
"""By what was started, as it was when that was first heard of."""
_beginning = threading.Lock()


@in_child
def _begin_in_child() -> None:
    global _beginning
    _beginning = threading.Lock()


def consent(journal: Journal, place: Place) -> Consent:
    """That of who started the run. Blocks. Raises StoreError."""
    start = start_of(place)
    with _beginning:
        if start not in _latest:
            journal.open()
            _latest[start] = journal.latest()
        while len(_latest) > MAX_KNOWN_RUNS:
            del _latest[next(iter(_latest))]
        return Consent(run_of(place), _latest[start])


def is_given(place: Place, settings: Settings) -> bool:
    """Whether the user has said so: who switches replay off wants equal inputs to be bought again."""
    return place.sends_again or not settings.replay


def begin(host: Host) -> None:
    """A run begins; where a host does not say when, it begins with its first paid node. Blocks. Never raises: what is
    wrong here is told by the node that needs it.
    """
    with contextlib.suppress(LumenfallError):
        session, place = session_of(host), host.place()
        if is_given(place, session.settings):
            consent(session.journal, place)


def give_up_bought(journal: Journal, call: Call, keys: Iterable[str]) -> None:
    """Give ``call`` up where an equal request, by any of ``keys``, that was sent after it has brought something. One
    that has not may turn out to have cost nothing, and then ``call`` keeps equal ones from being sent as before.
    Blocks. Never raises.
    """
    with contextlib.suppress(StoreError):
        latest = next(iter(journal.equal(*keys)), call)
        if latest.id != call.id and latest.state not in UNRESOLVED:
            give_up(journal, call)


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
    comes after all, keeps nothing from being sent. The call as it is now.

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
        async with Client(session.server_of(call.server)) as client:
            if call.state in UNRESOLVED:
                call = await resolve(client, journal, call)
            is_gone = call.state is State.DONE and not is_here(journal, call)
            if call.state is State.REFUSED or is_gone or is_given_up(call):
                return call
            if call.state is not State.LOST and await _has_come(client, journal, call):
                return await _found(journal, call_id)
        await asyncio.to_thread(give_up, journal, call)
        call = await _found(journal, call_id)
        if not is_given_up(call):
            raise StoreError("The journal of paid calls cannot be written now.", hint="Nothing was changed; try again.")
        return call
    finally:
        await asyncio.to_thread(lock.release)


async def _has_come(client: Client, journal: Journal, call: Call) -> bool:
    """Whether the pictures of ``call`` are here, or may still be had. Raises LumenfallError of what keeps them away."""
    try:
        delivery = await fetch(client, journal, call, replayed=True, patient=lambda: False)
    except LumenfallError as error:
        if error.call != call.id:
            raise
        return False
    return not delivery.is_short


async def _found(journal: Journal, call_id: str) -> Call:
    call = await asyncio.to_thread(journal.get, call_id)
    if call is None or call.id != call_id:
        raise InputError(f"There is no call {call_id}.", code="NOT_FOUND")
    return call
