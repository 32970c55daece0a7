"""A node of a graph that is known to be runnable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..graph.links import Link


@dataclass(frozen=True)
class Node:
    """A node that will run. ``inputs`` holds links and coerced literals, declared inputs only."""

    id: str
    title: str
    node_class: type[Any]
    class_type: str
    inputs: Mapping[str, Any]

    @property
    def parents(self) -> set[str]:
        return {value.node for value in self.inputs.values() if isinstance(value, Link)}
