"""Inpaint Image: change what the mask covers, keep the rest bit for bit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch

from .api import ImageRequest, Model, Question
from .contract.inputs import (
    Options,
    model_input,
    n_input,
    options_input,
    prompt_input,
    read_images,
    read_prompt,
    read_terms,
    seed_input,
    size_input,
)
from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PaidNode
from .contract.outputs import answers, describe, gather, picture_outputs
from .contract.shown import Shown, as_they_came, made_here
from .contract.sizes import asked_sizes, parse_size, served_sizes
from .pixels import (
    AUTO,
    MIN_CONTEXT,
    asked,
    check_proportions,
    diagnose,
    fingerprint_of,
    fit_mask,
    on_every_core,
    shape_mask,
    surroundings,
)
from .pixels.parts import Part, Region, assemble, split, with_channels, write
from .purchase.plan import Outputs, Plan, Results


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
                        "advanced": True,
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
                        "advanced": True,
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
                    {
                        "advanced": True,
                        "default": 0,
                        "min": 0,
                        "max": 1024,
                        "tooltip": "Pixels by which the mask is widened.",
                    },
                ),
                "feather": (
                    "INT",
                    {
                        "advanced": True,
                        "default": AUTO,
                        "min": AUTO,
                        "max": 1024,
                        "tooltip": "Pixels over which the answer is blended in, inside the border of the grown mask. "
                        "-1: what suits the mask's size; 0: a hard border.",
                    },
                ),
                "fill_holes": (
                    "BOOLEAN",
                    {"advanced": True, "default": False, "tooltip": "Change what the mask encloses too."},
                ),
                "invert": (
                    "BOOLEAN",
                    {"advanced": True, "default": False, "tooltip": "Change what the mask leaves out instead."},
                ),
                "match_colour": (
                    ["mean and spread", "off"],
                    {
                        "advanced": True,
                        "default": "mean and spread",
                        "tooltip": "Models change the colours of the whole frame. This brings the answer's back to the "
                        "input's, measured on what is kept around the mask.",
                    },
                ),
            },
            "hidden": HIDDEN,
        }

    def plan(
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
        feather: int = AUTO,
        fill_holes: bool = False,
        invert: bool = False,
        match_colour: str = "mean and spread",
    ) -> InpaintPlan:
        terms = read_terms(model, size, n, options)
        text = read_prompt(prompt, "Describe what the masked part shall show.")
        images = read_images(image)
        fitted, notes = fit_mask(mask, images, invert=invert, any_shape=True)
        # One picture with several masks, as segmenting nodes give them, is one picture for each.
        images = images.expand(fitted.shape[0], -1, -1, -1)
        masks = torch.stack([shape_mask(each, grow=grow, fill_holes=fill_holes) for each in fitted])
        notes += [warning for each in fitted for warning in diagnose(each)]
        return InpaintPlan(
            terms,
            images=images,
            mask=mask,
            masks=masks,
            prompt=text,
            seed=seed,
            keep_unmasked=keep_unmasked,
            region=region,
            context=context,
            feather=feather,
            match_colour=match_colour != "off",
            notes=notes,
        )


@dataclass(frozen=True)
class InpaintPlan(Plan):
    """``images`` are ``[B, H, W, C]``, ``masks`` ``[B, H, W]``; ``mask`` is what they came from, as it is wired."""

    images: torch.Tensor
    mask: torch.Tensor
    masks: torch.Tensor
    prompt: str
    seed: int
    keep_unmasked: bool
    region: Region
    context: float
    feather: int
    match_colour: bool
    notes: Sequence[str]

    @property
    def preview(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[0], self.masks[0]

    def check(self) -> None:
        check_proportions(self.mask, self.images)

    @functools.cached_property
    def _parts(self) -> list[Part]:
        return split(self.masks, self.region)

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        parts = self._parts
        if self.region != "whole picture":
            sizes = served_sizes(model, self.terms.parameters)
            parts = [part.zoomed(self.context, sizes) for part in parts]
        written = on_every_core(write, (part.cut(self.images[part.index]) for part in parts))
        return [self._request(part, *files) for part, files in zip(parts, written, strict=True)]

    def _request(self, part: Part, picture: bytes, mask: bytes) -> ImageRequest:
        image, parameters = self.images[part.index], dict(self.terms.parameters)
        question = self._question(part, image)
        if part.size:
            parameters = {key: value for key, value in parameters.items() if key not in ("aspect_ratio", "resolution")}
            parameters["size"] = part.size
        return ImageRequest(
            "edits", self.terms.model, self.prompt, (picture,), mask, parameters, self.seed, question=question
        )

    def _question(self, part: Part, image: torch.Tensor) -> Question:
        """What the user asked for: the crop that is sent depends on what is known of the model, what is around the mask
        does not.
        """
        if part.crop is None:
            return Question()
        around = surroundings(part.mask, self.context, asked_sizes(self.terms.parameters))
        return Question(
            operation="zoomed edits",
            prompt=self.prompt,
            parameters=self.terms.parameters,
            node={"context": self.context},
            pictures=[fingerprint_of(around.cut(image))],
            mask=fingerprint_of(around.cut_mask(asked(part.mask))[..., None]),
        )

    def finish(self, results: Results) -> Outputs:
        facts: list[dict[str, Any]] = []
        if self.keep_unmasked:
            originals = with_channels(self.images, self.terms.transparent)
            came, moving = answers(results.deliveries)
            pictures, changed, facts, notes = assemble(
                originals, self._sent(results), came, self.feather, self.match_colour
            )
            notes = [*moving, *notes]
            shown = made_here(pictures, changed, facts, lambda number: self.images[number])
        else:
            pictures, _, notes = gather(results.deliveries, self.terms.transparent)
            changed = torch.ones(pictures.shape[:3])
            shown = self._as_they_came(results)
        report = describe(self.terms.model, results, [*self.terms.notes, *self.notes, *notes], pictures)
        return picture_outputs(pictures, changed, {**report, "inpainted": facts}, shown)

    def _as_they_came(self, results: Results) -> list[Shown]:
        """A zoomed answer is a crop of what was there before."""
        if self.region != "whole picture":
            return as_they_came(results.deliveries)
        return as_they_came(results.deliveries, lambda number: self.images[number], lambda number: self.masks[number])

    def _sent(self, results: Results) -> list[Part]:
        """The parts by the crops that were sent, perhaps by a run that knew other sizes of the model."""
        parts = list(self._parts)
        if self.region != "whole picture":
            for delivery in results.deliveries:
                size = parse_size(delivery.call.parameters["size"])
                parts[delivery.index] = parts[delivery.index].zoomed(self.context, [size])
        return parts
