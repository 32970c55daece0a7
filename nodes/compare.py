"""Compare Models: one prompt, several models, one contact sheet."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .api import Endpoint, ImageRequest, Model
from .contract.inputs import (
    Options,
    model_input,
    options_input,
    prompt_input,
    read_images,
    read_prompt,
    read_terms,
    seed_input,
    size_input,
)
from .contract.nodes import HIDDEN, PaidNode
from .contract.outputs import cost_facts, describe
from .contract.shown import as_they_came, shown_in, to_be_shown
from .errors import InputError, LumenfallError, sentences, worst_of
from .pixels import Tile, contact_sheet, encode, fit_to_first, match_channels
from .purchase.plan import Outputs, Plan, Plans, Results, Terms, added, reported_costs, told_costs
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

    def plan(
        self,
        prompt: str,
        model: str,
        more_models: str,
        size: str,
        seed: int,
        image: torch.Tensor | None = None,
        options: Options | None = None,
    ) -> Comparison:
        contenders = _read_models(model, more_models, size, options)
        text = read_prompt(prompt, "Describe the picture to make, or what to change.")
        picture = None if image is None else _read_image(image)
        return Comparison(tuple(ContenderPlan(terms, text, picture, seed) for terms in contenders))


@dataclass(frozen=True)
class ContenderPlan(Plan):
    """What is asked of one model. ``picture`` is ``[H, W, C]``."""

    prompt: str
    picture: torch.Tensor | None
    seed: int

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        pictures = () if self.picture is None else (encode(self.picture),)
        endpoint: Endpoint = "edits" if pictures else "generations"
        terms = self.terms
        return [ImageRequest(endpoint, terms.model, self.prompt, pictures, None, terms.parameters, self.seed)]

    def finish(self, results: Results) -> Outputs:
        pictures, _ = fit_to_first([match_channels(picture, 3) for picture in results.deliveries[0].pictures])
        report = describe(self.terms.model, results, self.terms.notes, pictures)
        before = None if self.picture is None else self._before
        shown = as_they_came(results.deliveries[:1], before)
        return to_be_shown({"ui": {"lumenfall": [report]}, "result": (pictures,)}, shown[:1])

    def _before(self, _: int) -> torch.Tensor:
        assert self.picture is not None
        return self.picture


@dataclass(frozen=True)
class Comparison(Plans):
    def combine(self, outcomes: Sequence[Outputs | LumenfallError]) -> Outputs:
        errors = [outcome for outcome in outcomes if isinstance(outcome, LumenfallError)]
        if len(errors) == len(outcomes):
            raise worst_of(errors)
        images, tiles, reports, entries, shown = [], [], [], [], []
        for plan, outcome in zip(self.plans, outcomes, strict=True):
            name = plan.terms.model
            if isinstance(outcome, LumenfallError):
                tiles.append(Tile(name, sentences(outcome.message, outcome.hint)))
                entries.append({"model": name, "error": outcome.as_dict()})
                continue
            (pictures,), (report,) = outcome["result"], outcome["ui"]["lumenfall"]
            images.append(pictures[:1])
            shown += [replace(each, name=name) for each in shown_in(outcome)]
            tiles.append(Tile(name, _facts(report), pictures[0]))
            reports.append(report)
            entries.append(report)
        report = {
            **cost_facts(added(map(reported_costs, reports))),
            "count": len(images),
            "replayed": not errors and all(each["replayed"] for each in reports),
            "models": entries,
        }
        written = json.dumps(report, indent=2, ensure_ascii=False)
        outputs = {"ui": {"lumenfall": [report]}, "result": (images, contact_sheet(tiles), written)}
        return to_be_shown(outputs, shown)

    def summary(self, outputs: Outputs) -> str:
        (report,) = outputs["ui"]["lumenfall"]
        costs = reported_costs(report)
        price = f", {told_costs(costs)}" if costs else ""
        return f"{report['count']} of {len(self.plans)} models brought a picture{price}"


def _read_models(model: str, more_models: str, size: str, options: Options | None) -> list[Terms]:
    """What is asked of each model, every one once. Raises InputError for fewer than two or too many."""
    first = read_terms(model, size, 1, options)
    slugs = [first.model, *(slug for slug in re.split(r"[\s,;]+", more_models) if slug)]
    others = None if options is None else Options(**{**options, "model": ""})
    contenders = [first, *(read_terms(slug, size, 1, others) for slug in dict.fromkeys(slugs) if slug != first.model)]
    if not 2 <= len(contenders) <= MAX_MODELS:
        named = f"{len(contenders)} model{'s are' if len(contenders) != 1 else ' is'} named"
        raise InputError(
            f"{named}; 2 to {MAX_MODELS} can be compared.", hint="Write one slug to a line into more_models."
        )
    # One that fails is a tile of the sheet.
    return [replace(terms, on_failure="keep") for terms in contenders]


def _read_image(image: torch.Tensor) -> torch.Tensor:
    images = read_images(image)
    if images.shape[0] != 1:
        raise InputError(
            f"There are {images.shape[0]} pictures; one can be given to all models.",
            hint="Pick one, for example with an ImageFromBatch node.",
        )
    return images[0]


def _facts(report: dict[str, Any]) -> str:
    if report["replayed"]:
        price = "replayed, nothing paid"
    else:
        price = "cost unknown" if report["cost"] is None else f"{report['cost']:.4f} {report['currency']}"
    took = "" if report["replayed"] else f"  {report['seconds']:.1f} s"
    return f"{price}{took}  {report['size']}"
