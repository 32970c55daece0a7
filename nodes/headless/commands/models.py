"""``lumenfall models``: the list of the server's models, for people and for machines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any

import typer

from ...api import Model, ModelList, ended, retirement_note
from ...errors import LumenfallError
from ...host import use
from .. import signals
from ..host import Headless
from .options import FAILED


def as_dict(listed: ModelList, chosen: Sequence[Model]) -> dict[str, Any]:
    """{"source", "failure", "age_seconds", "compiled", "models": [...], "ended": [...]}; ``price`` as the server names
    it, ``ends`` an ISO date or None, ``failure`` why the list is not the server's own, ``compiled`` the date of the
    bundled one. Models in ``ended`` are not in the list; older workflows may name them.
    """
    return {
        "source": listed.source,
        "failure": listed.failure,
        "age_seconds": listed.age_seconds,
        "compiled": listed.compiled.isoformat() if listed.compiled else None,
        "models": [_described(model) for model in chosen],
        "ended": [_described(model) for model in _ended(listed)],
    }


def _described(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "modes": sorted(model.modes),
        "price": model.price,
        "ends": model.ends.isoformat() if model.ends else None,
        "successors": list(model.successors),
        "max_images": model.max_images,
    }


def _ended(listed: ModelList) -> list[Model]:
    """Those of the bundled list of ended models that ``listed`` has not."""
    return [model for model in ended().models if listed.find(model.id) is None]


def show(listed: ModelList, chosen: Sequence[Model]) -> None:
    """A table on stdout, what has ended or ends soon, and where the list comes from."""
    from rich.console import Console
    from rich.table import Column, Table

    slug = Column("model", no_wrap=True)  # whole, to be copied
    table = Table(slug, "name", "modes", "price", "ends", box=None, pad_edge=False)
    for model in chosen:
        price = "" if model.price is None else f"{model.price:g}"
        ends = model.ends.isoformat() if model.ends else ""
        table.add_row(model.id, model.name, ", ".join(sorted(model.modes)), price, ends)
    out = Console(markup=False, highlight=False)
    out.print(table)
    for sentence in filter(None, map(retirement_note, [*chosen, *_ended(listed)])):
        out.print(sentence, soft_wrap=True)
    out.print(f"{len(chosen)} models ({_source(listed)})")


def _source(listed: ModelList) -> str:
    if listed.compiled:
        return f"bundled list of {listed.compiled}"
    age = "" if listed.age_seconds is None else f", {listed.age_seconds / 60:.0f} min old"
    return f"{listed.source}{age}"


class ModelMode(str, Enum):
    GENERATE = "generate"
    EDIT = "edit"
    UPSCALE = "upscale"
    VARIATIONS = "variations"


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    mode: Annotated[ModelMode | None, typer.Option(help="Only models that do this.")] = None,
) -> None:
    """List the image models of the server."""
    host = Headless()
    try:
        with signals.held():
            from ...purchase.session import list_models
        with use(host):
            listed = asyncio.run(list_models())
    except LumenfallError as error:
        if as_json:
            print(json.dumps({"error": error.as_dict()}))
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    chosen = [model for model in listed.models if mode is None or mode.value in model.modes]
    if as_json:
        print(json.dumps(as_dict(listed, chosen)))
    else:
        show(listed, chosen)
    if listed.failure:
        typer.echo(f"The server's own list could not be had: {listed.failure}", err=True)
        raise typer.Exit(FAILED)
