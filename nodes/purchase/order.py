"""An order: a request, as it will be sent, and the keys by which an equal one is found."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..api import (
    OPENAI,
    Endpoint,
    ImageRequest,
    Model,
    ModelList,
    Question,
    Server,
    WireRequest,
    bundled,
    canonical,
    ended,
    form_fields,
    formerly_canonical,
    makes_vectors,
    spellings,
    write_request,
)
from ..pixels import fingerprint, on_every_core
from ..spend import Call, Journal, KeyLock, former_keys, request_key
from .plan import Plan

log = logging.getLogger(__name__)


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
    rivals: frozenset[str] = frozenset()
    """Names of the other models that are known."""
    turn: tuple[str, ...] = ()
    """The keys under which an equal order may be on its way now."""

    @property
    def keys(self) -> frozenset[str]:
        """All by which an equal call may be found."""
        return self.former | self.aliases | {self.key}

    def is_answered_by(self, call: Call) -> bool:
        """Whether ``call``, found by one of the keys, asked for the same. An alias may have meant another model then,
        or be two models' today: so it is where the server says that it ran another model that is known. A provider's
        name for a model, or a fixed version of it, is no other model.
        """
        if call.key == self.key or call.key in self.former or call.executed_model is None:
            return True
        parts = call.executed_model.split("/")
        ran = {"/".join(parts[start:]) for start in range(len(parts))}
        ran |= {_DATE.sub("", name) for name in ran}
        return not ran.isdisjoint(self.names) or ran.isdisjoint(self.rivals)


# Of a fixed version: -2026-04-21 or -20260421.
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


def orders_of(plan: Plan, server: Server, model: Model, models: ModelList | None = None) -> list[Order]:
    """The requests of ``plan`` written for ``server``, whose list is ``models``. Slow for large pictures. Raises
    InputError.
    """
    may_shrink = plan.terms.too_large == "scale down"
    requests = (replace(request, may_shrink=may_shrink) for request in plan.requests(model))
    return list(on_every_core(lambda request: order(request, server, model, models), requests))


def order(typed: ImageRequest, server: Server, model: Model, models: ModelList | None = None) -> Order:
    """``typed`` written for ``server``, whose list is ``models``. Slow for large pictures. Raises InputError."""
    if typed.markup is not None:
        typed = replace(typed, question={**typed.question, "markup": fingerprint(typed.markup)})
    request = _respelled(typed, one_spelling)
    wire = write_request(
        request,
        server.flavour,
        takes_seed=model.takes("seed"),
        accepts=model.accepts,
        makes_vectors=makes_vectors(model.id, *model.aliases),
        takes_markup=model.takes("markup"),
    )
    pictures = [fingerprint(image) for image in request.images]
    mask = None if request.mask is None else fingerprint(request.mask)
    shipped = bundled().find(request.model)
    others = dict.fromkeys(
        [*model.other_names(request.model), *(shipped.other_names(request.model) if shipped else ())]
    )
    slugs = (request.model, *others)
    key, *aliases = (_key(request, canonical(server.base_url), slug, pictures, mask) for slug in slugs)
    former = {slug: frozenset(_former_keys(typed, server, slug, pictures, mask)) for slug in slugs}
    names = frozenset(slug.rpartition("/")[2] for slug in (model.id, *slugs))
    return Order(
        request,
        wire,
        key,
        former.pop(request.model),
        frozenset(aliases).union(*former.values()),
        names.union(model.snapshots, shipped.snapshots if shipped else ()),
        frozenset(_rivals(names, models)),
        (key, *aliases),
    )


def _rivals(names: frozenset[str], models: ModelList | None) -> Iterator[str]:
    for known in filter(None, (models, bundled(), ended())):
        for model in known.models:
            if names.isdisjoint((model.id, *model.aliases)):
                yield from (model.id, *model.aliases, *model.snapshots)


def _key(request: ImageRequest, server: str, slug: str, pictures: Sequence[str], mask: str | None) -> str:
    sent = Question(
        operation=request.endpoint,
        prompt=request.prompt,
        parameters=request.parameters,
        pictures=pictures,
        mask=mask,
    )
    question: Question = {**sent, **request.question}
    return request_key(server=server, model=slug, seed=request.seed, **question)


def one_spelling(text: str) -> str:
    """``text`` with one kind of line end, and no byte order mark: nobody sees the difference."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff \t\n")


def _respelled(request: ImageRequest, spell: Callable[[str], str]) -> ImageRequest:
    question = request.question
    text = question.get("prompt")
    if text:
        question = {**question, "prompt": spell(text)}
    return replace(request, prompt=request.prompt and spell(request.prompt), question=question)


