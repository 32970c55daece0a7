"""Generate Image: a picture from words."""

from __future__ import annotations

from typing import Any

from .api import ImageRequest
from .contract.inputs import (
    Options,
    model_input,
    n_input,
    options_input,
    prompt_input,
    read,
    read_prompt,
    seed_input,
    size_input,
)
from .contract.nodes import REPORT_TOOLTIP, PaidNode, paid_node
from .contract.outputs import describe, finish, gather
from .contract.sizes import MAX_SIDE
from .purchase.ask import ask
from .purchase.origin import HIDDEN


class Generate(PaidNode):
    MODES = ("generate",)
    DESCRIPTION = "Makes pictures from a prompt with any image model of the server."
    SEARCH_ALIASES = ["text to image", "t2i", "openai", "gpt image", "flux", "gemini", "lumenfall", "dall-e"]
    OUTPUT_TOOLTIPS = (
        "The pictures, as one batch. Four channels only where a transparent background was asked for.",
        "The mask: 1 where a picture is transparent, 0 where it is opaque, as Load Image gives it.",
        REPORT_TOOLTIP,
    )
    FUNCTION = "generate"

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

    @paid_node
    async def generate(
        self,
        prompt: str,
        model: str,
        size: str,
        n: int,
        seed: int,
        width: int | None = None,
        height: int | None = None,
        options: Options | None = None,
    ) -> dict[str, Any]:
        asked = read(model, size, n, options, width=width, height=height)
        text = read_prompt(prompt, "Describe the picture to make.")
        request = ImageRequest("generations", asked.model, text, parameters=asked.parameters, seed=seed)
        results = await ask(asked.model, lambda _: [request], asked.on_failure, asked.too_large)
        images, mask, fitted = gather(results.deliveries, asked.transparent)
        return finish(images, mask, describe(asked.model, results, [*asked.notes, *fitted], images))
