"""Who asks for pictures: node, workflow and run, for the ledger."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import host
from ..graph.links import title_of, upstream
from ..spend import Caller


@dataclass(frozen=True)
class HiddenInputs:
    """What a host tells a node about where it stands: the graph that runs, and what its PNGs will say; None where it
    does not.
    """

    graph: Any = None
    png_info: Any = None


_PROCESS = uuid.uuid4().hex


def run_of(place: host.Place) -> str:
    """The run's id; where runs are not told apart, all of a process are one, and so is their limit."""
    return place.run_id or _PROCESS


def start_of(place: host.Place) -> str:
    """What the user has started: the run, or the batch that it is part of."""
    return place.batch.start if place.batch else run_of(place)


def caller(hidden: HiddenInputs) -> Caller:
    """The node that runs in this task."""
    place = host.current().place()
    return Caller(
        run_of(place),
        title_of(hidden.graph.get(place.node_id)) if isinstance(hidden.graph, Mapping) else None,
        _workflow(hidden.png_info, place),
        _fragment(hidden.graph, place.node_id),
    )


MAX_KEPT_NODES = 40


MAX_KEPT_BYTES = 64 * 1024
"""What is kept of a graph for each call."""


def _fragment(graph: Any, node_id: str | None) -> dict[str, Any] | None:
    """The node and those that lead to it; the node alone where that is much, and nothing where it alone is."""
    if node_id is None or not isinstance(graph, Mapping) or not isinstance(graph.get(node_id), Mapping):
        return None
    needed = {
        name: {part: node[part] for part in ("class_type", "inputs", "_meta") if part in node}
        for name, node in upstream(graph, node_id).items()
    }
    for nodes in (needed, {node_id: needed[node_id]}):
        text = _json({"node": node_id, "nodes": nodes}) if len(nodes) <= MAX_KEPT_NODES else None
        if text is not None and len(text) <= MAX_KEPT_BYTES:
            kept: dict[str, Any] = json.loads(text)
            return kept
    return None


def _json(content: Any) -> str | None:
    """``content`` as JSON; None where it is none, which must not keep a paid request from being entered."""
    try:
        return json.dumps(content, default=str, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _workflow(png_info: Any, place: host.Place) -> str | None:
    """The workflow's name; ComfyUI's browser sends only an id, of which the first digits have to do."""
    if place.workflow:
        return place.workflow
    drawn = png_info.get("workflow") if isinstance(png_info, Mapping) else None
    if not isinstance(drawn, Mapping):
        return None
    return str(drawn.get("name") or str(drawn.get("id") or "")[:8]) or None