def _former_keys(
    typed: ImageRequest, server: Server, slug: str, pictures: Sequence[str], mask: str | None
) -> Iterator[str]:
    """The prompt was hashed as it was typed, and the path of the address as it was written."""
    spelled = one_spelling(typed.prompt or ""), one_spelling(typed.question.get("prompt") or "")
    requests = [typed]
    if spelled != (typed.prompt or "", typed.question.get("prompt") or ""):
        requests.append(_respelled(typed, one_spelling))
    if any("\n" in text for text in spelled):
        requests.append(_respelled(typed, lambda text: one_spelling(text).replace("\n", "\r\n")))
    for request in requests:
        yield _key(request, formerly_canonical(server.base_url), slug, pictures, mask)
        if request != typed:
            yield _key(request, canonical(server.base_url), slug, pictures, mask)
        if request.markup is None:  # which version 0.1 did not have
            yield from _keys_of_0_1(request, server, slug, pictures, mask)


_Way = tuple[Endpoint, str | None, Sequence[str]]
"""Endpoint, prompt and digests of pictures."""

# What version 0.1 let through to OpenAI and to /images/variations; the rest was in no key.
_OPENAI_FIELDS = frozenset(
    {"n", "size", "quality", "background", "moderation", "output_format", "output_compression", "input_fidelity"}
)
_VARIATION_FIELDS = frozenset({"n", "size", "response_format"})


def _keys_of_0_1(
    request: ImageRequest, server: Server, slug: str, pictures: Sequence[str], mask: str | None
) -> Iterator[str]:
    """Version 0.1 hashed what it sent. So the spelling of the address, the way back for the picture, and whether the
    list of models could be had when it was sent, all counted.
    """
    ways: list[_Way] = [(request.endpoint, request.prompt, pictures)]
    if request.otherwise:
        endpoint, prompt, picture = request.otherwise
        ways.append((endpoint, prompt, [picture]))
    returns: tuple[Mapping[str, Any], ...] = ({}, {"response_format": "url"}, {"response_format": "b64_json"})
    seeds: tuple[Mapping[str, Any], ...] = ({"seed": request.seed}, {})
    addresses = spellings(server.base_url)
    for (endpoint, prompt, digests), back, seed in product(ways, returns, seeds):
        fields = _OPENAI_FIELDS if server.flavour is OPENAI else None
        if endpoint == "variations":
            fields = _VARIATION_FIELDS
        body = {"model": slug, **({"prompt": prompt} if prompt else {})}
        parameters = {**seed, **request.parameters, **back}
        body.update({field: value for field, value in parameters.items() if fields is None or field in fields})
        written = body if endpoint == "generations" else form_fields(body)
        yield from former_keys(addresses, f"images/{endpoint}", written, request.seed, digests, mask)


def entry_of(order: Order, server: Server) -> Call:
    """The call that it becomes when it is sent to ``server``."""
    request = order.request
    facts = {"prompt": request.prompt, "seed": request.seed, "pictures": len(request.images), **request.parameters}
    # Some paste the key into a prompt, or into whatever field has the focus.
    call = Call(
        order.key,
        server.base_url,
        order.wire.path,
        server.without_key(request.model),
        # Read again where a zoomed picture is put back: ``size``.
        server.without_key(facts),
        further_keys=order.turn[1:],
    )
    # No other request carries it, as in earlier versions: even a refusal that nobody lived to read is its own.
    return replace(call, facts={"trace": call.id})


class Skipped(Exception):
    """Nobody wanted the pictures any more before the request was sent."""


@contextlib.asynccontextmanager
async def in_turn(
    journal: Journal, keys: Sequence[str], wanted: Callable[[], bool], on_wait: Callable[[], None]
) -> AsyncIterator[KeyLock]:
    """Hold the lock of ``keys``, after waiting for whoever has it. Raises Skipped once it is not wanted any more."""
    lock, is_taken = await asyncio.to_thread(_tried, journal, keys)
    while not is_taken:
        if not wanted():
            raise Skipped
        on_wait()
        await asyncio.sleep(POLL_SECONDS)
        is_taken = await asyncio.to_thread(lock.acquire)
    try:
        yield lock
    finally:
        await _release(lock)


async def _release(lock: KeyLock) -> None:
    """Never raises: what became of the call in between matters more, and must be told as it is."""
    try:
        await asyncio.to_thread(lock.release)
    except Exception as error:
        log.error("The lock of a paid call met a %s", type(error).__name__)
        with contextlib.suppress(Exception):
            lock.release()


def _tried(journal: Journal, keys: Sequence[str]) -> tuple[KeyLock, bool]:
    lock = journal.lock(*keys)
    return lock, lock.acquire()


POLL_SECONDS = 0.1
"""How often an equal request in the air is looked at."""
