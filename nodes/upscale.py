"""Upscale Image (Lumenfall): the same picture, larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .api import ImageRequest, Model
from .contract.inputs import Options, model_input, options_input, read_images, read_terms, seed_input
from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PaidNode
from .contract.outputs import answers, describe, gather, picture_outputs
from .contract.shown import as_they_came
from .errors import InputError
from .pixels import MAX_PIXELS, as_float, encode, on_every_core, planes, resize
from .pixels.likeness import SAME_SHAPE, doubts
from .purchase.delivery import Delivery
from .purchase.plan import Outputs, Plan, Results

_DECIDED = ("size", "aspect_ratio", "resolution", "n", "background")
"""What scale_factor settles, or an upscaler does not know."""


class Upscale(PaidNode):
    MODES = ("upscale",)
    DESCRIPTION = "Enlarges a picture as a whole with an upscaling model. Transparency is kept."
    SEARCH_ALIASES = ["upscaler", "super resolution", "enlarge", "esrgan", "topaz", "enhance", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The enlarged pictures, as one batch. Four channels where the input has four.",
        "The mask: 1 where a picture is transparent, 0 where it is opaque, as Load Image gives it.",
        REPORT_TOOLTIP,
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The picture to enlarge. A batch makes one request for each picture."}),
                "model": model_input(*cls.MODES),
                "scale_factor": (
                    "FLOAT",
                    {
                        "default": 2.0,
                        "min": 1.0,
                        "max": 16.0,
                        "step": 0.5,
                        "round": 0.01,
                        "tooltip": "How many times as wide and high. Some models know only 2 and 4, some none but "
                        "their own.",
                    },
                ),
                "seed": seed_input(),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {"tooltip": "The picture's transparency, as Load Image gives it: 1 is transparent."},
                ),
                "options": options_input(),
            },
            "hidden": HIDDEN,
        }

    def plan(
        self,
        image: torch.Tensor,
        model: str,
        scale_factor: float,
        seed: int,
        mask: torch.Tensor | None = None,
        options: Options | None = None,
    ) -> UpscalePlan:
        terms = read_terms(model, "auto", 1, options)
        images = read_images(image)
        alpha = _read_alpha(images, mask)
        _check_pixels(images.shape[2], images.shape[1], scale_factor)
        dropped = [name for name in _DECIDED if name in terms.parameters]
        notes = [f"{name} was not sent: scale_factor decides." for name in dropped]
        return UpscalePlan(terms, images, alpha, scale_factor, seed, notes)


@dataclass(frozen=True)
class UpscalePlan(Plan):
    """``images`` are ``[B, H, W, C]``; ``alpha`` is how opaque they are, ``[B, H, W]``, None where all are."""

    images: torch.Tensor
    alpha: torch.Tensor | None
    scale_factor: float
    seed: int
    notes: Sequence[str]

    @property
    def _colour(self) -> torch.Tensor:
        return self.images[..., :3] if self.images.shape[-1] == 4 else self.images

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        parameters = {name: value for name, value in self.terms.parameters.items() if name not in _DECIDED}
        # The gateway upscales because this field is there; whole factors are what some models list.
        factor = self.scale_factor
        parameters["scale_factor"] = int(factor) if float(factor).is_integer() else factor
        return [
            ImageRequest("edits", self.terms.model, images=(file,), parameters=parameters, seed=self.seed)
            for file in on_every_core(encode, self._colour)
        ]

    def finish(self, results: Results) -> Outputs:
        came, moving = answers(results.deliveries)
        deliveries = tuple(
            replace(delivery, pictures=tuple(picture[:1] for picture in delivery.pictures))
            for delivery in results.deliveries
        )
        pictures, mask, fitted = gather(deliveries, False)
        notes = [*self.terms.notes, *self.notes, *moving]
        notes += [
            note for number, each in came.items() for answer in each for note in doubts(self.images[number], answer)
        ]
        if self.alpha is not None:
            opacity = _enlarged(self.alpha, deliveries, *pictures.shape[1:3])
            mask = 1.0 - opacity
            notes.append("The transparency was enlarged here, not by the model, which saw the colours alone.")
            if self.images.shape[-1] == 4:
                pictures = torch.cat([pictures, opacity[..., None]], dim=-1)
        notes += _sizes(self._colour, self.scale_factor, deliveries)
        report = describe(self.terms.model, results, [*notes, *fitted], pictures)
        shown = as_they_came(deliveries, lambda number: self.images[number])
        if self.images.shape[-1] == 4:
            # With the transparency that no file of the store has.
            shown = [
                replace(each, picture=picture, stored=None) for each, picture in zip(shown, pictures, strict=False)
            ]
        return picture_outputs(pictures, mask, report, shown)


def _read_alpha(images: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor | None:
    """How opaque each picture is, ``[B, H, W]``, by its fourth channel and by ``mask``; None where all are opaque."""
    alpha = images[..., 3].clamp(0.0, 1.0) if images.shape[-1] == 4 else torch.ones(images.shape[:3])
    if mask is not None:
        clear = as_float(planes(mask)).clamp(0.0, 1.0)
        if clear.shape[0] not in (1, images.shape[0]):
            raise InputError(
                f"There are {clear.shape[0]} masks for {images.shape[0]} pictures.",
                code="MASK_BATCH",
                hint="Give one mask for all pictures, or one for each.",
            )
        alpha = alpha * (1.0 - resize(clear[..., None], *images.shape[1:3])[..., 0])
    return alpha if images.shape[-1] == 4 or not bool((alpha == 1.0).all()) else None


def _enlarged(alpha: torch.Tensor, deliveries: tuple[Delivery, ...], height: int, width: int) -> torch.Tensor:
    """The opacity of each picture that came, ``[B, height, width]``, in the 8 bits of a PNG: opaque stays 1."""
    numbers = [delivery.index for delivery in deliveries for picture in delivery.pictures for _ in picture]
    return (resize(alpha[numbers][..., None], height, width)[..., 0] * 255.0).round() / 255.0


def _check_pixels(width: int, height: int, factor: float) -> None:
    most = math.sqrt(MAX_PIXELS / (width * height))
    if factor > most:
        raise InputError(
            f"{width}x{height} enlarged {factor:g} times has more than the {MAX_PIXELS:,} pixels that can be decoded.",
            hint=f"Choose a scale_factor of at most {math.floor(most * 100) / 100:g}.",
        )


def _sizes(images: torch.Tensor, factor: float, deliveries: tuple[Delivery, ...]) -> list[str]:
    across, down = round(images.shape[2] * factor), round(images.shape[1] * factor)
    came = {(picture.shape[2], picture.shape[1]) for delivery in deliveries for picture in delivery.pictures}
    return [
        f"{across}x{down} was asked for, and {width}x{height} came"
        + (": this model has factors of its own." if abs(width * down / (height * across) - 1.0) < SAME_SHAPE else ".")
        for width, height in sorted(came)
        if abs(width - across) > 1 or abs(height - down) > 1
    ]
