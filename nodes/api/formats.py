"""What OpenAI allows beside an animation (GIF) or a vector picture (SVG).

Source: openai-python 3.57.0, types/image_generate_params.py and image_edit_params.py. Other servers judge for
themselves: Lumenfall converts to GIF what a model does not make.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError

KNOWN = frozenset({None, "png", "jpeg", "webp", "gif", "svg"})
"""Beside another one, everything is left to the server."""

FRAMES = frozenset({"frame_count", "frame_duration_ms"})
MIN_FRAMES, MAX_FRAMES = 2, 16


_OF_VECTORS = re.compile(r"(^|[-_.])(svg|vector)([-_.]|$)")


def makes_vectors(*names: str) -> bool:
    """Whether a model of these names, such as recraft-v4-svg, answers with SVG where nothing else is asked for."""
    return any(map(_OF_VECTORS.search, names))


def check_format(parameters: Mapping[str, Any], *, has_mask: bool) -> None:
    """Raise InputError for what would be refused for certain, before anything is sent."""
    output_format = parameters.get("output_format")
    if output_format == "gif" and has_mask:
        raise InputError("A GIF cannot be made within a mask.", hint="Choose another format, or unplug the mask.")
    if output_format == "svg" and parameters.get("n", 1) != 1:
        raise InputError("Of SVG pictures one is made at a time.", hint="Set n to 1, and change the seed for another.")
    count = parameters.get("frame_count")
    if output_format == "gif" and count is not None and not _is_count(count):
        raise InputError(f"frame_count is {count}.", hint=f"It goes from {MIN_FRAMES} to {MAX_FRAMES}.")


def misplaced(name: str, parameters: Mapping[str, Any]) -> str | None:
    """Why a parameter does not belong beside the format that was chosen; None where it does."""
    output_format = parameters.get("output_format")
    if output_format not in KNOWN:
        return None
    if name in FRAMES and output_format != "gif":
        return "it is for output_format gif"
    if name == "svg" and output_format != "svg":
        return "it is for output_format svg"
    if name == "output_compression" and output_format in ("gif", "svg"):
        return f"{output_format} is not compressed"
    return None


def bracketed(name: str, value: Any) -> Mapping[str, Any]:
    """The fields of a form for an object, as OpenAI's SDK writes them: ``svg[model]``."""
    if not isinstance(value, Mapping):
        return {name: value}
    fields: dict[str, Any] = {}
    for inner, held in value.items():
        fields.update(bracketed(f"{name}[{inner}]", held))
    return fields


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and MIN_FRAMES <= value <= MAX_FRAMES
