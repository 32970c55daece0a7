"""Nodes that only show something. A graph is never refused for their sake."""

from __future__ import annotations

import json
from typing import Any

import torch

from .files import PreviewImage

Inputs = dict[str, dict[str, Any]]


class PreviewAny:
    """Whatever comes, as text: texts and numbers as they are, lists and objects as JSON, others as Python has them."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "show"
    OUTPUT_NODE = True
    ONLY_SHOWS = True
    IS_CONSTANT = True
    CATEGORY = "utilities"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"source": ("*", {})}}

    def show(self, source: Any) -> dict[str, Any]:
        text = _text(source)
        return {"ui": {"text": [text]}, "result": (text,)}


class ImageCompare(PreviewImage):
    """Two pictures or batches to look at side by side, in the folder for temporary files."""

    RETURN_TYPES: tuple[str, ...] = ()
    RETURN_NAMES: tuple[str, ...] = ()
    FUNCTION = "compare"
    ONLY_SHOWS = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {},
            "optional": {
                "compare_view": ("IMAGECOMPARE", {"socketless": True}),  # what the browser keeps of its slider
                "image_a": ("IMAGE",),
                "image_b": ("IMAGE",),
            },
        }

    @classmethod
    def BROWSER_INPUT_TYPES(cls) -> Inputs:
        """The same as ComfyUI's frontend wants it."""
        inputs = cls.INPUT_TYPES()
        view = {"compare_view": inputs["optional"].pop("compare_view")}
        return {**inputs, "required": view}

    def compare(
        self,
        compare_view: Any = None,
        image_a: torch.Tensor | None = None,
        image_b: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        shown = {}
        for name, images in (("a", image_a), ("b", image_b)):
            saved = [] if images is None else self.preview(images, f"comfy.compare.{name}", None, None)
            shown[f"{name}_images"] = saved
        return {"ui": shown, "result": ()}


def _text(source: Any) -> str:
    if isinstance(source, (str, int, float)) or source is None:
        return str(source)
    try:
        return json.dumps(source, indent=4, ensure_ascii=False)
    except (TypeError, ValueError):
        pass
    torch.set_printoptions(edgeitems=6)  # type: ignore[no-untyped-call]
    try:
        return str(source)
    finally:
        torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
