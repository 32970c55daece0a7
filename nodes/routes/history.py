"""The history of calls: what runs, what was made, one picture of it, and the node that asked."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from PIL import Image

from ..errors import InputError, LumenfallError
from ..host import Host
from ..purchase.outcome import UNRESOLVED, is_given_up, page_of
from ..purchase.session import Session
from ..spend import Call, Journal, State, in_the_air, newest, waited_for

VECTOR = ".svg"
"""Of what is a picture to the nodes, and could act in a browser."""

MAX_PAGE = 100
MAX_SIDE = 2048
MAX_WORDS = 20

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
}
"""What is handed to a browser. The store may also hold what came in a picture's place, such as a proxy's page."""


async def history(host: Host, before: str | None, limit: int, search: str = "") -> dict[str, Any]:
    """The ``limit`` newest calls, of those older than the call with the id ``before`` where it is given, and of those
    that hold each word of ``search``; those in the air come in ``running`` instead, all of them each time, and say
    whether Stop reaches the run that waits for them. Raises LumenfallError.
    """
    return await asyncio.to_thread(_history, host, before, min(limit, MAX_PAGE), search.split()[:MAX_WORDS])


def _history(host: Host, before: str | None, limit: int, words: list[str]) -> dict[str, Any]:
    journal = Session(host).journal
    running, runs = in_the_air(journal), host.running_ids()
    ids = {call.id for call in running}
    found = [call for call in newest(journal, limit + 1 + len(running), before, words) if call.id not in ids]
    # Calls leave and come back between the questions.
    started = waited_for(journal, found)
    running += started
    ended = [call for call in found if call not in started]
    found = [(journal.get(call.id) or call) if call.state is State.SENT else call for call in ended]
    return {
        "running": [{**_described(journal, call), "stoppable": call.run_id in runs} for call in running],
        "calls": [_described(journal, call) for call in found[:limit]],
        "more": len(found) > limit,
    }


async def picture(host: Host, call_id: str, number: int, side: int | None) -> tuple[bytes, str]:
    """A picture of the store and its media type: the file as it came, or a thumbnail of at most ``side`` pixels.

    Raises InputError with the code NOT_FOUND where there is none.
    """
    return await asyncio.to_thread(_picture, host, call_id, number, side)


def _picture(host: Host, call_id: str, number: int, side: int | None) -> tuple[bytes, str]:
    journal = Session(host).journal
    stored = _found(journal, call_id).picture(number)
    media_type = None if stored is None else MEDIA_TYPES.get(stored.extension)
    if stored is None or media_type is None:
        raise _missing(f"Call {call_id} has no picture {number}.")
    try:
        content = journal.files.get(stored)
        return (content, media_type) if side is None else (_thumbnail(content, side), "image/webp")
    except Exception as error:  # Pillow's readers raise whatever comes to their minds
        raise _missing(f"Picture {number} of call {call_id} cannot be read ({type(error).__name__}).") from None


def _thumbnail(content: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        opened.draft("RGB", (side, side))
        has_alpha = opened.has_transparency_data
        # Pillow does not resize 16 bits a pixel, nor scale them down by itself.
        is_deep = opened.mode.startswith("I")
        picture = opened.convert("I").point(lambda level: level / 257).convert("L") if is_deep else opened
        picture.thumbnail((side, side))
        small = picture.convert("RGBA" if has_alpha else "RGB")
    written = io.BytesIO()
    small.save(written, "WEBP", quality=85)
    return written.getvalue()


async def graph(host: Host, call_id: str) -> dict[str, Any]:
    """The node that asked, and those that lead to it, as they ran. Raises InputError where that was not kept."""
    return await asyncio.to_thread(_graph, host, call_id)


def _graph(host: Host, call_id: str) -> dict[str, Any]:
    journal = Session(host).journal
    kept = _found(journal, call_id).graph
    if not kept:
        raise _missing(f"The node of call {call_id} was not kept.")
    return {"node": kept["node"], "graph": kept["nodes"]}


def _found(journal: Journal, call_id: str) -> Call:
    call = journal.get(call_id)
    if call is None or call.id != call_id:
        raise _missing(f"There is no call {call_id}.")
    return call


def _missing(message: str) -> LumenfallError:
    return InputError(message, code="NOT_FOUND")


def _can_send_again(journal: Journal, call: Call) -> bool:
    """Whether the user may give it up, so that an equal request is sent: it was, or may have been, charged, and not all
    of it is here. Whether it can still be had is seen then.
    """
    if is_given_up(call) or call.state in (State.REFUSED, State.CLEANED):
        return False
    return call.state is not State.DONE or not all(map(journal.files.has, call.pictures))


def _described(journal: Journal, call: Call) -> dict[str, Any]:
    there = [stored for stored in call.pictures if journal.files.has(stored)]
    kept = [stored for stored in there if stored.extension in MEDIA_TYPES]
    is_here = any(stored.extension in (*MEDIA_TYPES, VECTOR) for stored in there)
    return {
        "id": call.id,
        "request_id": call.request_id,
        "model": call.model,
        "executed_model": call.executed_model,
        "provider": call.provider,
        "cost": call.cost_in_units,
        "approximate": call.is_approximate,
        "currency": call.currency or "USD",
        "sent_at": call.sent_at,
        "seconds": call.seconds,
        "state": call.state.value,
        "charged": call.charged.value,
        "given_up": is_given_up(call),
        "blocking": call.state in UNRESOLVED and not is_given_up(call),
        "can_send_again": _can_send_again(journal, call),
        "delivered": call.delivered_at is not None,
        "node_title": call.node_title,
        "workflow": call.workflow,
        "run_id": call.run_id,
        "prompt": call.parameters.get("prompt"),
        "error": call.error,
        "link": page_of(call.server, call.request_id),
        "pictures": [{"number": stored.number, "extension": stored.extension} for stored in kept],
        "has_graph": bool(call.graph),
        "recoverable": is_here or call.state in (State.ANSWERED, State.DOWNLOADED),
    }
