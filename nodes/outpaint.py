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
from .contract.shown import made_here
from .contract.sizes import MAX_SIDE, parse_size, read_size, served_sizes
from .errors import AnswerError, Charged, InputError
from .pixels import Borders, Crop, encode, encode_mask, extend, fingerprint_of, new_area, on_every_core, plan_crop
from .pixels.parts import Part, assemble, with_channels
from .purchase.plan import Outputs, Plan, Results

INSTRUCTION = (
    "Extend the picture beyond its borders: continue its scene, perspective, light and style into the masked area, "
    "and keep what is there."
)

ANCHORS = {"centre": (0.5, 0.5), "left": (0.0, 0.5), "right": (1.0, 0.5), "top": (0.5, 0.0), "bottom": (0.5, 1.0)}
"""Where the picture lies on the larger one: the share of what is added that goes to its left, and above it."""


AS_SENT = (
    "The new area came back as it was sent, with the border of the picture repeated: the model has hardly painted "
    "there. Try another model, or a prompt that says what lies beyond."
)

_SAME = 6.0 / 255.0
"""Mean difference up to which an area is what was sent, but for its compression."""

_EVEN = 1.0 / 255.0
"""Mean step from a pixel to the next up to which a repeated border is no stripes."""

_LEAST = 2
"""Pixels: 1366x768 is 16:9 but for a strip that nobody would pay for."""


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
            "optional": {"options": options_input(), "size": _size_input()},
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
        size: str = "auto",
    ) -> OutpaintPlan:
        terms = read_terms(model, size, n, options)
        check_text("The prompt", prompt)
        images = read_images(image)
        height, width = images.shape[1:3]
        borders = Borders(left, top, right, bottom)
        if aspect.strip():
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

    @property
    def preview(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.canvas[0], self.weight

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        text = f"{INSTRUCTION} {self.prompt}".strip()
        crop = self._crop(served_sizes(model, self.terms.parameters))
        # Beyond the canvas, where its shape is not the model's, the scene goes on too; that is cut off again.
        kept = crop.to_sent_size(crop.cut_mask((self.weight == 0.0).float())[..., None])[..., 0]
        mask = encode_mask((kept < 0.99).float())
        parameters = {
            name: value for name, value in self.terms.parameters.items() if name not in ("aspect_ratio", "resolution")
        }
        parameters["size"] = f"{crop.sent_width}x{crop.sent_height}"
        files = on_every_core(encode, (crop.to_sent_size(crop.cut(extended)) for extended in self.canvas))
        return [
            ImageRequest(
                "edits",
                self.terms.model,
                text,
                (file,),
                mask,
                parameters,
                self.seed,
                question=self._question(original),
            )
            for original, file in zip(self.originals, files, strict=True)
        ]

    def _crop(self, sizes: Sequence[tuple[int, int]]) -> Crop:
        """All of the canvas, in the shape of a size that is served."""
        return plan_crop(torch.ones_like(self.weight), 0.0, sizes)

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
        for delivery in results.deliveries:
            # A run of an earlier version sent the canvas as it is, and no size.
            size = delivery.call.parameters.get("size")
            crop = self._crop([parse_size(size)]) if size else None
            parts[delivery.index] = Part(delivery.index, self.weight, crop)
        came, moving = answers(results.deliveries)
        pictures, mask, facts, notes = assemble(self.canvas, parts, came, None, True)
        if any(
            self._is_as_sent(picture, self.canvas[fact["picture"]])
            for picture, fact in zip(pictures, facts, strict=True)
        ):
            notes.append(AS_SENT)
        rows, columns, cut = self._without_gaps(mask)
        pictures, mask = pictures[:, rows, columns], mask[:, rows, columns]
        report = describe(self.terms.model, results, [*self.terms.notes, *moving, *notes, *cut], pictures)
        shown = made_here(pictures, mask, facts, lambda number: self._before(number)[rows, columns])
        return picture_outputs(pictures, mask, {**report, "inpainted": facts}, shown)

    def _is_as_sent(self, picture: torch.Tensor, canvas: torch.Tensor) -> bool:
        """Whether the new area of ``picture`` is the repeated border that was sent, where that is no even ground, which
        may go on so.
        """
        new = self.weight == 1.0
        if float((picture - canvas).abs().mean(dim=-1)[new].mean()) > _SAME:
            return False
        down, across = (canvas.diff(dim=side).abs().mean(dim=-1) for side in (0, 1))
        steps = torch.cat([down[new[1:] & new[:-1]], across[new[:, 1:] & new[:, :-1]]])
        return float(steps.mean()) > _EVEN

    def _before(self, number: int) -> torch.Tensor:
        """An original in its place on the canvas, ``[H, W, 4]``; nothing is around it."""
        height, width = self.originals.shape[1:3]
        opacity = 1.0 - new_area(height, width, self.borders, 0)
        return torch.cat([self.canvas[number, ..., :3], opacity[..., None]], dim=-1)

    def _without_gaps(self, mask: torch.Tensor) -> tuple[slice, slice, list[str]]:
        """The rows and columns without the sides that an answer did not show, by what was changed, and a note on those.
        Raises AnswerError where nothing new is left.
        """
        empty = (mask < self.weight - 1e-3).any(dim=0)
        if not empty.any():
            return slice(None), slice(None), []
        borders, (height, width) = self.borders, self.originals.shape[1:3]
        rows, columns = empty.float().mean(dim=1) > 0.5, empty.float().mean(dim=0) > 0.5
        top, bottom = _outermost(rows, borders.top, borders.top + height)
        left, right = _outermost(columns, borders.left, borders.left + width)
        if (bottom - top, right - left) == (height, width):
            raise AnswerError(
                "The answer shows nothing beyond the borders of the picture: the model gave back what it got.",
                hint="Its file is kept with the others. Try another model, a prompt that says what lies beyond, or "
                "another size.",
                charged=Charged.YES,
            )
        lost = {"left": left, "top": top, "right": mask.shape[2] - right, "bottom": mask.shape[1] - bottom}
        told = ", ".join(f"{pixels} px {side}" for side, pixels in lost.items() if pixels)
        note = f"The answer shows less than was asked for; what it lacks was cut off ({told})."
        return slice(top, bottom), slice(left, right), [note] if told else []


def _outermost(gaps: torch.Tensor, start: int, stop: int) -> tuple[int, int]:
    """From where to where a line holds no gap, around the old picture from ``start`` to ``stop``."""
    places = gaps.nonzero()[:, 0].tolist()
    return (
        max([place + 1 for place in places if place < start], default=0),
        min([place for place in places if place >= stop], default=len(gaps)),
    )


def _size_input() -> tuple[str, dict[str, Any]]:
    tooltip = (
        "The size to send the larger picture at. auto: that of the model which fits its shape. Or pixels, such as "
        "1536x1024, or a ratio."
    )
    return "STRING", {"default": "auto", "tooltip": tooltip}


def _borders_for(aspect: str, anchor: str, width: int, height: int) -> Borders:
    """The least that brings ``width`` x ``height`` to the shape ``aspect``. Raises InputError."""
    shape = read_size(aspect)
    if shape is None:
        raise InputError(f"The aspect {aspect!r} is not understood.", hint="Write a ratio such as 16:9, or nothing.")
    across, down = (float(part) for part in shape.replace("x", ":").split(":"))
    # A hair less than the exact share: 1024 x 3/2 must not become 1537 by the last bit of a float.
    new_width = max(width, math.ceil(height * across / down - 1e-6))
    new_height = max(height, math.ceil(width * down / across - 1e-6))
    if max(new_width - width, new_height - height) < _LEAST:
        return Borders(0, 0, 0, 0)
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
