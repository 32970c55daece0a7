"""By what name several pictures of a form are sent: ``image[]`` at OpenAI and most others, ``image`` again and again at
servers whose forms are read by FastAPI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Charged
from ..settings import PictureField
from .client import Client, Next
from .exchange import Reply
from .refusals import error_for
from .requests import WireRequest
from .salvage import read_json

SEVERAL, REPEATED = "image[]", "image"


_takes_repeated: set[str] = set()
"""The servers that have asked for ``image`` again and again."""


async def send(
    client: Client,
    request: WireRequest,
    chosen: PictureField,
    wanted: Callable[[], bool],
    trace_id: str,
    put_off: Callable[[Reply], Awaitable[Next]],
) -> Reply:
    """The answer to a paid request, as :meth:`Client.send` gives it. What is refused with 422 for the name of its
    pictures alone, so that nothing was made, is sent once more under the other one.
    """
    server = client.server
    other = None if server.flavour.native or chosen == SEVERAL else repeated(request)
    if other and (chosen == REPEATED or server.base_url in _takes_repeated):
        return await client.send(other, wanted, trace_id, put_off)
    reply = await client.send(request, wanted, trace_id, put_off)
    if other is None or not misses_image(reply) or not wanted():
        return reply
    _takes_repeated.add(server.base_url)
    return await client.send(other, wanted, trace_id, put_off)


def repeated(request: WireRequest) -> WireRequest | None:
    """``request`` with its pictures as ``image``; None where it has not several."""
    files = request.content.get("files", ())
    if not any(name == SEVERAL for name, _ in files):
        return None
    renamed = [(REPEATED if name == SEVERAL else name, file) for name, file in files]
    return replace(request, content={**request.content, "files": renamed})


def misses_image(reply: Reply) -> bool:
    """Whether a server says that there was no ``image`` in the form, before it has begun with anything: a 422 of
    FastAPI, whose complaints name the field (fastapi.tiangolo.com, handling errors).
    """
    if reply.status != 422 or error_for(reply.status, reply.headers, reply.body).charged is not Charged.NO:
        return False
    try:
        content = read_json(reply.body)
    except (ValueError, RecursionError):
        return False
    complaints = content.get("detail") if isinstance(content, Mapping) else None
    return isinstance(complaints, list) and any(_is_about_image(complaint) for complaint in complaints)


def _is_about_image(complaint: Any) -> bool:
    place = complaint.get("loc") if isinstance(complaint, Mapping) else None
    return isinstance(place, list) and place[-1:] == [REPEATED]
