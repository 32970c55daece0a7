"""Who asks for pictures: node, workflow and run, for the ledger; and the receipts that saved pictures carry."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from . import host
from .spend import Call, Caller

log = logging.getLogger(__name__)

RECEIPTS = "lumenfall"
"""The name of the text in a saved PNG, beside ComfyUI's ``prompt`` and ``workflow``."""

HIDDEN = {"graph": "PROMPT", "png_info": "EXTRA_PNGINFO"}
"""The hidden inputs of a paid node. Not UNIQUE_ID: with it, equal nodes would no longer share ComfyUI's cache."""


@dataclass(frozen=True)
class _Surroundings:
    graph: Any
    png_info: Any


_PROCESS = uuid.uuid4().hex

_current: ContextVar[_Surroundings | None] = ContextVar("lumenfall_surroundings", default=None)


@contextlib.contextmanager
def remember(graph: Any, png_info: Any) -> Iterator[None]:
    """Keep a node's hidden inputs while it runs."""
    token = _current.set(_Surroundings(graph, png_info))
    try:
        yield
    finally:
        _current.reset(token)


def caller() -> Caller:
    """The node that runs in this task."""
    surroundings = _current.get()
    place = host.current().place()
    # Where runs are not told apart, the limit per run is one for the process.
    run_id = place.run_id or _PROCESS
    if surroundings is None:
        return Caller(run_id)
    return Caller(
        run_id,
        _title(surroundings.graph, place.node_id),
        _workflow(surroundings.png_info, place),
        _fragment(surroundings.graph, place.node_id),
    )


def hand_out_receipts(calls: Sequence[Call]) -> None:
    """Let the pictures that this run saves carry what they cost. SaveImage writes whatever EXTRA_PNGINFO holds.

    A later run may take a node's result from ComfyUI's cache, so that the node never hears of it: its receipts are
    remembered by what the result depends on, and put there when such a run is queued.
    """
    try:
        _hand_out([receipt(call) for call in calls])
    except Exception:
        log.warning("The receipts could not be handed out", exc_info=True)


def _hand_out(receipts: list[dict[str, Any]]) -> None:
    surroundings = _current.get()
    node_id = host.current().place().node_id
    if surroundings is None or node_id is None:
        return
    if isinstance(surroundings.png_info, dict):
        surroundings.png_info.setdefault(RECEIPTS, {})[node_id] = receipts
    if isinstance(surroundings.graph, Mapping):
        _handed_out[_signature(surroundings.graph, node_id)] = receipts
        while len(_handed_out) > MAX_REMEMBERED:
            del _handed_out[next(iter(_handed_out))]


def prepare_receipts() -> None:
    """Give every graph that is queued from now on a place for receipts, also where the browser sends none."""
    host.current().before_each_run(_put_known_receipts)


MAX_REMEMBERED = 1000

_handed_out: dict[str, list[dict[str, Any]]] = {}


def _put_known_receipts(graph: Mapping[str, Any], png_info: dict[str, Any]) -> None:
    ours = [node_id for node_id, node in graph.items() if _is_ours(node)]
    if ours:
        known = {node_id: _handed_out.get(_signature(graph, node_id)) for node_id in ours}
        png_info[RECEIPTS] = {node_id: receipts for node_id, receipts in known.items() if receipts}


def _is_ours(node: Any) -> bool:
    return isinstance(node, Mapping) and str(node.get("class_type")).startswith("Lumenfall")


def _signature(graph: Mapping[str, Any], node_id: str) -> str:
    """Equal for two nodes whose results are equal for ComfyUI: same class, same inputs, and so on upwards."""
    known: dict[str, str] = {}

    def sign(name: str) -> str:
        if name not in known:
            known[name] = ""  # a circle is no graph; it must not hang either
            node = graph.get(name)
            inputs = dict(node.get("inputs") or {}) if isinstance(node, Mapping) else {}
            for key, value in inputs.items():
                if isinstance(value, list) and len(value) == 2 and str(value[0]) in graph:
                    inputs[key] = [sign(str(value[0])), value[1]]
            kind = node.get("class_type") if isinstance(node, Mapping) else None
            text = json.dumps([kind, inputs], sort_keys=True, default=str)
            known[name] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        return known[name]

    return sign(node_id)


def receipt(call: Call) -> dict[str, Any]:
    """What a picture's file says about the request that it came from. Cost in units of ``currency``."""
    return {
        "model": call.model,
        "executed_model": call.executed_model,
        "provider": call.provider,
        "request_id": call.request_id,
        "cost": call.price,
        "currency": call.currency,
        "key": call.key,
        "server": call.server,
        "sent_at": call.sent_at,
    }


def _title(graph: Any, node_id: str | None) -> str | None:
    node = graph.get(node_id) if isinstance(graph, Mapping) and node_id else None
    if not isinstance(node, Mapping):
        return None
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node.get("class_type") or "") or None


MAX_KEPT_NODES = 40
MAX_KEPT_BYTES = 64 * 1024
"""What is kept of a graph for each call."""


def _fragment(graph: Any, node_id: str | None) -> dict[str, Any] | None:
    """The node and those that lead to it; the node alone where that is much, and nothing where it alone is."""
    if node_id is None or not isinstance(graph, Mapping) or not isinstance(graph.get(node_id), Mapping):
        return None
    needed: dict[str, Any] = {}
    pending = [node_id]
    while pending:
        name = pending.pop()
        node = graph.get(name)
        if name in needed or not isinstance(node, Mapping):
            continue
        needed[name] = {part: node[part] for part in ("class_type", "inputs", "_meta") if part in node}
        inputs = node.get("inputs")
        values = inputs.values() if isinstance(inputs, Mapping) else ()
        links = [value for value in values if isinstance(value, list) and len(value) == 2]
        pending += [str(link[0]) for link in links if str(link[0]) in graph]
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
