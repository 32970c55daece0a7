"""Sizes as users write them, and those in which a picture may be sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..api import Model
from ..errors import InputError


def read_size(text: str) -> str | None:
    """``auto`` as None, pixels as ``1024x1536``, a ratio as ``16:9``. Raises InputError for anything else."""
    compact = re.sub(r"\s+", "", text).lower().replace("\N{MULTIPLICATION SIGN}", "x").replace("*", "x")
    if compact in ("auto", ""):
        return None
    pixels = re.fullmatch(r"(\d{1,6})x(\d{1,6})", compact, re.ASCII)
    if pixels and all(1 <= int(side) <= MAX_SIDE for side in pixels.groups()):
        return "x".join(str(int(side)) for side in pixels.groups())
    ratio = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?):(\d{1,4}(?:\.\d{1,4})?)", compact, re.ASCII)
    if ratio and all(float(part) > 0 for part in ratio.groups()):
        return ":".join(ratio.groups())
    raise InputError(
        f"The size {text!r} is not understood.",
        hint=f"Write auto, pixels up to {MAX_SIDE} such as 1536x1024, or a ratio such as 16:9.",
    )


MAX_SIDE = 16384


def served_sizes(model: Model, parameters: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The sizes (width, height) in which a crop may be sent: what the user asked for, else what the model serves."""
    asked = asked_sizes(parameters)
    if asked:
        return asked
    tier = _tier(parameters)
    known = [parse_size(text) for text in model.sizes or PRESETS]
    return [(round(width * tier), round(height * tier)) for width, height in known]


def asked_sizes(parameters: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The size (width, height) that the user asked for; none where that is left to the model."""
    size = parameters.get("size") or read_size(str(parameters.get("aspect_ratio", "auto")))
    if not size:
        return []
    if "x" in size:
        return [parse_size(size)]
    across, down = (float(part) for part in size.split(":"))
    side = 1024 * _tier(parameters)
    return [(_rounded(side * math.sqrt(across / down)), _rounded(side * math.sqrt(down / across)))]


PRESETS = ("1024x1024", "1536x1024", "1024x1536")
"""What every model takes that takes a size at all (Lumenfall's page on edits, OpenAI's openapi.yaml)."""

_TIERS = {"0.5K": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}


def _tier(parameters: Mapping[str, Any]) -> float:
    return _TIERS.get(str(parameters.get("resolution", "1K")).upper(), 1.0)


def parse_size(size: str) -> tuple[int, int]:
    """Width and height of ``1024x1536``."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def _rounded(side: float) -> int:
    """To the multiple of 16 that the free sizes of GPT Image must have."""
    return max(16, round(side / 16) * 16)
