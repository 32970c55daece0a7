"""The receipts that saved pictures carry: what a PNG says about the request that it came from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .. import host
from ..errors import LumenfallError
from ..graph.links import signature
from ..spend import Call
from .origin import HiddenInputs
from .session import session_of

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
    told = as_set(receipts)
    if isinstance(hidden.png_info, dict) and told:
        hidden.png_info.setdefault(RECEIPTS, {})[node_id] = told
    if isinstance(hidden.graph, Mapping):
        name = signature(hidden.graph, node_id)
        _remember(_handed_out, name, receipts)
        for queued, its_node, texts in tuple(_queued):
            if queued == name and told:
                texts[its_node] = told


def _remember(known: dict[K, list[dict[str, Any]]], name: K, receipts: list[dict[str, Any]]) -> None:
    known[name] = receipts
    while len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]


def prepare_receipts() -> None:
    """Give every graph that is queued from now on a place for receipts, also where the browser sends none."""
    host.current().before_each_run(_put_known_receipts)


def as_set(receipts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of ``receipts`` the settings let a picture carry. Raises InputError for settings that cannot be used."""
    chosen = session_of(host.current()).settings.receipts
    if chosen == "off":
        return []
    return [reduced(each) for each in receipts] if chosen == "cost" else receipts


def reduced(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Model and cost of a receipt: nothing by which the request or its account could be looked up."""
    return {name: receipt[name] for name in REDUCED if name in receipt}


def of_run(run_id: str | None) -> list[dict[str, Any]]:
    """All receipts of a run, whatever the settings let its pictures carry."""
    return [each for (run, _), receipts in _in_run.items() if run == run_id for each in receipts]


REDUCED = ("model", "cost", "currency")

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
        texts: dict[str, list[dict[str, Any]]] = {}
        png_info[RECEIPTS] = texts
        try:
            told = {node_id: as_set(_handed_out.get(name, [])) for node_id, name in ours.items()}
            texts.update({node_id: receipts for node_id, receipts in told.items() if receipts})
        except LumenfallError:
            log.warning("The receipts could not be handed out", exc_info=True)
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
