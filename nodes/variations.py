"""Image Variations: pictures like this one."""

from __future__ import annotations

from typing import Any

import torch

from . import run
from .api import ImageRequest, Model
from .caller import HIDDEN
from .contract import REPORT_TOOLTIP, PaidNode
from .inputs import (
    Asked,
    Options,
    check_text,
    model_input,
    n_input,
    options_input,
    prompt_input,
    read,
    seed_input,
    size_input,
)
from .pictures import gather, read_images
from .pixels import central_square, encode, resize
from .report import describe, finish

MAX_SQUARE_BYTES = 4 * 10**6
"""What /images/variations takes: a square PNG under 4 MB (OpenAI's openapi.yaml)."""

SQUARE_SIDE = 1024
"""The largest picture that the endpoint gives back, so nothing is gained by sending more."""

INSTRUCTIONS = {
    "close": (
        "Make a close variation of this picture. Keep its subject, composition, viewpoint, colours, light and style; "
        "vary only small details."
    ),
    "balanced": (
        "Make a variation of this picture. Keep its subject, style and mood; vary the composition, the viewpoint and "
        "the details noticeably."
    ),
    "free": (
        "Make a new picture inspired by this one. Keep the idea of its subject and its mood; choose composition, "
        "viewpoint, colours, light and details freely."
    ),
}


class Variations(PaidNode):
    MODES = ("edit", "variations")
    DESCRIPTION = "Makes pictures that resemble the input: closely, in a balanced way, or freely."
    SEARCH_ALIASES = ["variation", "similar image", "remix", "image to image", "i2i", "openai", "lumenfall"]
    OUTPUT_TOOLTIPS = (
        "The variations, as one batch; for several inputs those of the first come first.",
        "The mask: 1 where a picture is transparent, 0 where it is opaque, as Load Image gives it.",
        REPORT_TOOLTIP,
    )
    FUNCTION = "vary"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The picture to vary. A batch makes one request for each picture."}),
                "model": model_input(*cls.MODES),
                "size": size_input(),
                "n": n_input(),
                "similarity": (
                    list(INSTRUCTIONS),
                    {"default": "balanced", "tooltip": "How near the variations stay to the picture."},
                ),
                "seed": seed_input(),
            },
            "optional": {
                "prompt": prompt_input("What to keep, or where to steer. May be empty."),
                "options": options_input(),
            },
            "hidden": HIDDEN,
        }

    @run.paid_node
    async def vary(
        self,
        image: torch.Tensor,
        model: str,
        size: str,
        n: int,
        similarity: str,
        seed: int,
        prompt: str = "",
        options: Options | None = None,
    ) -> dict[str, Any]:
        asked = read(model, size, n, options)
        images = read_images(image)
        notes = list(asked.notes)

        def build(found: Model) -> list[ImageRequest]:
            if _has_endpoint(found, prompt):
                requests, route = _by_endpoint(asked, images, seed)
            else:
                requests, route = _by_instruction(asked, images, seed, similarity, prompt)
            notes.append(route)
            return requests

        results = await run.ask(asked.model, build, asked.on_failure, asked.too_large)
        result, mask, fitted = gather(results.deliveries, asked.transparent)
        return finish(result, mask, describe(asked.model, results, [*notes, *fitted], result))


def _has_endpoint(model: Model, prompt: str) -> bool:
    """Whether to use /images/variations, which takes no prompt, rather than an edit."""
    return "variations" in model.modes and not (prompt.strip() and "edit" in model.modes)


def _by_instruction(
    asked: Asked, images: torch.Tensor, seed: int, similarity: str, prompt: str
) -> tuple[list[ImageRequest], str]:
    check_text("The prompt", prompt)
    text = f"{INSTRUCTIONS[similarity]} {prompt.strip()}".strip()
    requests = [
        ImageRequest("edits", asked.model, text, (encode(one),), parameters=asked.parameters, seed=seed)
        for one in images
    ]
    return requests, f"Asked /images/edits with an instruction ({similarity}), as for every model without variations."


def _by_endpoint(asked: Asked, images: torch.Tensor, seed: int) -> tuple[list[ImageRequest], str]:
    requests, changes = [], set()
    for one in images:
        square = central_square(one)
        if square.shape != one.shape:
            changes.add("its central square was sent")
        content = encode(square)
        if len(content) >= MAX_SQUARE_BYTES:
            content = encode(resize(square[None], SQUARE_SIDE, SQUARE_SIDE)[0])
            changes.add(f"scaled to {SQUARE_SIDE}x{SQUARE_SIDE} to stay under 4 MB")
        requests.append(
            ImageRequest("variations", asked.model, images=(content,), parameters=asked.parameters, seed=seed)
        )
    made = f" The endpoint takes squares: {' and '.join(sorted(changes))}." if changes else ""
    return requests, f"Asked /images/variations, which takes no prompt and no similarity.{made}"
