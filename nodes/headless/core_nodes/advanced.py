"""SaveImageAdvanced: pictures in a format of choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ...errors import InputError
from ..folders import Folders
from .formats import CHANNELS, exr, png8, png16
from .prefixes import objection
from .saving import save, texts

Inputs = dict[str, dict[str, Any]]

FORMATS = {
    "png": {"format.bit_depth": ("8-bit", "16-bit"), "format.input_color_space": ("sRGB",)},
    "exr": {"format.bit_depth": ("32-bit float",), "format.input_color_space": ("sRGB", "HDR", "linear")},
}
"""What may be chosen for each format."""

IMAGES: dict[str, Any] = {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})}


class SaveImageAdvanced:
    """Pictures as ``<prefix>_00001.png`` or ``.exr`` with the graph inside, counted on from what is there."""

    folders: Folders

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        # As a graph in API format has them: the choices of a format are inputs of their own.
        choices = {
            name: (list(dict.fromkeys(choice for of_format in FORMATS.values() for choice in of_format[name])),)
            for name in FORMATS["png"]
        }
        return {
            "required": {**IMAGES, "format": (list(FORMATS),), **choices},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    @classmethod
    def BROWSER_INPUT_TYPES(cls) -> dict[str, Any]:
        """The same as ComfyUI's frontend wants it."""
        formats = []
        for key, of_format in FORMATS.items():
            choices = {name.partition(".")[2]: _combo(choice) for name, choice in of_format.items()}
            formats.append({"key": key, "inputs": {"required": choices}})
        format_input = ("COMFY_DYNAMICCOMBO_V3", {"options": formats})
        return {"required": {**IMAGES, "format": format_input}, "hidden": cls.INPUT_TYPES()["hidden"]}

    @classmethod
    def VALIDATE_INPUTS(cls, **inputs: Any) -> bool | str:
        # What is linked is None here.
        return objection(cls.folders.output, inputs.get("filename_prefix")) or _unfit(inputs) or True

    def save_images(
        self,
        images: torch.Tensor,
        filename_prefix: str,
        prompt: Any = None,
        extra_pnginfo: dict[str, Any] | None = None,
        **inputs: str,
    ) -> dict[str, Any]:
        problem = _unfit(inputs)
        if images.shape[-1] not in CHANNELS:
            problem = f"pictures of {images.shape[-1]} channels cannot be saved, only those of 1, 3 or 4"
        if problem:
            raise InputError(f"SaveImageAdvanced: {problem}.")
        written = save(
            self.folders.output,
            filename_prefix,
            _encoded(images, inputs, list(texts(prompt, extra_pnginfo))),
            f".{inputs['format']}",
            extra_pnginfo,
            width=images.shape[2],
            height=images.shape[1],
        )
        return {"ui": {"images": [{**image, "type": "output"} for image in written]}, "result": (images,)}


def _encoded(images: torch.Tensor, inputs: dict[str, str], said: Sequence[tuple[str, str]]) -> Iterable[bytes]:
    for image in images:
        if inputs["format"] == "exr":
            yield exr(image, inputs["format.input_color_space"], said)
        elif inputs["format.bit_depth"] == "16-bit":
            yield png16(image, said)
        else:
            yield png8(image, said, compression=4)


def _unfit(inputs: dict[str, Any]) -> str | None:
    """What is wrong with the choices, where they are known."""
    kind = inputs.get("format")
    if kind is not None and kind not in FORMATS:
        return f'input "format": {kind!r} is not one of: {", ".join(FORMATS)}'
    for name, choices in FORMATS.get(kind or "", {}).items():
        if inputs.get(name) is not None and inputs[name] not in choices:
            return f'input "{name}": {inputs[name]!r} is not one of: {", ".join(choices)} (as {kind})'
    return None


def _combo(choices: Sequence[str]) -> tuple[str, dict[str, Any]]:
    return "COMBO", {"options": list(choices), "default": choices[0], "multiselect": False, "advanced": True}
