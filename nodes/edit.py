"""Edit Image: change pictures by an instruction."""

from __future__ import annotations

import asyncio
from typing import Any

import torch

from .api import ImageRequest, Model
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
from .errors import InputError
from .pixels import diagnose, encode, encode_mask, fit_mask
from .pixels.parts import Part, assemble, with_channels
from .purchase.ask import ask
from .purchase.origin import HIDDEN
from .purchase.quote import is_guessing

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
    FUNCTION = "edit"

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
            },
            "hidden": HIDDEN,
        }

    @paid_node
    async def edit(
        self,
        image: torch.Tensor,
        prompt: str,
        model: str,
        size: str,
        n: int,
        seed: int,
        mask: torch.Tensor | None = None,
        options: Options | None = None,
        **more: torch.Tensor | None,
    ) -> dict[str, Any]:
        asked = read(model, size, n, options)
        text = read_prompt(prompt, "Say what to change.")
        pictures = _read_pictures(image, more)
        _check_count(len(pictures), MAX_IMAGES, "one request")
        first, notes = pictures[0][None], list(asked.notes)
        masks = None
        if mask is not None:
            masks, fitted = fit_mask(mask, first, any_shape=is_guessing())
            notes += [*fitted, *diagnose(masks[0])]

        def build(found: Model) -> list[ImageRequest]:
            _check_count(len(pictures), found.max_images or MAX_IMAGES, found.id)
            content = tuple(encode(picture) for picture in pictures)
            its_mask = None if masks is None else encode_mask(masks[0])
            return [ImageRequest("edits", asked.model, text, content, its_mask, asked.parameters, seed)]

        results = await ask(asked.model, build, asked.on_failure, asked.too_large)
        if masks is None:
            result, changed, found = gather(results.deliveries, asked.transparent)
            return finish(result, changed, describe(asked.model, results, [*notes, *found], result))
        original = with_channels(first, asked.transparent)
        result, changed, facts, found = await asyncio.to_thread(
            assemble, original, [Part(0, masks[0], None)], answers(results.deliveries), 0, True
        )
        report = describe(asked.model, results, [*notes, *found], result)
        return finish(result, changed, {**report, "inpainted": facts})


def _read_pictures(image: torch.Tensor, more: dict[str, torch.Tensor | None]) -> list[torch.Tensor]:
    """All pictures ``[H, W, C]``, in the order of their sockets."""
    named = sorted((int(name.rpartition("_")[2]), found) for name, found in more.items() if found is not None)
    return [one for batch in (image, *(found for _, found in named)) for one in read_images(batch)]


def _check_count(count: int, most: int, taker: str) -> None:
    if count > most:
        raise InputError(
            f"There are {count} pictures, and {taker} takes at most {most}.",
            code="TOO_MANY_IMAGES",
            hint="Unplug some, pick some of a batch, or choose a model that takes more.",
        )
