"""Whether an equal request that came before answers an order, keeps it from being sent, or leaves it to be bought."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..api import Client
from ..errors import DecoderFault, LumenfallError
from ..spend import Call, Journal, State
from .delivery import Delivery, can_fetch, fetch, is_new
from .order import Order
from .outcome import UNRESOLVED, is_given_up


def equal_call(
    journal: Journal, equal: Iterable[Call], order: Order, replay: bool, refused: Container[str] = ()
) -> Call | None:
    """That of the ``equal`` calls, the last one first, which answers ``order``, or keeps it from being sent; None where
    it is to be bought, as what the user has given up is. ``refused`` are the ids of those that are known to have cost
    nothing, be that entered or not. Blocks.
    """
    blocking = fetchable = None
    calls = [call for call in equal if order.is_answered_by(call) and call.id not in refused]
    for place, call in enumerate(calls):
        if call.state in UNRESOLVED:
            # What was bought anew after it speaks louder.
            blocking = call if place == 0 and not is_given_up(call) else blocking
        elif is_given_up(call) and not _is_whole(journal, call):
            continue
        elif not replay and (call.delivered_at or _is_spoilt(journal, call)):
            break
        elif call.state in (State.ANSWERED, State.DOWNLOADED) or is_here(journal, call):
            return call
        elif call.state is State.DONE and can_fetch(call):
            fetchable = fetchable or call
    return blocking or fetchable


def is_here(journal: Journal, call: Call) -> bool:
    """Whether there is a file of it, be it damaged."""
    return call.state is State.DONE and any(map(journal.files.is_there, call.pictures))


def _is_whole(journal: Journal, call: Call) -> bool:
    """Whether all of it came after all."""
    return call.state is State.DONE and bool(call.pictures) and all(map(journal.files.is_intact, call.pictures))


def _is_spoilt(journal: Journal, call: Call) -> bool:
    """Whether a picture of it was lost here, too long ago to be fetched again."""
    return call.state is State.DONE and not is_new(call) and not all(map(journal.files.is_intact, call.pictures))


async def pictures_of(client: Client, journal: Journal, call: Call) -> Delivery | None:
    """The pictures of ``call``, from the store or once more from the server; None where neither has any left, so that
    they are to be bought. What is damaged here is not bought again by itself: raises DownloadError.
    """
    try:
        return await fetch(client, journal, call, replayed=True)
    except LumenfallError as error:
        if isinstance(error, DecoderFault) or call.state is not State.DONE:
            raise
        if is_here(journal, call) or can_fetch(call, error):
            raise
        return None
