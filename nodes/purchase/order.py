"""An order: a request, as it will be sent, and the keys by which an equal one is found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..api import (
    OPENAI,
    Endpoint,
    ImageRequest,
    Model,
    Question,
    Server,
    WireRequest,
    bundled,
    canonical,
    form,
    spellings,
    write,
)
from ..pixels import fingerprint
from ..spend import Call, Journal, former_key, request_key
from .plan import Plan


@dataclass(frozen=True)
class Order:
    """``key`` is that of what the user asked, ``former`` are those that earlier versions of this pack may have given
    it. ``aliases`` are the keys of the same under the model's other ``names``, those of earlier versions among them.
    """

    request: ImageRequest
    wire: WireRequest
    key: str
    former: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    turn: tuple[str, ...] = ()
    """The keys under which an equal order may be on its way now."""

    @property
    def keys(self) -> frozenset[str]:
        """All by which an equal call may be found."""
        return self.former | self.aliases | {self.key}

    def is_answered_by(self, call: Call) -> bool:
        """Whether ``call``, found by one of the keys, asked for the same. An alias may have meant another model then,
        or be two models' today: what the server says that it ran decides.
        """
        if call.key == self.key or call.key in self.former or call.executed_model is None:
            return True
        return call.executed_model.rpartition("/")[2] in self.names


def orders_of(plan: Plan, server: Server, model: Model) -> list[Order]:
    """The requests of ``plan`` written for ``server``. Slow for large pictures. Raises InputError."""
    may_shrink = plan.terms.too_large == "scale down"
    return [order(replace(request, may_shrink=may_shrink), server, model) for request in plan.requests(model)]


def order(request: ImageRequest, server: Server, model: Model) -> Order:
    """``request`` written for ``server``. Slow for large pictures. Raises InputError."""
    wire = write(request, server.flavour, takes_seed=model.takes("seed"), accepts=model.accepts)
    pictures = [fingerprint(image) for image in request.images]
    mask = None if request.mask is None else fingerprint(request.mask)
    sent = Question(
        operation=request.endpoint,
        prompt=request.prompt,
        parameters=request.parameters,
        pictures=pictures,
        mask=mask,
    )
    question: Question = {**sent, **request.asked}
    shipped = bundled().find(request.model)
    others = dict.fromkeys(
        [*model.other_names(request.model), *(shipped.other_names(request.model) if shipped else ())]
    )
    key, *aliases = (
        request_key(server=canonical(server.base_url), model=name, seed=request.seed, **question)
        for name in (request.model, *others)
    )
    ways: list[_Way] = [(request.endpoint, request.prompt, pictures)]
    if request.otherwise:
        endpoint, prompt, picture = request.otherwise
        ways.append((endpoint, prompt, [picture]))
    former = {name: frozenset(_former_keys(request, server, name, ways, mask)) for name in (request.model, *others)}
    return Order(
        request,
        wire,
        key,
        former.pop(request.model),
        frozenset(aliases).union(*former.values()),
        frozenset(name.rpartition("/")[2] for name in (model.id, request.model, *others)),
        (key, *aliases),
    )


_Way = tuple[Endpoint, str | None, Sequence[str]]
"""Endpoint, prompt and digests of pictures."""

# What version 0.1 let through to OpenAI and to /images/variations; the rest was in no key.
_OPENAI_FIELDS = frozenset(
    {"n", "size", "quality", "background", "moderation", "output_format", "output_compression", "input_fidelity"}
)
_VARIATION_FIELDS = frozenset({"n", "size", "response_format"})


def _former_keys(
    request: ImageRequest, server: Server, name: str, ways: Sequence[_Way], mask: str | None
) -> Iterator[str]:
    """Version 0.1 hashed what it sent. So the spelling of the address, the way back for the picture, and whether the
    list of models could be had when it was sent, all counted.
    """
    returns: tuple[Mapping[str, Any], ...] = ({}, {"response_format": "url"}, {"response_format": "b64_json"})
    seeds: tuple[Mapping[str, Any], ...] = ({"seed": request.seed}, {})
    for (endpoint, prompt, pictures), address, back, seed in product(ways, spellings(server.base_url), returns, seeds):
        fields = _OPENAI_FIELDS if server.flavour is OPENAI else None
        if endpoint == "variations":
            fields = _VARIATION_FIELDS
        body = {"model": name, **({"prompt": prompt} if prompt else {})}
        parameters = {**seed, **request.parameters, **back}
        body.update({field: value for field, value in parameters.items() if fields is None or field in fields})
        written = body if endpoint == "generations" else form(body)
        yield former_key(address, f"images/{endpoint}", written, request.seed, pictures, mask)


class Skipped(Exception):
    """Nobody wanted the pictures any more before the request was sent."""


@contextlib.asynccontextmanager
async def in_turn(
    journal: Journal, keys: Sequence[str], wanted: Callable[[], bool], on_wait: Callable[[], None]
) -> AsyncIterator[None]:
    """Hold the lock of ``keys``, after waiting for whoever has it. Raises Skipped once it is not wanted any more."""
    lock = await asyncio.to_thread(journal.lock, *keys)
    while not await asyncio.to_thread(lock.acquire):
        if not wanted():
            raise Skipped
        on_wait()
        await asyncio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        await asyncio.to_thread(lock.release)


POLL_SECONDS = 0.1
"""How often an equal request in the air is looked at."""
