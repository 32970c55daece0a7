"""The list of the server's models, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ..api import Model, ModelList


def as_dict(listed: ModelList, chosen: Sequence[Model]) -> dict[str, Any]:
    """{"source", "failure", "age_seconds", "models": [...]}; ``price`` as the server names it, ``ends`` an ISO date or
    None, ``failure`` why the list is not the server's own.
    """
    return {
        "source": listed.source,
        "failure": listed.failure,
        "age_seconds": listed.age_seconds,
        "models": [
            {
                "id": model.id,
                "name": model.name,
                "modes": sorted(model.modes),
                "price": model.price,
                "ends": model.ends.isoformat() if model.ends else None,
                "max_images": model.max_images,
            }
            for model in chosen
        ],
    }


def show(listed: ModelList, chosen: Sequence[Model]) -> None:
    """A table on stdout, and where the list comes from."""
    table = Table("model", "name", "modes", "price", "ends", box=None, pad_edge=False)
    for model in chosen:
        price = "" if model.price is None else f"{model.price:g}"
        ends = model.ends.isoformat() if model.ends else ""
        table.add_row(model.id, model.name, ", ".join(sorted(model.modes)), price, ends)
    out = Console(markup=False, highlight=False)
    out.print(table)
    age = "" if listed.age_seconds is None else f", {listed.age_seconds / 60:.0f} min old"
    out.print(f"{len(chosen)} models ({listed.source}{age})")
