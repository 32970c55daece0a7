"""What the nodes share of ComfyUI's V1 class contract."""

from __future__ import annotations

from typing import Any

from .api import Mode
from .inputs import check_links


class PictureNode:
    """Base of the nodes that bring pictures with a report."""

    CATEGORY = "Lumenfall"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("images", "mask", "report")
    # Keeps the report in the history and on the node when a re-run is answered from ComfyUI's cache.
    HAS_INTERMEDIATE_OUTPUT = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        raise NotImplementedError


class PaidNode(PictureNode):
    """Base of the nodes that ask the server for pictures."""

    MODES: tuple[Mode, ...]
    """What a model must do, at least one of them."""

    @classmethod
    def VALIDATE_INPUTS(cls, model: str | None, input_types: dict[str, Any]) -> bool | str:
        """Naming ``model`` tells ComfyUI to take any slug; every other input keeps its checks."""
        wrong = check_links(cls.INPUT_TYPES(), input_types)
        if wrong:
            return wrong
        # None: the model comes over a link and is not known yet.
        return True if model is None or str(model).strip() else "model is empty: pick one from the list"


REPORT_TOOLTIP = "JSON text: model, provider, request id, cost, seconds, sizes, notes."
