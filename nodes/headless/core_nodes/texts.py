"""Nodes that make, join and save texts and numbers."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InputError
from ..folders import Folders
from .prefixes import objection, without_keys
from .saving import save

Inputs = dict[str, dict[str, Any]]

LARGEST = 2**63 - 1


class PrimitiveString:
    """A value, to be linked to several places."""

    OPTIONS: tuple[str, dict[str, Any]] = ("STRING", {"multiline": False})

    RETURN_TYPES: tuple[str, ...] = ("STRING",)
    FUNCTION = "give"
    CATEGORY = "utilities/primitive"
    # Makes the same of the same, at once: what it gives is known before a run.
    IS_CONSTANT = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"value": cls.OPTIONS}}

    def give(self, value: Any) -> tuple[Any]:
        return (value,)


class PrimitiveStringMultiline(PrimitiveString):
    OPTIONS = ("STRING", {"multiline": True})


class PrimitiveInt(PrimitiveString):
    OPTIONS = ("INT", {"min": -LARGEST, "max": LARGEST, "control_after_generate": "fixed"})
    RETURN_TYPES = ("INT",)


class PrimitiveFloat(PrimitiveString):
    OPTIONS = ("FLOAT", {"min": -LARGEST, "max": LARGEST, "step": 0.1})
    RETURN_TYPES = ("FLOAT",)


class PrimitiveBoolean(PrimitiveString):
    OPTIONS = ("BOOLEAN", {})
    RETURN_TYPES = ("BOOLEAN",)


class StringConcatenate:
    """Both texts with the delimiter between them, also where one is empty."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "join"
    CATEGORY = "text"
    IS_CONSTANT = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        text = ("STRING", {"multiline": True})
        delimiter = ("STRING", {"default": "", "multiline": False})
        return {"required": {"string_a": text, "string_b": text, "delimiter": delimiter}}

    def join(self, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
        return (f"{string_a}{delimiter}{string_b}",)


class SaveText:
    """A text as ``<prefix>_00001.txt``, UTF-8 as it is; what is valid JSON is laid out where JSON is asked for."""

    folders: Folders

    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    FUNCTION = "save_text"
    OUTPUT_NODE = True
    CATEGORY = "text"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "text": ("STRING", {"forceInput": True}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "format": (["txt", "csv", "md", "json"], {"default": "txt"}),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, filename_prefix: str | None = None) -> bool | str:
        return objection(cls.folders.output, filename_prefix) or True

    def save_text(
        self, text: str, filename_prefix: str, format: str, prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        content = _laid_out(text) if format == "json" else text
        try:
            encoded = without_keys(content).encode()
        except UnicodeEncodeError as error:
            raise InputError("SaveText: the text has half of a character, which no file can hold.") from error
        written = save(self.folders.output, filename_prefix, [encoded], f".{format}", extra_pnginfo)
        files = [{**file, "type": "output"} for file in written]
        return {"ui": {"text": [text], "files": files}, "result": (text,)}


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
