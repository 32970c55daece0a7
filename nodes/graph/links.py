"""What is a link in a graph in API format, and what a node depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Link:
    """Output ``slot`` of the node with the id ``node``."""

    node: str
    slot: int


def link_of(value: Any, graph: Mapping[str, Any] | None = None) -> Link | None:
    """``value`` as a link, ``["node id", slot]``; None where it is a literal. Of a ``graph`` that nobody has checked it
    leads to a node, whose id some tools write as a number.
    """
    match value:
        case [node, int(slot)] if not isinstance(slot, bool):
            node = node if graph is None else str(node)
            if isinstance(node, str) and (graph is None or node in graph):
                return Link(node, slot)
    return None


def upstream(graph: Mapping[str, Any], *node_ids: str) -> dict[str, Mapping[str, Any]]:
    """The nodes, and those that lead to them, by their ids; what is no node is left out."""
    needed: dict[str, Mapping[str, Any]] = {}
    pending = [*node_ids]
    while pending:
        name = pending.pop()
        node = graph.get(name)
        if name in needed or not isinstance(node, Mapping):
            continue
        needed[name] = node
        inputs = node.get("inputs")
        values = inputs.values() if isinstance(inputs, Mapping) else ()
        pending += [link.node for link in (link_of(value, graph) for value in values) if link is not None]
    return needed


def title_of(node: Any) -> str | None:
    """The title that a person gave the node, else its class; None where it is no node."""
    if not isinstance(node, Mapping):
        return None
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node.get("class_type") or "") or None


def signature(graph: Mapping[str, Any], node_id: str) -> str:
    """Equal for two nodes whose results are equal for ComfyUI: same class, same inputs, and so on upwards."""
    known: dict[str, str] = {}

    def sign(name: str) -> str:
        if name not in known:
            known[name] = ""  # a circle is no graph; it must not hang either
            node = graph.get(name)
            inputs = dict(node.get("inputs") or {}) if isinstance(node, Mapping) else {}
            for key, value in inputs.items():
                link = link_of(value, graph)
                if link is not None:
                    inputs[key] = [sign(link.node), link.slot]
            kind = node.get("class_type") if isinstance(node, Mapping) else None
            text = json.dumps([kind, inputs], sort_keys=True, default=str)
            known[name] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        return known[name]

    return sign(node_id)
