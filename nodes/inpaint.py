"""Inpaint Image: change what the mask covers, keep the rest bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from . import run
from .api import ImageRequest, Model
from .caller import HIDDEN
from .contract import REPORT_TOOLTIP, PaidNode
from .inputs import (
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
from .pictures import gather, read_images
from .pixels import composite, encode, encode_mask, fit_mask, match_channels, resize
from .receive import Delivery
from .report import describe, finish


class Inpaint(PaidNode):
    DESCRIPTION = (
        "Repaints the masked part of a picture from a prompt. Outside the mask the picture stays bit-identical, "
        "whatever the model does to it."
    )
    SEARCH_ALIASES = ["inpainting", "mask edit", "fill", "replace object", "remove object", "openai", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The pictures, as one batch; for several inputs those of the first come first.",
        "The mask: 1 where the picture was changed; everywhere with keep_unmasked off.",
        REPORT_TOOLTIP,
    )
    FUNCTION = "inpaint"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The picture to change. A batch makes one request for each picture."}),
                "mask": (
                    "MASK",
                    {"tooltip": "1 means change this. One mask for all pictures, or one for each; scaled if needed."},
                ),
                "prompt": prompt_input("What the masked part shall show. Describing the whole picture works best."),
                "model": model_input("edit"),
                "size": size_input(),
                "n": n_input(),
                "seed": seed_input(),
                "keep_unmasked": (
                    "BOOLEAN",
                    {
                        "default": True,
                        "tooltip": "Bring the answer back to the input's size and take every pixel outside the mask "
                        "from the input, bit for bit. Off: hand on the answer as it came.",
                    },
                ),
            },
            "optional": {"options": options_input()},
            "hidden": HIDDEN,
        }

    @run.paid_node
    async def inpaint(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        prompt: str,
        model: str,
        size: str,
        n: int,
        seed: int,
        keep_unmasked: bool,
        options: Options | None = None,
    ) -> dict[str, Any]:
        asked = read(model, size, n, options)
        text = read_prompt(prompt, "Describe what the masked part shall show.")
        images = read_images(image)
        masks, fitted = fit_mask(mask, images)

        def build(_: Model) -> list[ImageRequest]:
            return [
                ImageRequest("edits", asked.model, text, (encode(one),), encode_mask(its_mask), asked.parameters, seed)
                for one, its_mask in zip(images, masks, strict=True)
            ]

        results = await run.ask(asked.model, build, asked.on_failure)
        if keep_unmasked:
            result, changed, notes = _keep_unmasked(images, masks, results.deliveries, asked.transparent)
        else:
            result, _, notes = gather(results.deliveries, asked.transparent)
            changed = torch.ones(result.shape[:3])
        return finish(result, changed, describe(asked.model, results, [*asked.notes, *fitted, *notes], result))


def _keep_unmasked(
    images: torch.Tensor, masks: torch.Tensor, deliveries: Sequence[Delivery], transparent: bool
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Each answer laid into the picture it belongs to: the batch, the masks used, and notes."""
    height, width = images.shape[1:3]
    channels = 4 if transparent or images.shape[-1] == 4 else 3
    results, changed, notes = [], [], []
    for delivery in deliveries:
        original = match_channels(images[delivery.index][None], channels)
        mask = masks[delivery.index]
        for answer in delivery.pictures:
            if answer.shape[1:3] != (height, width):
                notes.append(_describe_scaling(answer.shape[2], answer.shape[1], width, height))
            answer = resize(match_channels(answer, channels), height, width)
            used = mask[None].expand(answer.shape[0], -1, -1)
            results.append(composite(original, answer, used))
            changed.append(used)
    return torch.cat(results), torch.cat(changed), notes


def _describe_scaling(from_width: int, from_height: int, width: int, height: int) -> str:
    note = f"The answer came as {from_width}x{from_height} and was scaled to the input's {width}x{height}."
    if abs(from_width * height / (from_height * width) - 1.0) > 0.02:
        note += " Its proportions differ, so what it shows is stretched; choose a size nearer to the input's shape."
    return note
