"""From ``size``, ``aspect_ratio`` and ``resolution`` to pixels.

Precedence as on Lumenfall's model pages: ``size`` as WxH settles everything; else a shape (``aspect_ratio``, or
``size`` as W:H) and a scale (``resolution``) are combined, each with the model's own where it is missing.
"""

from __future__ import annotations

import math
import re

from .refusal import invalid

DEFAULT_SIZE = (1024, 1024)
MIN_SIDE, MAX_SIDE = 16, 4096
WIDEST = 4.0  # shapes beyond 4:1 are mapped to 4:1, as the gateway maps to the nearest that a model supports
TIERS = {0.5: 512, 1.0: 1024, 2.0: 2048, 4.0: 4096}  # side of a square picture

_PIXELS = re.compile(r"(\d+)x(\d+)")
_RATIO = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")
_TIER = re.compile(r"(\d+(?:\.\d+)?)[kK]")


def pixel_size(
    size: str | None, aspect_ratio: str | None, resolution: str | None, natural: tuple[int, int] = DEFAULT_SIZE
) -> tuple[int, int]:
    """Width and height. ``natural`` is the size when nothing is asked for: in an edit, that of the first picture."""
    size, aspect_ratio, resolution = (None if text == "auto" else text for text in (size, aspect_ratio, resolution))
    if size and (match := _PIXELS.fullmatch(size)):
        width, height = int(match[1]), int(match[2])
        if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
            raise invalid(f"Invalid size '{size}': each side must be between {MIN_SIDE} and {MAX_SIDE} pixels.")
        return width, height
    ratio = _ratio("size", size) or _ratio("aspect_ratio", aspect_ratio)
    tier = _tier(resolution)
    if ratio is None and tier is None:
        return natural
    area = tier * tier if tier else natural[0] * natural[1]
    ratio = ratio or natural[0] / natural[1]
    sides = (math.sqrt(area * ratio), math.sqrt(area / ratio))
    width, height = (min(max(round(side), MIN_SIDE), MAX_SIDE) for side in sides)
    return width, height


def _ratio(field: str, text: str | None) -> float | None:
    if not text:
        return None
    match = _RATIO.fullmatch(text)
    if match is None or not float(match[1]) or not float(match[2]):
        raise invalid(f"Invalid {field} '{text}': write it like 1024x1024 or 16:9.")
    return min(max(float(match[1]) / float(match[2]), 1 / WIDEST), WIDEST)


def _tier(text: str | None) -> int | None:
    if not text:
        return None
    match = _TIER.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid resolution '{text}': write it like 1K, 2K or 4K.")
    return TIERS[min(TIERS, key=lambda tier: abs(tier - float(match[1])))]
