"""What a request would cost, before it is sent."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import Charged, LumenfallError, ServerFault
from . import Client, ImageRequest, Model, WireRequest, is_loopback, pictures_asked

MAX_AGE = 600.0
"""Seconds for which a dry run is believed."""


@dataclass(frozen=True)
class Price:
    """What a request would cost, in ``currency``. ``source`` says how far to trust it."""

    amount: float
    currency: str
    source: Literal["dry run", "your figure", "list price"]
    is_stand_in: bool = False
    """Whether it stands in for a dry run that failed. A list price is where prices start: it may be dearer then."""


async def price(
    client: Client,
    request: ImageRequest,
    wire: WireRequest,
    model: Model,
    figures: Mapping[str, float],
    *,
    by_dry_run: bool = True,
) -> Price | None:
    """The price of ``request``: by dry run where the server has one, and where it may be sent one, else the user's own
    figure for the model, else the list price; None where nobody knows.

    Raises ApiError where the dry run says that the request would be refused, and DryRunCharged where it was taken for
    the order itself.
    """
    has_dry_run = client.server.flavour.native
    if has_dry_run and by_dry_run:
        try:
            found = await _dry_run(client, request, wire)
            if found is not None:
                return found
        except ServerFault:
            pass
        except LumenfallError as error:
            if error.status is not None or error.charged is not Charged.NO:
                raise
    count = pictures_asked(request.parameters)
    figure = figures.get(request.model)
    if figure is not None:
        return Price(figure * count, "USD", "your figure", has_dry_run)
    return None if model.price is None else Price(model.price * count, "USD", "list price", has_dry_run)


async def _is_trusted(client: Client) -> bool:
    """A server on this machine may be anybody's, and would make and bill the pictures of a dry run that it does not
    know: it has to answer for the balance each time, as only Lumenfall's does.
    """
    if is_loopback(client.server.base_url):
        try:
            await client.balance()
        except LumenfallError:
            return False
    return True


async def _dry_run(client: Client, request: ImageRequest, wire: WireRequest) -> Price | None:
    name = _name(client, request)
    known = _known.get(name)
    if known and time.monotonic() - known[0] < MAX_AGE:
        return known[1]
    if not await _is_trusted(client):
        return None
    answer = await client.dry_run(wire)
    found = Price(answer.cost, answer.currency, "dry run")
    now = time.monotonic()
    for old in [name for name, (at, _) in _known.items() if now - at > MAX_AGE]:
        del _known[old]
    _known[name] = (now, found)
    return found


# Plain values, bound to no event loop.
_known: dict[str, tuple[float, Price]] = {}


def _name(client: Client, request: ImageRequest) -> str:
    """Equal for requests that cost the same: the take does not count, the pictures' sizes and the prompt's do."""
    sizes = [image[16:24].hex() for image in request.images]  # width and height in a PNG's header
    words = len(request.prompt or "") // 500  # some models charge by the token
    content: list[Any] = [client.server.base_url, request.endpoint, request.model, words, sizes]
    content.append(dict(request.parameters))
    return hashlib.sha256(json.dumps([*content, request.mask is not None], sort_keys=True).encode()).hexdigest()
