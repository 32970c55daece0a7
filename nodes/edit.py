"""Edit Image: change pictures by an instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .api import ImageRequest, Model
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
from .contract.shown import as_they_came, made_here
from .errors import InputError
from .pixels import (
    AUTO,
    asked,
    check_markup,
    check_proportions,
    diagnose,
    encode,
    encode_mask,
    fit_mask,
    on_every_core,
    planes,
    strokes,
)
from .pixels.parts import Part, assemble, with_channels
from .purchase.plan import Outputs, Plan, Results

MAX_IMAGES = 16
"""What /images/edits takes (OpenAI's openapi.yaml); a model may take fewer."""


class Edit(PaidNode):
    MODES = ("edit",)
    DESCRIPTION = "Changes a picture by an instruction, with up to 15 further pictures to take things from."
    SEARCH_ALIASES = ["image to image", "i2i", "kontext", "instruct", "multi image", "reference", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The pictures, as one batch.",
        "The mask: with a mask wired, 1 where the picture was changed; else 1 where it is transparent.",
        REPORT_TOOLTIP,
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        more = "A further picture of any size, or a batch. The prompt may speak of it by its number."
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The picture to change. A batch goes out in one request."}),
                "prompt": prompt_input("What to change, as an instruction: make it night, put the hat on the dog."),
                "model": model_input(*cls.MODES),
                "size": size_input(),
                "n": n_input(),
                "seed": seed_input(),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {"tooltip": "1 means change this, in the first picture. Outside it stays bit-identical."},
                ),
                "options": options_input(),
                **{f"image_{number}": ("IMAGE", {"tooltip": more}) for number in range(2, MAX_IMAGES + 1)},
                "markup": (
                    "IMAGE,MASK",
                    {
                        "tooltip": "Strokes over the first picture that show what to change: a mask, or a picture with "
                        "an alpha channel. The prompt may speak of them. Sent to models that take markup."
                    },
                ),
                "draw_markup": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "Where the model takes no markup: draw it into the first picture that is sent. The "
                        "answer may show traces of it; outside a mask none.",
                    },
                ),
            },
            "hidden": HIDDEN,
        }

    def plan(
        self,
        image: torch.Tensor,
        prompt: str,
        model: str,
        size: str,
        n: int,
        seed: int,
        mask: torch.Tensor | None = None,
        options: Options | None = None,
        **more: Any,
    ) -> EditPlan:
        markup, draw_markup = more.pop("markup", None), more.pop("draw_markup", False)
        terms = read_terms(model, size, n, options)
        text = read_prompt(prompt, "Say what to change.")
        pictures = _read_pictures(image, more)
        _check_count(len(pictures), MAX_IMAGES, "one request")
        fitted: torch.Tensor | None = None
        notes: list[str] = []
        if mask is not None:
            if planes(mask).shape[0] != 1:
                raise InputError(
                    f"There are {planes(mask).shape[0]} masks for the picture that is changed.",
                    code="MASK_BATCH",
                    hint="Give one mask, or use Inpaint Image, which makes a picture for each.",
                )
            masks, notes = fit_mask(mask, pictures[0][None], any_shape=True)
            fitted = masks[0]
            notes += diagnose(fitted)
        return EditPlan(terms, pictures, mask, fitted, text, seed, notes, markup, draw_markup)


@dataclass(frozen=True)
class EditPlan(Plan):
    """``pictures`` are ``[H, W, C]``; ``fitted`` is the MASK ``[H, W]`` of the first, made of ``mask``, as wired.
    Strokes over the first are ``markup``, as wired, a MASK or an IMAGE.
    """

    pictures: Sequence[torch.Tensor]
    mask: torch.Tensor | None
    fitted: torch.Tensor | None
    prompt: str
    seed: int
    notes: Sequence[str]
    markup: torch.Tensor | None = None
    draw_markup: bool = False

    def check(self) -> None:
        if self.mask is not None:
            check_proportions(self.mask, self.pictures[0][None])
        if self.markup is not None:
            check_markup(self.markup, self.pictures[0])

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        _check_count(len(self.pictures), model.max_images or MAX_IMAGES, model.id)
        content = tuple(on_every_core(encode, self.pictures))
        mask = None if self.fitted is None else encode_mask(asked(self.fitted))
        terms = self.terms
        request = ImageRequest("edits", terms.model, self.prompt, content, mask, terms.parameters, self.seed)
        if self.markup is None:
            return [request]
        drawn = encode(strokes(self.markup, *self.pictures[0].shape[:2]))
        return [replace(request, markup=drawn, draws_markup=self.draw_markup)]

    def finish(self, results: Results) -> Outputs:
        told = [*self.terms.notes, *self.notes]
        if self.fitted is None:
            pictures, mask, notes = gather(results.deliveries, self.terms.transparent)
            report = describe(self.terms.model, results, [*told, *notes], pictures)
            return picture_outputs(pictures, mask, report, as_they_came(results.deliveries, lambda _: self.pictures[0]))
        original = with_channels(self.pictures[0][None], self.terms.transparent)
        came, moving = answers(results.deliveries)
        pictures, mask, facts, notes = assemble(original, [Part(0, self.fitted, None)], came, AUTO, True)
        report = describe(self.terms.model, results, [*told, *moving, *notes], pictures)
        shown = made_here(pictures, mask, facts, lambda _: self.pictures[0])
        return picture_outputs(pictures, mask, {**report, "inpainted": facts}, shown)


def _read_pictures(image: torch.Tensor, more: dict[str, torch.Tensor | None]) -> list[torch.Tensor]:
    """All pictures ``[H, W, C]``, in the order of their sockets."""
    batches = {int(name.rpartition("_")[2]): batch for name, batch in more.items() if batch is not None}
    in_order = [image, *(batches[number] for number in sorted(batches))]
    return [picture for batch in in_order for picture in read_images(batch)]


def _check_count(count: int, most: int, taker: str) -> None:
    if count > most:
        raise InputError(
            f"There are {count} pictures, and {taker} takes at most {most}.",
            code="TOO_MANY_IMAGES",
            hint="Unplug some, pick some of a batch, or choose a model that takes more.",
        )
