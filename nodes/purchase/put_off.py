"""Requests that the server put off, so that they were sent again. It may have charged them all the same: each is a call
of its own, which keeps nothing from being sent, and counts against limits until the server's request log could be
asked; what the log does not tell at once it may tell a later run (recovery).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..api import Client, Reply, Server, request_id
from ..errors import Charged, LumenfallError, sentences
from ..spend import Call, Journal, KeyLock, State
from . import background
from .outcome import resolve, trace_of

PATIENCE = 15.0
"""Seconds that asking the log may take."""


class PutOffs:
    """The requests for one call that were put off."""

    def __init__(self, server: Server, journal: Journal, call: Call, lock: KeyLock) -> None:
        self.call = call
        """As it was sent last."""
        self._lock = lock
        self._server = server
        self._journal = journal
        self._calls: list[Call] = []

    async def enter(self, reply: Reply) -> Callable[[], Awaitable[str | None]]:
        """Enter that ``reply`` put off what was sent last, be it only for who finds it after this process was killed in
        the pause. What is called when that is over: it gives the trace id of what may be sent now, which is to be found
        by itself; None where that cannot be written down: the request log could not be understood any more; or where
        the lock has fallen, so that somebody else may have sent an equal one meanwhile.
        """
        name = request_id(reply.headers)
        facts = {**self.call.facts, **_doubts(reply)}
        put_off = replace(self.call, facts=facts, request_id=None if name in self._refused else name)
        await asyncio.to_thread(self._journal.settle, put_off)
        return partial(self._go_on, put_off, name)

    @property
    def _refused(self) -> Sequence[str | None]:
        return tuple(self.call.facts.get("refused", ()))

    async def _go_on(self, put_off: Call, name: str | None) -> str | None:
        if not await asyncio.to_thread(self._lock.is_held):
            return None
        facts = {**self.call.facts, "refused": [*self._refused, name], "trace": uuid.uuid4().hex}
        again = replace(self.call, facts=facts)
        if await asyncio.to_thread(self._journal.settle, again):
            return None
        if self._server.flavour.native:
            aside = _aside(put_off)
            if await asyncio.to_thread(self._journal.settle, aside):
                return None
            self._calls.append(aside)
        self.call = again
        return trace_of(again)

    def ask_aside(self) -> None:
        """Ask the server's log in the background what became of them."""
        if self._calls:
            background.start(self._ask())

    async def told(self, error: LumenfallError) -> LumenfallError:
        """``error``, which the call ended with, and what the server's log says of those that were put off before."""
        if error.charged is Charged.YES:
            self.ask_aside()
            return error
        if self._calls:
            await self._ask()
        outcomes = {call.charged for call in self._calls}
        if Charged.YES in outcomes:
            hint = "The server has charged for a request before it, which it had put off."
            return error.replaced(hint=sentences(error.hint, hint), charged=Charged.YES)
        if Charged.UNKNOWN in outcomes and error.charged is Charged.NO:
            hint = (
                "Whether a request before it was charged, which the server had put off, is not known yet: its request "
                "log is asked again later."
            )
            return error.replaced(hint=sentences(error.hint, hint), charged=Charged.UNKNOWN)
        return error

    async def _ask(self) -> None:
        with contextlib.suppress(LumenfallError):
            async with Client(self._server, deadline=time.monotonic() + PATIENCE) as client:
                asking = (resolve(client, self._journal, call, has_read=True) for call in self._calls)
                self._calls = list(await asyncio.gather(*asking))


def _doubts(reply: Reply) -> dict[str, Any]:
    """Facts of what was put off by ``reply``."""
    return {"doubted": True, "put_off": True, **({} if reply.dated is None else {"dated": reply.dated})}


def _aside(put_off: Call) -> Call:
    """What was sent last, as a call of its own."""
    trace = trace_of(put_off)
    key = hashlib.sha256(f"{put_off.key} {put_off.id} {trace}".encode()).hexdigest()
    kept = {name: put_off.facts[name] for name in ("doubted", "put_off", "dated") if name in put_off.facts}
    return replace(
        put_off,
        key=key,
        id=key[:32],
        further_keys=(),
        state=State.LOST,
        charged=Charged.UNKNOWN,
        facts={**kept, "trace": trace, "given_up": put_off.sent_at},
        error="The server put it off, so that it was sent again.",
    )
