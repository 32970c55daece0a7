"""Whether an answer that is handed on as it came shows the picture that it was made from."""

from __future__ import annotations

import torch

from .crops import Crop
from .framing import place
from .registration import Witness
from .stitching import UNLIKE

SAME_SHAPE = 0.03
"""By how much proportions may differ where sides are rounded to what a model can make."""


def doubts(picture: torch.Tensor, answer: torch.Tensor) -> list[str]:
    """What is wrong with an answer ``[h, w, C]`` that was to show all of ``picture`` ``[H, W, C]`` and nothing else, as
    notes.
    """
    height, width = picture.shape[:2]
    witness = Witness(picture.nan_to_num(nan=0.0).clamp(0.0, 1.0), torch.ones(height, width, dtype=torch.bool))
    fit, _, framing = place(witness, answer, Crop(0, 0, width, height, width, height))
    if fit.unlikeness > UNLIKE:
        return [
            "The answer does not resemble the picture at all: the model may have made another picture. Look at it "
            "before you go on."
        ]
    came = answer.shape[1] / answer.shape[0]
    if framing and abs(came * height / width - 1.0) > SAME_SHAPE:
        return [f"The answer has other proportions than the picture, and seems to be {framing}."]
    return []
