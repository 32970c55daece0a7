"""The model list, for the picker and the prices on the nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..api import Client, Model, ModelList, ended
from ..contract.nodes import PaidNode
from ..errors import LumenfallError, StoreError
from ..host import Host
from ..purchase.session import Session
from ..spend import Experience, experiences
from .own_loop import aside


async def list_models(host: Host, *, refresh: bool) -> dict[str, Any]:
    """The models, what is known of each, and what each node needs of one. With ``refresh`` the server is asked.

    Why the server's list could not be had is in ``failure``; only settings that cannot be used raise LumenfallError.
    """
    return await aside(lambda: _list(host, refresh))


async def _list(host: Host, refresh: bool) -> dict[str, Any]:
    session = Session(host)
    found = await _refreshed(session) if refresh else session.catalogue.known()
    figures = session.settings.prices
    known = _experiences(session)
    # What the user has a price for is a model, also where no list has it.
    unlisted = [Model(id=slug) for slug in figures if found.find(slug) is None]
    models = [*found.models, *unlisted]
    return {
        "models": [_described(model, figures.get(model.id), known.get(model.id)) for model in models],
        # Not offered, but named by older workflows.
        "ended": [_described(model, None, None) for model in ended().models if found.find(model.id) is None],
        "source": found.source,
        "compiled": found.compiled and found.compiled.isoformat(),
        "fetched_at": found.fetched_at,
        "failure": found.failure,
        "nodes": needs(host),
    }


def needs(host: Host) -> dict[str, dict[str, Any]]:
    """What each paid node needs of its model: one of ``modes``, for at least ``images`` pictures, with a ``mask``."""
    classes = host.node_classes().items()
    return {name: _need(node) for name, node in classes if isinstance(node, type) and issubclass(node, PaidNode)}


def _need(node: type[Any]) -> dict[str, Any]:
    required = node.INPUT_TYPES()["required"]
    return {"modes": list(node.MODES), "images": int("image" in required), "mask": "mask" in required}


async def _refreshed(session: Session) -> ModelList:
    try:
        async with Client(session.server) as client:
            return await session.catalogue.fresh(client, max_age=0.0)
    except LumenfallError as error:
        return replace(session.catalogue.known(), failure=f"{error.message} {error.hint}".strip())


def _experiences(session: Session) -> dict[str, Experience]:
    try:
        return experiences(session.journal)
    except StoreError:
        return {}


def _described(model: Model, figure: float | None, known: Experience | None) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name or model.id,
        "modes": sorted(model.modes),
        "price": model.price if figure is None else figure,
        "currency": "USD",
        "figure": figure is not None,
        "ends": model.ends and model.ends.isoformat(),
        "successors": list(model.successors),
        "parameters": None if model.parameters is None else sorted(model.parameters),
        "max_images": model.max_images,
        "sizes": list(model.sizes),
        "aliases": [*model.aliases, *model.snapshots],
        "mask": model.takes_mask,
        "transparency": model.transparency,
        "seconds": known and known.seconds,
        "calls": known.calls if known else 0,
        "brought": known.brought if known else 0,
    }
