"""Image Variations: pictures like this one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from .api import ImageRequest, Model, Otherwise, Question, recompress
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
    size_input,
)
from .contract.nodes import HIDDEN, REPORT_TOOLTIP, PaidNode
from .contract.outputs import describe, gather, picture_outputs
from .contract.shown import as_they_came
from .pixels import central_square, encode, fingerprint_of, on_every_core, resize
from .purchase.plan import Outputs, Plan, Results

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

    def plan(
        self,
        image: torch.Tensor,
        model: str,
        size: str,
        n: int,
        similarity: str,
        seed: int,
        prompt: str = "",
        options: Options | None = None,
    ) -> VariationsPlan:
        terms = read_terms(model, size, n, options)
        images = read_images(image)
        check_text("The prompt", prompt)
        return VariationsPlan(terms, images, prompt.strip(), similarity, seed)


@dataclass(frozen=True)
class VariationsPlan(Plan):
    """``images`` are ``[B, H, W, C]``."""

    images: torch.Tensor
    prompt: str
    similarity: str
    seed: int

    def requests(self, model: Model) -> Sequence[ImageRequest]:
        # The endpoint takes no prompt.
        by_endpoint = "variations" in model.modes and not (self.prompt and "edit" in model.modes)
        text = f"{INSTRUCTIONS[self.similarity]} {self.prompt}".strip()
        terms, requests = self.terms, []
        files = [square.content for square in self._squares] if by_endpoint else on_every_core(encode, self.images)
        for picture, file in zip(self.images, files, strict=True):
            given = fingerprint_of(picture)
            question = Question(
                operation="variations",
                prompt=self.prompt,
                node={"similarity": self.similarity},
                pictures=[given],
            )
            if by_endpoint:
                request = ImageRequest("variations", terms.model, images=(file,))
                otherwise: Otherwise = ("edits", text, given)
            else:
                request = ImageRequest("edits", terms.model, text, (file,))
                otherwise = ("variations", None, fingerprint_of(central_square(picture)))
            requests.append(
                replace(request, parameters=terms.parameters, seed=self.seed, question=question, otherwise=otherwise)
            )
        return requests

    @functools.cached_property
    def _squares(self) -> list[_Square]:
        return list(on_every_core(_square, self.images))

    def finish(self, results: Results) -> Outputs:
        pictures, mask, fitted = gather(results.deliveries, self.terms.transparent)
        routes = self._routes({delivery.call.endpoint for delivery in results.deliveries})
        report = describe(self.terms.model, results, [*self.terms.notes, *routes, *fitted], pictures)
        shown = as_they_came(results.deliveries, lambda number: self.images[number])
        return picture_outputs(pictures, mask, report, shown)

    def _routes(self, endpoints: set[str]) -> list[str]:
        """Which way the pictures came; a replayed one may have come another than would be taken now."""
        notes = []
        if "images/variations" in endpoints:
            changes = sorted({change for square in self._squares for change in square.changes})
            made = f" The endpoint takes squares: {' and '.join(changes)}." if changes else ""
            notes.append(f"Asked /images/variations, which takes no prompt and no similarity.{made}")
        if "images/edits" in endpoints:
            notes.append(
                f"Asked /images/edits with an instruction ({self.similarity}), as for every model without variations."
            )
        return notes


class _Square(NamedTuple):
    """A picture as the endpoint takes it, a PNG, and what was done to it."""

    content: bytes
    changes: tuple[str, ...]


def _square(picture: torch.Tensor) -> _Square:
    square = central_square(picture)
    changes = () if square.shape == picture.shape else ("its central square was sent",)
    content = encode(square)
    if len(content) >= MAX_SQUARE_BYTES:
        tight = recompress(content, MAX_SQUARE_BYTES - 1, webp=False)
        content = tight.content if tight else content
    if len(content) >= MAX_SQUARE_BYTES:
        content = encode(resize(square[None], SQUARE_SIDE, SQUARE_SIDE)[0])
        changes = (*changes, f"scaled to {SQUARE_SIDE}x{SQUARE_SIDE} to stay under 4 MB")
    return _Square(content, changes)
