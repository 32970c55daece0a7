"""Compare Models: one prompt, several models, one contact sheet."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable
from typing import Any

import torch

from . import host
from .api import Endpoint, ImageRequest
from .contract.inputs import (
    Asked,
    Options,
    model_input,
    options_input,
    prompt_input,
    read,
    read_prompt,
    seed_input,
    size_input,
)
from .contract.nodes import PaidNode, paid_node
from .contract.outputs import describe, read_images
from .errors import InputError, LumenfallError
from .pixels import Tile, contact_sheet, encode, fit_to_first, match_channels
from .purchase.ask import ask, worst_of
from .purchase.delivery import Results, total_cost
from .purchase.origin import HIDDEN
from .purchase.session import model_names

MAX_MODELS = 8
"""Each is paid for; a sheet of more is no longer looked at."""


class Compare(PaidNode):
    MODES = ("generate", "edit")
    DESCRIPTION = "Gives one prompt to several models at once and shows what each made of it, at what price."
    SEARCH_ALIASES = ["model race", "side by side", "grid", "contact sheet", "benchmark", "lumenfall"]
    RETURN_TYPES = ("IMAGE", "IMAGE", "STRING")
    RETURN_NAMES = ("images", "sheet", "report")
    OUTPUT_IS_LIST = (True, False, False)
    OUTPUT_TOOLTIPS = (
        "A list with the picture of each model that brought one, each in its own size.",
        "One picture with all of them, named, with cost and seconds; a model that failed says why.",
        "JSON text: for each model its provider, request id, cost, seconds and size, or its error.",
    )
    FUNCTION = "compare"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        menu = model_names("generate", "edit")
        tooltip = f"The models to compare it with, one to a line. With the first, at most {MAX_MODELS}."
        return {
            "required": {
                "prompt": prompt_input("What the picture shows; with a picture wired, what to change in it."),
                "model": model_input(*cls.MODES),
                "more_models": ("STRING", {"multiline": True, "default": "\n".join(menu[1:3]), "tooltip": tooltip}),
                "size": size_input(),
                "seed": seed_input(),
            },
            "optional": {
                "image": ("IMAGE", {"tooltip": "A picture to change. Without it, pictures are made from the prompt."}),
                "options": options_input(),
            },
            "hidden": HIDDEN,
        }

    @paid_node
    async def compare(
        self,
        prompt: str,
        model: str,
        more_models: str,
        size: str,
        seed: int,
        image: torch.Tensor | None = None,
        options: Options | None = None,
    ) -> dict[str, Any]:
        contenders = _read_models(model, more_models, size, options)
        text = read_prompt(prompt, "Describe the picture to make, or what to change.")
        pictures = () if image is None else (_read_image(image),)

        async def entry(asked: Asked) -> Results:
            endpoint: Endpoint = "edits" if pictures else "generations"
            request = ImageRequest(endpoint, asked.model, text, pictures, None, asked.parameters, seed)
            return await ask(asked.model, lambda _: [request], "keep", asked.too_large)

        outcomes = await _all(*(entry(asked) for asked in contenders))
        errors = [outcome for outcome in outcomes if isinstance(outcome, LumenfallError)]
        if len(errors) == len(outcomes):
            raise worst_of(errors)
        images, tiles, entries = [], [], []
        for asked, outcome in zip(contenders, outcomes, strict=True):
            if isinstance(outcome, LumenfallError):
                tiles.append(Tile(asked.model, f"{outcome.message} {outcome.hint}".strip()))
                entries.append({"model": asked.model, "error": outcome.as_dict()})
                continue
            made, _ = fit_to_first([match_channels(one, 3) for one in outcome.deliveries[0].pictures])
            report = describe(asked.model, outcome, asked.notes, made)
            images.append(made[:1])
            tiles.append(Tile(asked.model, _facts(report), made[0]))
            entries.append(report)
        brought = [one for outcome in outcomes if isinstance(outcome, Results) for one in outcome.deliveries]
        cost, currency = total_cost(brought)
        report = {"cost": cost, "currency": currency, "count": len(images), "models": entries}
        price = "" if cost is None else f", {cost:.4g} {currency or 'USD'}"
        host.show_progress(host.current(), f"{len(images)} of {len(contenders)} models brought a picture{price}")
        written = json.dumps(report, indent=2, ensure_ascii=False)
        return {"ui": {"lumenfall": [report]}, "result": (images, contact_sheet(tiles), written)}


async def _all(*asking: Awaitable[Results]) -> list[Results | LumenfallError]:
    """What each brought. Anything but a LumenfallError, such as the host's interruption, ends them all."""
    brought: list[Results | LumenfallError] = []
    for outcome in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, LumenfallError):
            raise outcome
        brought.append(outcome)
    return brought


def _read_models(model: str, more_models: str, size: str, options: Options | None) -> list[Asked]:
    """What is asked of each model, every one once. Raises InputError for fewer than two or too many."""
    first = read(model, size, 1, options)
    slugs = [first.model, *(slug for slug in re.split(r"[\s,;]+", more_models) if slug)]
    others = None if options is None else Options(**{**options, "model": ""})
    asked = [first, *(read(slug, size, 1, others) for slug in dict.fromkeys(slugs) if slug != first.model)]
    if not 2 <= len(asked) <= MAX_MODELS:
        raise InputError(
            f"{len(asked)} model{'s are' if len(asked) != 1 else ' is'} named; 2 to {MAX_MODELS} can be compared.",
            hint="Write one slug to a line into more_models.",
        )
    return asked


def _read_image(image: torch.Tensor) -> bytes:
    images = read_images(image)
    if images.shape[0] != 1:
        raise InputError(
            f"There are {images.shape[0]} pictures; one can be given to all models.",
            hint="Pick one, for example with an ImageFromBatch node.",
        )
    return encode(images[0])


def _facts(report: dict[str, Any]) -> str:
    if report["replayed"]:
        price = "replayed, nothing paid"
    else:
        price = "cost unknown" if report["cost"] is None else f"{report['cost']:.4f} {report['currency'] or 'USD'}"
    took = "" if report["replayed"] else f"  {report['seconds']:.1f} s"
    return f"{price}{took}  {report['size']}"
