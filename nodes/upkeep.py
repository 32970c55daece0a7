"""Calls that nobody looks after any more, because their process was killed: brought home before their links expire,
and their cost into the ledger, whatever is run next.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from .api import Client, Server, spellings
from .errors import LumenfallError
from .receive import bring_home
from .resolution import UNRESOLVED, resolve
from .spend import Call, Journal, State

MAX_AGE = 24 * 3600.0
"""Seconds after which a call is left to those who ask for it."""

RESOLVE_WITHIN = 3600.0
"""Seconds for which the server's request log is asked again about a call of which it knew nothing."""


async def look_after(server: Server, journal: Journal) -> None:
    """Finish what can be finished of the calls to ``server``, free of charge. Failures are left for later."""
    with contextlib.suppress(LumenfallError):
        calls = await asyncio.to_thread(_neglected, journal, server.base_url)
        if calls:
            async with Client(server) as client:
                for call in calls:
                    await _finish(client, journal, call)


def _neglected(journal: Journal, server: str) -> list[Call]:
    journal.open()
    now = time.time()
    return [
        call
        for call in journal.unresolved(spellings(server), since=now - MAX_AGE)
        if call.state is not State.LOST or now - call.sent_at < RESOLVE_WITHIN
        # Pictures belong where they were ordered, should machines share the database but not the folder.
        if call.state in UNRESOLVED or journal.records.has(call)
    ]


async def _finish(client: Client, journal: Journal, found: Call) -> None:
    lock = await asyncio.to_thread(journal.lock, found.key)
    if not await asyncio.to_thread(lock.acquire):
        return  # its process lives
    try:
        call = await asyncio.to_thread(journal.find, found.id) or found
        if call.state in UNRESOLVED:
            call = await resolve(client, journal, call)
        if call.state in (State.ANSWERED, State.DOWNLOADED):
            with contextlib.suppress(LumenfallError):
                await bring_home(client, journal, call, replayed=True)
    finally:
        await asyncio.to_thread(lock.release)
