"""Outpaint Image: what lies beyond the borders of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch

from .api import ImageRequest, Model, Question
from .contract.inputs import (
    Options,
    check_text,
    model_input,
    n_input,
    options_input,
    prompt_input,
    read_images,
    read_terms,
    seed_input,
)
from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PaidNode
from .contract.outputs import answers, describe, picture_outputs
from .contract.sizes import MAX_SIDE, read_size
from .errors import InputError
from .pixels import Borders, encode, encode_mask, extend, fingerprint_of, new_area
from .pixels.parts import Part, assemble, with_channels
from .purchase.plan import Outputs, Plan, Results

INSTRUCTION = (
    "Extend the picture beyond its borders: continue its scene, perspective, light and style into the masked area, "
    "and keep what is there."
)

ANCHORS = {"centre": (0.5, 0.5), "left": (0.0, 0.5), "right": (1.0, 0.5), "top": (0.5, 0.0), "bottom": (0.5, 1.0)}
"""Where the picture lies on the larger one: the share of what is added that goes to its left, and above it."""


class Outpaint(PaidNode):
    MODES = ("edit",)
    DESCRIPTION = "Extends a picture beyond its borders. What was there stays bit-identical, but for the feather."
    SEARCH_ALIASES = ["outpainting", "extend", "expand", "uncrop", "pad image", "aspect ratio", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The larger pictures, as one batch; for several inputs those of the first come first.",
        "The mask: 1 where the picture is new, falling to 0 over the feather.",
        REPORT_TOOLTIP,
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        def side(default: int, name: str) -> tuple[str, dict[str, Any]]:
            tooltip = f"Pixels to add {name}."
            return "INT", {"default": default, "min": 0, "max": 8192, "step": 8, "tooltip": tooltip}

        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The picture to extend. A batch makes one request for each picture."}),
                "prompt": prompt_input("What the new area shall show. May be empty: the scene goes on."),
                "model": model_input(*cls.MODES),
                "left": side(0, "on the left"),
                "top": side(0, "above"),
                "right": side(256, "on the right"),
                "bottom": side(0, "below"),
                "aspect": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "The shape to grow to, such as 16:9. Wins over the four borders; empty: they count.",
                    },
                ),
                "anchor": (
                    list(ANCHORS),
                    {
                        "advanced": True,
                        "default": "centre",
                        "tooltip": "With aspect: where the picture lies on the larger one.",
                    },
                ),
                "feather": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 32,
                        "min": 0,
                        "max": 512,
                        "tooltip": "Pixels inside the old borders over which old and new are blended.",
                    },
                ),
                "n": n_input(advanced=True),
                "seed": seed_input(),
            },
            "optional": {"options": options_input()},
            "hidden": HIDDEN,
        }

    def plan(
        self,
        image: torch.Tensor,
        prompt: str,
        model: str,
        left: int,
        top: int,
        right: int,
        bottom: int,
        aspect: str,
        anchor: str,
        feather: int,
        n: int,
        seed: int,
        options: Options | None = None,
    ) -> OutpaintPlan:
        terms = read_terms(model, "auto", n, options)
        check_text("The prompt", prompt)
        images = read_images(image)
        height, width = images.shape[1:3]
        notes = []
        borders = Borders(left, top, right, bottom)
        if aspect.strip():
            if any((left, top, right, bottom)):
                notes.append("aspect is set, so left, top, right and bottom do not count.")
            borders = _borders_for(aspect, anchor, width, height)
        _check(borders, width, height)
        originals = with_channels(images, terms.transparent)
        return OutpaintPlan(
            terms,
            originals=originals,
            canvas=extend(originals, borders),
            weight=new_area(height, width, borders, feather),
            borders=borders,
            feather=feather,
            prompt=prompt.strip(),
            seed=seed,
            notes=notes,
        )


@dataclass(frozen=True)
class OutpaintPlan(Plan):
    """``originals`` and ``canvas``, the larger pictures, are ``[B, H, W, C]``; ``weight`` is what is new of one,
    ``[H, W]``.
    """

    originals: torch.Tensor
    canvas: torch.Tensor
    weight: torch.Tensor
    borders: Borders
    feather: int
    prompt: str
    seed: int
    notes: Sequence[str]

    @property
    def preview(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.canvas[0], self.weight

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        text, parameters = f"{INSTRUCTION} {self.prompt}".strip(), self.terms.parameters
        mask = encode_mask((self.weight > 0.0).float())
        return [
            ImageRequest(
                "edits",
                self.terms.model,
                text,
                (encode(extended),),
                mask,
                parameters,
                self.seed,
                question=self._question(original),
            )
            for original, extended in zip(self.originals, self.canvas, strict=True)
        ]

    def _question(self, original: torch.Tensor) -> Question:
        return Question(
            operation="outpaint",
            prompt=self.prompt,
            parameters=self.terms.parameters,
            node={"borders": astuple(self.borders), "feather": self.feather},
            pictures=[fingerprint_of(original)],
            mask=None,
        )

    def finish(self, results: Results) -> Outputs:
        parts = [Part(index, self.weight, None) for index in range(self.canvas.shape[0])]
        pictures, mask, facts, notes = assemble(self.canvas, parts, answers(results.deliveries), 0, True)
        report = describe(self.terms.model, results, [*self.terms.notes, *self.notes, *notes], pictures)
        return picture_outputs(pictures, mask, {**report, "inpainted": facts})


def _borders_for(aspect: str, anchor: str, width: int, height: int) -> Borders:
    """The least that brings ``width`` x ``height`` to the shape ``aspect``. Raises InputError."""
    shape = read_size(aspect)
    if shape is None:
        raise InputError(f"The aspect {aspect!r} is not understood.", hint="Write a ratio such as 16:9, or nothing.")
    across, down = (float(part) for part in shape.replace("x", ":").split(":"))
    # A hair less than the exact share: 1024 x 3/2 must not become 1537 by the last bit of a float.
    new_width = max(width, math.ceil(height * across / down - 1e-6))
    new_height = max(height, math.ceil(width * down / across - 1e-6))
    to_left, above = ANCHORS[anchor]
    left, top = round((new_width - width) * to_left), round((new_height - height) * above)
    return Borders(left, top, new_width - width - left, new_height - height - top)


def _check(borders: Borders, width: int, height: int) -> None:
    if not any((borders.left, borders.top, borders.right, borders.bottom)):
        raise InputError(
            "Nothing is to be added: the four borders are 0, or the picture has this aspect already.",
            code="NOTHING_TO_DO",
            hint="Set left, top, right or bottom, or another aspect.",
        )
    new_width, new_height = width + borders.left + borders.right, height + borders.top + borders.bottom
    if max(new_width, new_height) > MAX_SIDE:
        raise InputError(
            f"The extended picture would be {new_width}x{new_height}; at most {MAX_SIDE} pixels a side are made.",
            hint="Add less, or scale the picture down first.",
        )
