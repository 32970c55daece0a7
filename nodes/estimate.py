"""Estimate Cost: what running this graph would cost, told without spending anything."""

from __future__ import annotations

import json
from typing import Any

from . import host
from .host.waiting import wait


class Estimate:
    CATEGORY = "Lumenfall"
    DESCRIPTION = (
        "Tells what the paid nodes of this graph would cost, counting nothing for pictures that are in the store "
        "already. It spends nothing and needs no links: select it and choose 'Execute to selected output nodes'. "
        "Queued together with the rest it only tells; what stops spending is a limit in the settings."
    )
    SEARCH_ALIASES = ["price", "cost", "budget", "dry run", "lumenfall"]
    RETURN_TYPES = ("FLOAT", "STRING")
    RETURN_NAMES = ("total", "report")
    OUTPUT_TOOLTIPS = (
        "The sum of all prices that are known, in US dollars.",
        "JSON text: a line for each paid node with its price and where that comes from, and the total.",
    )
    FUNCTION = "estimate"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {"required": {}, "hidden": {"graph": "PROMPT"}}

    @classmethod
    def IS_CHANGED(cls, graph: Any = None) -> float:
        """Never equal to itself: the store and the prices change without the graph."""
        return float("nan")

    async def estimate(self, graph: Any = None) -> dict[str, Any]:
        # Not needed before; ComfyUI waits for what packs import.
        from .pricing.estimate import estimate_graph

        here = host.current()
        estimate = await wait(estimate_graph(graph or {}), here, lambda: "estimating")
        host.show_progress(here, estimate.summary)
        lines = estimate.as_dict()
        report = json.dumps(lines, indent=2, ensure_ascii=False)
        return {"ui": {"lumenfall_estimate": [lines], "text": [estimate.text]}, "result": (estimate.total, report)}
