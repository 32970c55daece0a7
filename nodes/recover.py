"""Recover Images: pictures that were paid for, brought into the graph for nothing."""

from __future__ import annotations

from typing import Any

from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PictureNode, telling
from .contract.outputs import describe, gather, picture_outputs
from .contract.shown import as_they_came, show
from .purchase.origin import HiddenInputs
from .purchase.plan import Outputs
from .purchase.recovery import recover


class Recover(PictureNode):
    DESCRIPTION = (
        "Brings back pictures that were paid for and never arrived, because of a Stop, a crash or a broken download, "
        "or those of any other call that is in the store. They come as the model made them. Nothing is sent or paid."
    )
    SEARCH_ALIASES = ["lost", "resume", "paid", "history", "store", "restore", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The pictures, as one batch. Four channels only where a transparent background was asked for.",
        "The mask: 1 where a picture is transparent, 0 where it is opaque, as Load Image gives it.",
        REPORT_TOOLTIP,
    )
    FUNCTION = "recover"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        tooltip = (
            "Empty: the newest call whose pictures were paid for and never arrived in a workflow. Otherwise its "
            "request id, from the report or the error, or its call id, from `lumenfall store list`."
        )
        return {"required": {"request_id": ("STRING", {"default": "", "tooltip": tooltip})}, "hidden": HIDDEN}

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        """Never equal to itself: what waits to be recovered changes without the graph."""
        return float("nan")

    async def recover(self, request_id: str, graph: Any = None, png_info: Any = None) -> Outputs:
        with telling():
            results = await recover(request_id, HiddenInputs(graph, png_info))
            call = results.deliveries[0].call
            images, mask, notes = gather(results.deliveries, call.parameters.get("background") == "transparent")
            report = describe(call.model, results, notes, images)
            return await show(picture_outputs(images, mask, report, as_they_came(results.deliveries)))
