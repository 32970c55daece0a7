"""Models that a file names and the server has no more, and which of the living is nearest to each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from ...api import Model, ModelList, ended
from ...graph.fields import declared

SEVERAL = re.compile(r"[\s,;]+")
"""What stands between the slugs in ``more_models``."""


@dataclass(frozen=True)
class Dead:
    """A slug, what is wrong with it, and the nearest living model."""

    slug: str
    reason: str
    nearest: str


class Living:
    """The models of the server; those of the bundled lists where its own could not be had, ``is_certain`` False."""

    def __init__(self, listed: ModelList, today: date | None = None) -> None:
        self.is_certain = listed.source != "bundled" and listed.failure is None
        self._listed = listed
        self._today = today or datetime.now(timezone.utc).date()

    def dead(self, values: Mapping[str, Any], node_class: type[Any]) -> Iterator[Dead]:
        """The dead models among the inputs of a node of this pack."""
        fields = declared(node_class)
        names = [name for name in ("model", "more_models") if name in fields]
        menu = fields["model"].choices if "model" in fields else None
        for name in names:
            value = values.get(name)
            for slug in SEVERAL.split(value) if isinstance(value, str) else ():
                reason = self._objection(slug) if slug else None
                if reason:
                    yield Dead(slug, reason, self._nearest(slug, menu or []))

    def _objection(self, slug: str) -> str | None:
        model = self._listed.find(slug) or ended().find(slug)
        if model is not None and model.ends is not None and model.ends < self._today:
            return f"ended on {model.ends}"
        if self.is_certain and self._listed.find(slug) is None:
            return "is not in the server's list"
        return None

    def _is_living(self, slug: str) -> bool:
        return self._listed.find(slug) is not None and self._objection(slug) is None

    def _nearest(self, slug: str, menu: list[str]) -> str:
        known: Model | None = ended().find(slug) or self._listed.find(slug)
        for successor in known.successors if known else ():
            if self._is_living(successor):
                return successor
        everybody = [model.id for model in self._listed.models if self._is_living(model.id)]
        names = [name for name in menu if self._is_living(name)] or everybody
        bare = slug.rpartition("/")[2]
        return next(iter(difflib.get_close_matches(bare, names, 1, cutoff=0.0)), "") or (names or [slug])[0]
