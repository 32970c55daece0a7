"""The inputs that several nodes share: how they are declared, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

import torch

from ..api import Mode
from ..errors import InputError
from ..graph.fields import declared
from ..pixels import INSTALL, as_float, readable
from ..purchase.plan import Terms, TooLarge
from ..purchase.session import model_names
from ..settings import OnFailure
from .sizes import read_size

MAX_SEED = 2**31 - 1
"""Providers differ; this is the largest that all of them take."""


class Options(TypedDict):
    """What the Request Options node hands on. ``model`` is empty where the node's own choice counts."""

    model: str
    parameters: dict[str, Any]
    on_failure: OnFailure
    too_large: TooLarge


def model_input(*modes: Mode) -> tuple[list[str], dict[str, Any]]:
    """The model menu of a node that needs one of ``modes``."""
    names = model_names(*modes)
    tooltip = (
        "The model that makes the picture. Any other slug works too, also provider/slug such as fal/flux.2-pro: "
        "write it into Request Options."
    )
    return names, {"default": names[0], "tooltip": tooltip}


def prompt_input(tooltip: str) -> tuple[str, dict[str, Any]]:
    return "STRING", {"multiline": True, "default": "", "dynamicPrompts": True, "tooltip": tooltip}


def size_input() -> tuple[str, dict[str, Any]]:
    tooltip = (
        "auto leaves it to the model (for edits: as the input). Or pixels, such as 1024x1024, 1536x1024, 1024x1536 "
        "or 3840x2160, or a ratio, such as 16:9 or 2:3."
    )
    return "STRING", {"default": "auto", "tooltip": tooltip}


def n_input(**more: Any) -> tuple[str, dict[str, Any]]:
    tooltip = "How many pictures to make. Each one is paid for."
    return "INT", {"default": 1, "min": 1, "max": 10, "tooltip": tooltip, **more}


def seed_input() -> tuple[str, dict[str, Any]]:
    tooltip = (
        "The number of the take: queued again unchanged, the node is not run again; another number buys another "
        "picture. Sent to models that take a seed."
    )
    return "INT", {"default": 0, "min": 0, "max": MAX_SEED, "control_after_generate": True, "tooltip": tooltip}


def options_input() -> tuple[str, dict[str, Any]]:
    return "LUMENFALL_OPTIONS", {"tooltip": "A Request Options node, for settings that are rarely needed."}


def read_terms(
    model: str,
    size: str,
    n: int,
    options: Options | None,
    *,
    width: int | None = None,
    height: int | None = None,
) -> Terms:
    """The shared inputs as requests need them. Raises InputError for a size that is none."""
    given = options or Options(model="", parameters={}, on_failure="stop", too_large="refuse")
    parameters = dict(given["parameters"])
    notes = []
    if (width is None) != (height is None):
        raise InputError("Only one of width and height is wired.", hint="Wire both, or use size.")
    text = size if width is None else f"{width}x{height}"
    chosen = read_size(text)
    if chosen:
        parameters["size"] = chosen
        ignored = [name for name in ("aspect_ratio", "resolution") if name in parameters]
        if ignored and "x" in chosen:
            notes.append(f"{' and '.join(ignored)} cannot count beside the size {chosen}; set size to auto to use it.")
    if n != 1:
        parameters["n"] = n
    slug = (given["model"] or model or "").strip()
    if not slug:
        raise InputError("No model is chosen.", hint="Pick one, or write its slug into Request Options.")
    if not re.fullmatch(r"[!-~]{1,200}", slug) or ".." in slug:
        raise InputError("The model's slug holds a space or a special character.", hint="It looks like flux.2-pro.")
    output_format = parameters.get("output_format")
    if output_format and not readable(f".{output_format}".lower()):
        lacking, hint = f"The installed Pillow cannot open {output_format} pictures.", "install a newer Pillow"
        if output_format == "svg":
            lacking, hint = "Nothing is installed that draws SVG pictures.", INSTALL
        raise InputError(lacking, hint=f"Choose png. Or {hint[0].lower()}{hint[1:]}.")
    # Without an options node, the settings decide about failures.
    on_failure = given["on_failure"] if options else None
    return Terms(slug, parameters, tuple(notes), on_failure, given["too_large"])


def read_prompt(prompt: str, what: str) -> str:
    """The prompt without surrounding space. Raises InputError where there is none."""
    text = prompt.strip()
    if not text:
        raise InputError("The prompt is empty.", hint=what)
    check_text("The prompt", text)
    return text


def check_text(name: str, text: str) -> None:
    """Raise InputError for text that cannot be sent, such as half of an emoji."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{name} holds half a character at position {error.start}.", hint="Write it again.") from None


def check_links(node_class: type[Any], linked: Mapping[str, Any]) -> str | None:
    """What is wrong with the types of linked inputs, or None.

    ComfyUI leaves this check to a node whose VALIDATE_INPUTS names ``input_types``.
    """
    fields = declared(node_class)
    for name, received in linked.items():
        if name not in fields or isinstance(received, list):
            continue
        # Into a list of models any text may be wired.
        field = fields[name] if fields[name].choices is None else replace(fields[name], kind="COMBO,STRING")
        if not field.accepts(received):
            return f"{name}: received {received}, needs {field.kind.replace(',', ' or ')}"
    return None


def read_images(image: torch.Tensor) -> torch.Tensor:
    """An IMAGE input as float32 ``[B, H, W, C]`` on the CPU, values untouched. Raises InputError for another shape."""
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(
            f"An IMAGE must be batch x height x width x 1, 3 or 4 channels, not {' x '.join(map(str, image.shape))}."
        )
    return as_float(image)
