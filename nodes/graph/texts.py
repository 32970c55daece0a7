"""What the browser puts into texts when it sends a graph: dates and values of widgets, and one choice of several."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Lookup = Callable[[str, str], str | None]
"""The value of a widget as text, by the name of its node and its own; None where there is no such widget."""

Choose = Callable[[Sequence[str]], str]
"""Picks one of what a dynamic prompt offers."""

PLACE = re.compile(r"%([^%]+)%")
DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
UNFIT_FOR_FILES = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
CHOICE = re.compile(r"\{[^}]*\|")
COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")

PREFIXED = frozenset(
    (
        *("SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio"),
        *("SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced", "SaveGLB", "Save3DAdvanced", "SaveGaussianSplat"),
        *("SavePointCloud", "SaveAnimatedPNG", "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLatent"),
    )
)
"""The classes whose ``filename_prefix`` is filled in."""


def filled_in(text: str, now: datetime, lookup: Lookup) -> str:
    """``text`` with ``%date:yyyy-MM-dd%`` and ``%Node.widget%`` replaced; what names nothing stays, as do
    ``%width%`` and the like, which ComfyUI replaces when it saves.
    """

    def replaced(match: re.Match[str]) -> str:
        node, *widget = match[1].split(".")
        if len(widget) == 1:
            value = lookup(node, widget[0])
            return match[0] if value is None else UNFIT_FOR_FILES.sub("_", value)
        return dated(node.removeprefix("date:"), now) if node.startswith("date:") else match[0]

    return PLACE.sub(replaced, text)


def dated(pattern: str, now: datetime) -> str:
    """``pattern`` with y, M, d, h, m and s replaced by the parts of ``now``, with zeros in front."""

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return {2: f"{now.year}"[2:], 4: f"{now.year}"}.get(len(letters), letters)
        parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}
        return f"{parts[letters[0]]:0{len(letters)}}"

    return DATE.sub(part, pattern)


def offers_choice(text: str) -> bool:
    """Whether a prompt of our nodes is a dynamic one: any other goes out as it is typed, braces of JSON and what
    follows the // of an address included. web/js/host/graph.js has the same rule.
    """
    return CHOICE.search(text) is not None and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def by_seed(node_id: str, held: Mapping[str, Any], text: str) -> Choose:
    """The same choice for the same ``text`` and seed of a node, whose widgets hold ``held``."""
    seeds = [held.get(name) for name in ("seed", "noise_seed")]
    return random.Random(f"{node_id} {seeds} {text}").choice


def chosen(text: str, choose: Choose) -> str:
    """``text`` without comments, and with one of ``{a|b}`` that ``choose`` picks; a backslash keeps a brace."""
    text = COMMENT.sub("", text)
    result, at = "", 0
    while at < len(text):
        if text[at] == "\\":
            result += text[at : at + 2]
            at += 2
        elif text[at] == "{":
            choices, at = _choices(text, at + 1)
            result += chosen(choose(choices), choose)
        else:
            result += text[at]
            at += 1
    return re.sub(r"\\([{}|])", r"\1", result)


def _choices(text: str, at: int) -> tuple[list[str], int]:
    """What stands between the bars of the braces that were opened before ``at``, and where they end."""
    choices, depth = [""], 0
    while at < len(text):
        letter = text[at]
        at += 1
        if letter == "\\":
            letter += text[at : at + 1]
            at += 1
        elif letter == "{":
            depth += 1
        elif letter == "}":
            if not depth:
                break
            depth -= 1
        elif letter == "|" and not depth:
            choices.append("")
            continue
        choices[-1] += letter
    return choices, at
