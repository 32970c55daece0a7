"""Request Options: what is rarely needed, for any of the paid nodes."""

from __future__ import annotations

import json
import re
from typing import Any

from .contract.inputs import Options, check_text, prompt_input
from .contract.nodes import FreeNode
from .errors import InputError
from .purchase.plan import TooLarge
from .settings import OnFailure

_RESERVED = {"model", "prompt", "image", "mask", "markup", "n", "numimages", "size", "scalefactor", "stream"}
_RESERVED |= {"partialimages"}
"""The nodes' own inputs, or what would change how an answer must be read, however they are spelt: see _plain."""

_AUTO = "auto"
_EXAMPLE = 'Write an object such as {"cfg_scale": 4.5}.'


class RequestOptions(FreeNode):
    CATEGORY = "Lumenfall"
    DESCRIPTION = "Settings for a Lumenfall node. What is left on auto or empty is not sent."
    SEARCH_ALIASES = ["quality", "aspect ratio", "transparent background", "negative prompt", "output format"]
    RETURN_TYPES = ("LUMENFALL_OPTIONS",)
    RETURN_NAMES = ("options",)
    OUTPUT_TOOLTIPS = ("Wire this into the options input of one or more Lumenfall nodes.",)
    FUNCTION = "collect"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {
            "required": {
                "model": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Any slug, such as fal/flux.2-pro. Wins over the list.",
                    },
                ),
                "aspect_ratio": _choice(
                    "1:1 5:4 4:5 4:3 3:4 3:2 2:3 16:9 9:16 21:9 9:21",
                    "Shape of the picture, where size is auto.",
                ),
                "resolution": _choice("0.5K 1K 2K 4K", "Scale of the picture, where size is auto."),
                "quality": _choice(
                    "low medium high standard hd xhigh max", "Effort, and price, of models that offer a choice."
                ),
                "background": _choice("transparent opaque", "Transparent pictures come with four channels."),
                "output_format": _choice("png jpeg gif webp avif svg", "File format of the answer. png loses nothing."),
                "output_compression": (
                    "INT",
                    {
                        "advanced": True,
                        "default": -1,
                        "min": -1,
                        "max": 100,
                        "tooltip": "Quality of lossy formats, 0 to 100. -1: auto.",
                    },
                ),
                "response_format": _choice(
                    "url b64_json",
                    "How pictures travel: by link, or inside the answer, which hosts them nowhere.",
                    advanced=True,
                ),
                "negative_prompt": prompt_input("What to avoid, for models that list it."),
                "extra": (
                    "STRING",
                    {
                        "advanced": True,
                        "multiline": True,
                        "default": "",
                        "tooltip": 'More parameters as a JSON object, passed through: {"cfg_scale": 4.5}. '
                        "null takes one away.",
                    },
                ),
            },
            # Later additions are optional: a workflow that was exported before has no value for them.
            "optional": {
                "on_failure": (
                    ["stop", "keep"],
                    {
                        "advanced": True,
                        "default": "stop",
                        "tooltip": "When a request of a batch fails. stop: the node fails, once the others are safe "
                        "on disk. keep: what succeeded is handed on, the failures are in the report.",
                    },
                ),
                "too_large": (
                    ["refuse", "scale down"],
                    {
                        "advanced": True,
                        "default": "refuse",
                        "tooltip": "When a picture has more bytes than the server takes, even compressed again without "
                        "loss. refuse: an error before anything is sent. scale down: as little as it takes; the report "
                        "says by how much.",
                    },
                ),
                "options": (
                    "LUMENFALL_OPTIONS",
                    {"tooltip": "Another Request Options node, whose settings count where this one has none."},
                ),
            },
        }

    def collect(
        self,
        model: str,
        aspect_ratio: str,
        resolution: str,
        quality: str,
        background: str,
        output_format: str,
        output_compression: int,
        response_format: str,
        negative_prompt: str,
        extra: str,
        on_failure: OnFailure = "stop",
        too_large: TooLarge = "refuse",
        options: Options | None = None,
    ) -> tuple[Options]:
        given = options or Options(model="", parameters={}, on_failure="stop", too_large="refuse")
        choices = {
            "aspect_ratio": aspect_ratio,
            "resolution": resolution,
            "quality": quality,
            "background": background,
            "output_format": output_format,
            "response_format": response_format,
        }
        parameters: dict[str, Any] = dict(given["parameters"])
        parameters.update((name, value) for name, value in choices.items() if value != _AUTO)
        if output_compression >= 0:
            parameters["output_compression"] = output_compression
        check_text("negative_prompt", negative_prompt)
        if negative_prompt.strip():
            parameters["negative_prompt"] = negative_prompt.strip()
        parameters.update(read_extra(extra))
        return (
            Options(
                model=model.strip() or given["model"],
                parameters={name: value for name, value in parameters.items() if value is not None},
                on_failure=given["on_failure"] if on_failure == "stop" else on_failure,
                too_large=given["too_large"] if too_large == "refuse" else too_large,
            ),
        )


def read_extra(text: str) -> dict[str, Any]:
    """The extra parameters; null takes one away. Raises InputError for anything but a JSON object without the nodes'
    own inputs.
    """
    if not text.strip():
        return {}
    check_text("extra", text)
    try:
        parameters = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(parameters, allow_nan=False)  # such as 1e999
        check_text("extra", json.dumps(parameters, ensure_ascii=False))
    except json.JSONDecodeError as error:
        place = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise InputError(f"extra is not JSON: {place}.", hint=_EXAMPLE) from None
    except (ValueError, RecursionError):
        raise InputError("extra holds a number that is too large, or is nested too deeply.", hint=_EXAMPLE) from None
    if not isinstance(parameters, dict):
        raise InputError("extra is JSON, but no object.", hint=_EXAMPLE)
    taken = [name for name in parameters if _plain(name) in _RESERVED]
    if taken:
        raise InputError(f"extra must not hold {', '.join(taken)}.", hint="Set it on the node itself.")
    return parameters


def _plain(name: str) -> str:
    """A field's name without case, separators and index: ``Image[0]`` and ``num-images`` are spellings."""
    return re.sub(r"[\W_]", "", name.partition("[")[0]).lower()


def _refuse_constant(name: str) -> None:
    raise InputError(f"extra holds {name}, which is no JSON number.", hint=_EXAMPLE)


def _choice(values: str, tooltip: str, **more: Any) -> tuple[list[str], dict[str, Any]]:
    return [_AUTO, *values.split()], {"default": _AUTO, "tooltip": f"{tooltip} auto: not sent.", **more}
