"""Generate Image: a picture from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .api import ImageRequest, Model
from .contract.inputs import (
    Options,
    model_input,
    n_input,
    options_input,
    prompt_input,
    read_prompt,
    read_terms,
    seed_input,
    size_input,
)
from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PaidNode
from .contract.outputs import describe, gather, picture_outputs
from .contract.shown import as_they_came
from .contract.sizes import MAX_SIDE
from .purchase.plan import Outputs, Plan, Results


class Generate(PaidNode):
    MODES = ("generate",)
    DESCRIPTION = "Makes pictures from a prompt with any image model of the server."
    SEARCH_ALIASES = ["text to image", "t2i", "openai", "gpt image", "flux", "gemini", "lumenfall", "dall-e"]
    OUTPUT_TOOLTIPS = (
        "The pictures, as one batch. Four channels only where a transparent background was asked for.",
        "The mask: 1 where a picture is transparent, 0 where it is opaque, as Load Image gives it.",
        REPORT_TOOLTIP,
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        side = {"forceInput": True, "min": 1, "max": MAX_SIDE}
        return {
            "required": {
                "prompt": prompt_input("What the picture shows."),
                "model": model_input(*cls.MODES),
                "size": size_input(),
                "n": n_input(),
                "seed": seed_input(),
            },
            "optional": {
                "width": ("INT", {**side, "tooltip": "Width in pixels. Wired together with height, wins over size."}),
                "height": ("INT", {**side, "tooltip": "Height in pixels. Wired together with width, wins over size."}),
                "options": options_input(),
            },
            "hidden": HIDDEN,
        }

    def plan(
        self,
        prompt: str,
        model: str,
        size: str,
        n: int,
        seed: int,
        width: int | None = None,
        height: int | None = None,
        options: Options | None = None,
    ) -> GeneratePlan:
        terms = read_terms(model, size, n, options, width=width, height=height)
        return GeneratePlan(terms, read_prompt(prompt, "Describe the picture to make."), seed)


@dataclass(frozen=True)
class GeneratePlan(Plan):
    prompt: str
    seed: int

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        terms = self.terms
        return [ImageRequest("generations", terms.model, self.prompt, parameters=terms.parameters, seed=self.seed)]

    def finish(self, results: Results) -> Outputs:
        images, mask, fitted = gather(results.deliveries, self.terms.transparent)
        report = describe(self.terms.model, results, [*self.terms.notes, *fitted], images)
        return picture_outputs(images, mask, report, as_they_came(results.deliveries))
