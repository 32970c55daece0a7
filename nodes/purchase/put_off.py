"""Requests that the server put off, so that they were sent again, and charged all the same: each is a call of its own,
which keeps nothing from being sent, and which the ledger counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

from ..api import Client, Server
from ..errors import Charged, LumenfallError
from ..spend import Call, Journal, State
from . import background
from .outcome import judged

PATIENCE = 15.0
"""Seconds that asking the log may take."""


def enter_aside(server: Server, journal: Journal, call: Call) -> None:
    """Ask the server's log in the background what became of the requests that were put off before that of ``call``."""
    names = [name for name in call.facts.get("refused", ()) if name]
    if names and server.flavour.native:
        background.start(_enter(server, journal, call, names))


async def _enter(server: Server, journal: Journal, call: Call, names: Sequence[str]) -> None:
    with contextlib.suppress(LumenfallError):
        latest = await asyncio.to_thread(journal.get, call.id) or call
        async with Client(server, deadline=time.monotonic() + PATIENCE) as client:
            for name in dict.fromkeys(names):
                # What the log told of one of them may be taken for the call's own already.
                if name == latest.request_id:
                    continue
                found = await judged(client, _alone(latest, name))
                if found.state is not State.REFUSED:
                    await asyncio.to_thread(journal.settle, found)


def _alone(call: Call, request_id: str) -> Call:
    """The request of ``call`` that was put off under this id."""
    key = hashlib.sha256(f"{call.key} {call.id} {request_id}".encode()).hexdigest()
    return replace(
        call,
        key=key,
        id=key[:32],
        further_keys=(),
        state=State.LOST,
        charged=Charged.UNKNOWN,
        facts={"doubted": True, "given_up": call.sent_at},
        request_id=request_id,
        reserved=None,
        cost=None,
        currency=None,
        pictures=(),
        seconds=None,
        delivered_at=None,
        error="The server put it off, so that it was sent again.",
    )
