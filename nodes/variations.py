"""Image Variations: pictures like this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from .api import ImageRequest, Model, Otherwise, Question, recompress
from .contract.inputs import (
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
from .contract.nodes import REPORT_TOOLTIP, PaidNode, paid_node
from .contract.outputs import describe, finish, gather, read_images
from .pixels import central_square, encode, fingerprint_of, resize
from .purchase.ask import ask
from .purchase.origin import HIDDEN

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

    @paid_node
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
        check_text("The prompt", prompt)
        changes: set[str] = set()

        def build(found: Model) -> list[ImageRequest]:
            text = f"{INSTRUCTIONS[similarity]} {prompt.strip()}".strip()
            by_endpoint = _has_endpoint(found, prompt)
            if by_endpoint:
                requests = _by_endpoint(asked, images, seed, changes)
            else:
                requests = _by_instruction(asked, images, seed, text)
            question = Question(operation="variations", prompt=prompt.strip(), node={"similarity": similarity})
            written = []
            for picture, request in zip(images, requests, strict=True):
                given = fingerprint_of(picture)
                otherwise: Otherwise = ("edits", text, given)
                if not by_endpoint:
                    otherwise = ("variations", None, fingerprint_of(central_square(picture)))
                question["pictures"] = [given]
                written.append(replace(request, asked=Question(**question), otherwise=otherwise))
            return written

        results = await ask(asked.model, build, asked.on_failure, asked.too_large)
        routes = _routes({delivery.call.endpoint for delivery in results.deliveries}, similarity, changes)
        result, mask, fitted = gather(results.deliveries, asked.transparent)
        return finish(result, mask, describe(asked.model, results, [*asked.notes, *routes, *fitted], result))


def _has_endpoint(model: Model, prompt: str) -> bool:
    """Whether to use /images/variations, which takes no prompt, rather than an edit."""
    return "variations" in model.modes and not (prompt.strip() and "edit" in model.modes)


def _by_instruction(asked: Asked, images: torch.Tensor, seed: int, text: str) -> list[ImageRequest]:
    return [
        ImageRequest("edits", asked.model, text, (encode(picture),), parameters=asked.parameters, seed=seed)
        for picture in images
    ]


def _by_endpoint(asked: Asked, images: torch.Tensor, seed: int, changes: set[str]) -> list[ImageRequest]:
    """``changes`` receives what was done to the pictures."""
    requests = []
    for picture in images:
        square = central_square(picture)
        if square.shape != picture.shape:
            changes.add("its central square was sent")
        content = encode(square)
        if len(content) >= MAX_SQUARE_BYTES:
            tight = recompress(content, MAX_SQUARE_BYTES - 1, webp=False)
            content = tight.content if tight else content
        if len(content) >= MAX_SQUARE_BYTES:
            content = encode(resize(square[None], SQUARE_SIDE, SQUARE_SIDE)[0])
            changes.add(f"scaled to {SQUARE_SIDE}x{SQUARE_SIDE} to stay under 4 MB")
        requests.append(
            ImageRequest("variations", asked.model, images=(content,), parameters=asked.parameters, seed=seed)
        )
    return requests


def _routes(endpoints: set[str], similarity: str, changes: set[str]) -> list[str]:
    """Which way the pictures came, for the report; a replayed one may have come another than would be taken now."""
    notes = []
    if "images/variations" in endpoints:
        made = f" The endpoint takes squares: {' and '.join(sorted(changes))}." if changes else ""
        notes.append(f"Asked /images/variations, which takes no prompt and no similarity.{made}")
    if "images/edits" in endpoints:
        notes.append(f"Asked /images/edits with an instruction ({similarity}), as for every model without variations.")
    return notes
