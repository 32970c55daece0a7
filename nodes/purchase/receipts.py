"""The receipts that saved pictures carry: what a PNG says about the request that it came from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .. import host
from ..graph.links import signature
from ..spend import Call
from .origin import HiddenInputs

log = logging.getLogger(__name__)

K = TypeVar("K")

RECEIPTS = "lumenfall"
"""The name of the text in a saved PNG, beside ComfyUI's ``prompt`` and ``workflow``."""


def hand_out_receipts(calls: Sequence[Call], hidden: HiddenInputs) -> None:
    """Let the pictures that this run saves carry what they cost. SaveImage writes whatever EXTRA_PNGINFO holds.

    A node may come here several times in a run: a host calls it once for each item of a list, and some ask for several
    plans. So what it hands out is added up as long as the run is the same.

    A later run may take a node's result from ComfyUI's cache, so that the node never hears of it: its receipts are
    remembered by what the result depends on, and put there when such a run is queued, or once they are there.
    """
    try:
        _hand_out([receipt(call) for call in calls], hidden)
    except Exception:
        log.warning("The receipts could not be handed out", exc_info=True)


def _hand_out(receipts: list[dict[str, Any]], hidden: HiddenInputs) -> None:
    place = host.current().place()
    node_id = place.node_id
    if node_id is None:
        return
    earlier = _in_run.pop((place.run_id, node_id), [])
    receipts = [*earlier, *(each for each in receipts if each not in earlier)]
    _remember(_in_run, (place.run_id, node_id), receipts)
    if isinstance(hidden.png_info, dict):
        hidden.png_info.setdefault(RECEIPTS, {})[node_id] = receipts
    if isinstance(hidden.graph, Mapping):
        name = signature(hidden.graph, node_id)
        _remember(_handed_out, name, receipts)
        for queued, its_node, texts in tuple(_queued):
            if queued == name:
                texts[its_node] = receipts


def _remember(known: dict[K, list[dict[str, Any]]], name: K, receipts: list[dict[str, Any]]) -> None:
    known[name] = receipts
    while len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]


def prepare_receipts() -> None:
    """Give every graph that is queued from now on a place for receipts, also where the browser sends none."""
    host.current().before_each_run(_put_known_receipts)


MAX_REMEMBERED = 1000
MAX_QUEUED = 10_000

_handed_out: dict[str, list[dict[str, Any]]] = {}
_in_run: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
"""By run and node."""
_queued: list[tuple[str, str, dict[str, Any]]] = []
"""Of each node of ours that was queued: what its result depends on, its id, and the receipts that its run will save,
which the host takes along as they are. Those that have run are among them, where they do no harm.
"""


def _put_known_receipts(graph: Mapping[str, Any], png_info: dict[str, Any]) -> None:
    ours = {node_id: signature(graph, node_id) for node_id, node in graph.items() if _is_ours(node)}
    if ours:
        texts = {node_id: _handed_out[name] for node_id, name in ours.items() if _handed_out.get(name)}
        png_info[RECEIPTS] = texts
        _queued.extend((name, node_id, texts) for node_id, name in ours.items())
        del _queued[:-MAX_QUEUED]


def _is_ours(node: Any) -> bool:
    return isinstance(node, Mapping) and str(node.get("class_type")).startswith("Lumenfall")


def receipt(call: Call) -> dict[str, Any]:
    """What a picture's file says about the request that it came from. Cost in units of ``currency``."""
    return {
        "model": call.model,
        "executed_model": call.executed_model,
        "provider": call.provider,
        "request_id": call.request_id,
        "cost": call.cost_in_units,
        "currency": call.currency,
        "key": call.key,
        "server": call.server,
        "sent_at": call.sent_at,
    }
