"""Inpaint Image: change what the mask covers, keep the rest bit for bit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import torch

from . import host
from .api import ImageRequest, Model, Question
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
from .contract.outputs import answers, describe, finish, gather, read_images
from .contract.sizes import asked_sizes, pixels, served_sizes
from .pixels import MIN_CONTEXT, diagnose, fingerprint_of, fit_mask, highlight, plan_crop, shape_mask, surroundings
from .pixels.parts import Part, Region, assemble, plan, with_channels
from .purchase.ask import ask
from .purchase.origin import HIDDEN
from .purchase.quote import current_quote, is_guessing


class Inpaint(PaidNode):
    MODES = ("edit",)
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
                "model": model_input(*cls.MODES),
                "size": size_input(),
                "n": n_input(),
                "seed": seed_input(),
                "keep_unmasked": (
                    "BOOLEAN",
                    {
                        "default": True,
                        "tooltip": "Bring the answer back to its place in the input and take every pixel outside the "
                        "mask from the input, bit for bit. Off: hand on the answer as it came.",
                    },
                ),
            },
            "optional": {
                "options": options_input(),
                "region": (
                    list(get_args(Region)),
                    {
                        "default": "whole picture",
                        "tooltip": "What is sent. zoom to mask: the mask and its surroundings, at a size that the "
                        "model serves, so that small parts get all of its detail. zoom per island: a request, and its "
                        "price, for each separate part of the mask.",
                    },
                ),
                "context": (
                    "FLOAT",
                    {
                        "default": 0.5,
                        "min": 0.0,
                        "max": 8.0,
                        "step": 0.1,
                        "tooltip": "Zooming: surroundings on each side, as a share of the mask's width and height; at "
                        f"least {MIN_CONTEXT} pixels.",
                    },
                ),
                "grow": (
                    "INT",
                    {"default": 0, "min": 0, "max": 1024, "tooltip": "Pixels by which the mask is widened."},
                ),
                "feather": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 1024,
                        "tooltip": "Pixels over which the answer is blended in, inside the border of the grown mask.",
                    },
                ),
                "fill_holes": ("BOOLEAN", {"default": False, "tooltip": "Change what the mask encloses too."}),
                "invert": ("BOOLEAN", {"default": False, "tooltip": "Change what the mask leaves out instead."}),
                "match_colour": (
                    ["mean and spread", "off"],
                    {
                        "default": "mean and spread",
                        "tooltip": "Models change the colours of the whole frame. This brings the answer's back to the "
                        "input's, measured on what is kept around the mask.",
                    },
                ),
            },
            "hidden": HIDDEN,
        }

    @paid_node
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
        region: Region = "whole picture",
        context: float = 0.5,
        grow: int = 0,
        feather: int = 0,
        fill_holes: bool = False,
        invert: bool = False,
        match_colour: str = "mean and spread",
    ) -> dict[str, Any]:
        asked = read(model, size, n, options)
        text = read_prompt(prompt, "Describe what the masked part shall show.")
        images = read_images(image)
        guessing = is_guessing()
        fitted, notes = fit_mask(mask, images, invert=invert and not guessing, any_shape=guessing)
        masks = torch.stack([shape_mask(one, grow=grow, fill_holes=fill_holes) for one in fitted])
        notes += [warning for one in fitted for warning in diagnose(one)]
        if current_quote() is None:
            host.show_preview(host.current(), lambda: highlight(images[0], masks[0]))
        parts: list[Part] = []

        def build(found: Model) -> list[ImageRequest]:
            parameters = dict(asked.parameters)
            sizes = [] if region == "whole picture" else served_sizes(found, parameters)
            parts[:] = plan(masks, region, context, sizes)
            return [_request(part, images[part.index], asked.model, text, parameters, context, seed) for part in parts]

        results = await ask(asked.model, build, asked.on_failure, asked.too_large)
        sent = {delivery.index: delivery.call.asked.get("size") for delivery in results.deliveries}
        parts = [_as_sent(part, sent.get(number), context) for number, part in enumerate(parts)]
        facts: list[dict[str, Any]] = []
        if keep_unmasked:
            originals = with_channels(images, asked.transparent)
            result, changed, facts, found = await asyncio.to_thread(
                assemble, originals, parts, answers(results.deliveries), feather, match_colour != "off"
            )
        else:
            result, _, found = gather(results.deliveries, asked.transparent)
            changed = torch.ones(result.shape[:3])
        report = describe(asked.model, results, [*asked.notes, *notes, *found], result)
        return finish(result, changed, {**report, "inpainted": facts})


def _request(
    part: Part, image: torch.Tensor, model: str, prompt: str, parameters: dict[str, Any], context: float, seed: int
) -> ImageRequest:
    asked = _question(part, image, prompt, parameters, context)
    if part.size:
        parameters = {name: value for name, value in parameters.items() if name not in ("aspect_ratio", "resolution")}
        parameters["size"] = part.size
    picture, mask = part.write(image)
    return ImageRequest("edits", model, prompt, (picture,), mask, parameters, seed, asked=asked)


def _question(part: Part, image: torch.Tensor, prompt: str, parameters: Mapping[str, Any], context: float) -> Question:
    """What the user asked for: the crop that is sent depends on what is known of the model, what is around the mask
    does not.
    """
    if part.crop is None:
        return Question()
    around = surroundings(part.mask, context, asked_sizes(parameters))
    return Question(
        operation="zoomed edits",
        prompt=prompt,
        parameters=parameters,
        node={"context": context},
        pictures=[fingerprint_of(around.cut(image))],
        mask=fingerprint_of(around.cut_mask(part.solid)[..., None]),
    )


def _as_sent(part: Part, size: str | None, context: float) -> Part:
    """``part`` by the crop that was sent as ``size``, by a run that knew other sizes of the model."""
    if part.crop is None or size is None or size == part.size:
        return part
    return replace(part, crop=plan_crop(part.mask, context, [pixels(size)]))
