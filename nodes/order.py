"""An order: a request, as it will be sent, and the keys by which an equal one is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .api import OPENAI, ImageRequest, Model, Question, Server, WireRequest, canonical, form, spellings, write
from .pixels import fingerprint
from .spend import former_key, request_key


@dataclass(frozen=True)
class Order:
    """``key`` is that of what the user asked. ``aliases`` are the keys of the same under the model's other names,
    ``former`` those that earlier versions of this pack may have given it.
    """

    request: ImageRequest
    wire: WireRequest
    key: str
    aliases: tuple[str, ...] = ()
    former: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Those under which an equal order may be on its way now."""
        return (self.key, *self.aliases)


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
    asked: Question = {**sent, **request.asked}
    names = (request.model, *model.other_names(request.model))
    key, *aliases = (
        request_key(server=canonical(server.base_url), model=name, seed=request.seed, **asked) for name in names
    )
    former = tuple(_former_keys(request, server, names, pictures, mask))
    return Order(request, wire, key, tuple(aliases), former)


# What version 0.1 let through to OpenAI and to /images/variations; the rest was in no key.
_OPENAI_FIELDS = frozenset(
    {"n", "size", "quality", "background", "moderation", "output_format", "output_compression", "input_fidelity"}
)
_VARIATION_FIELDS = frozenset({"n", "size", "response_format"})


def _former_keys(
    request: ImageRequest, server: Server, names: Sequence[str], pictures: Sequence[str], mask: str | None
) -> Iterator[str]:
    """Version 0.1 hashed what it sent. So the spelling of the address, the way back for the picture, and whether the
    list of models could be had when it was sent, all counted.
    """
    fields = _OPENAI_FIELDS if server.flavour is OPENAI else None
    if request.endpoint == "variations":
        fields = _VARIATION_FIELDS
    ways: tuple[Mapping[str, Any], ...] = ({}, {"response_format": "url"}, {"response_format": "b64_json"})
    seeds: tuple[Mapping[str, Any], ...] = ({"seed": request.seed}, {})
    for address, name, way, seed in product(spellings(server.base_url), names, ways, seeds):
        body = {"model": name, **({"prompt": request.prompt} if request.prompt else {})}
        parameters = {**seed, **request.parameters, **way}
        body.update({field: value for field, value in parameters.items() if fields is None or field in fields})
        written = body if request.endpoint == "generations" else form(body)
        yield former_key(address, f"images/{request.endpoint}", written, request.seed, pictures, mask)
