"""Vector pictures into files."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import InputError
from ...host import SVG
from ..folders import Folders
from .prefixes import objection
from .saving import facts, save

# What may stand before it, and the root's tag: an attribute may hold a ">". Nothing can be read in two ways.
_ROOT = re.compile(
    r"\ufeff?(?:\s|<\?(?:[^?]|\?(?!>))*\?>|<!--(?:[^-]|-(?!->))*-->"
    r"|<!DOCTYPE[^>[]*(?:\[(?:[^\]]|\](?!\s*>))*\]\s*)?>)*"
    r"""<svg\b(?:[^>"'/]|/(?!>)|"[^"]*"|'[^']*')*>"""
)
_LOOKED_AT = 2**16


class SaveSVGNode:
    """Each as ``<prefix>_00001_.svg``: as it is, but for the run that made it, in ``<metadata>``."""

    folders: Folders

    RETURN_TYPES = ("SVG",)
    RETURN_NAMES = ("svg",)
    FUNCTION = "save_svg"
    OUTPUT_NODE = True
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {
            "required": {"svg": ("SVG",), "filename_prefix": ("STRING", {"default": "svg/ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, filename_prefix: str | None = None) -> bool | str:
        return objection(cls.folders.output, filename_prefix) or True

    def save_svg(
        self, svg: SVG, filename_prefix: str = "svg/ComfyUI", prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        said = facts(prompt, extra_pnginfo)
        contents = (_with_metadata(file.getvalue(), said) for file in svg.data)
        written = save(self.folders.output, filename_prefix, contents, "_.svg", extra_pnginfo)
        return {"ui": {"images": [{**image, "type": "output"} for image in written]}, "result": (svg,)}


def _with_metadata(content: bytes, said: dict[str, Any]) -> bytes:
    """``content`` with what is ``said`` of the run, where ComfyUI's browser looks for it. ComfyUI itself writes it into
    each ``<svg>`` that lies within another one, too.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("SaveSVGNode: the SVG is not written in UTF-8.") from error
    root = _ROOT.match(text[:_LOOKED_AT])
    if not said or root is None:
        return content
    # Of JSON it is the same text, and it must not end the section here.
    told = json.dumps(said, indent=2).replace("]]>", "]]\\u003e")
    # Laid out as by ComfyUI.
    metadata = f"\n  <metadata>\n{'':16}<![CDATA[\n{'':12}{told}\n{'':16}]]>\n{'':12}</metadata>\n{'':12}"
    return (text[: root.end()] + metadata + text[root.end() :]).encode()
