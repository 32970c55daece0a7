"""A call that the user gives up, so that an equal request may be sent."""

from __future__ import annotations

from typing import Any

from ..host import Host
from ..purchase.consent import release
from ..purchase.outcome import is_given_up
from ..purchase.session import Session
from .own_loop import aside


async def give_up(host: Host, call_id: str) -> dict[str, Any]:
    """What became of the call: ``state`` and ``charged``, and whether it is ``given_up``, which it is not where the
    server knew better. Raises LumenfallError.
    """
    call = await aside(lambda: release(Session(host), call_id))
    return {"id": call.id, "state": call.state.value, "charged": call.charged.value, "given_up": is_given_up(call)}
