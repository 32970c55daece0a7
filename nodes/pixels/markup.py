"""Strokes over a picture that show what to change."""

from __future__ import annotations

import torch

from ..errors import InputError
from .encoding import as_float
from .masks import THRESHOLD, check_proportions
from .sizes import resize

_COLOUR = (1.0, 0.0, 0.0)
"""Of the strokes of a MASK."""


def check_markup(markup: torch.Tensor, picture: torch.Tensor) -> None:
    """Raise InputError for a MASK ``[1, H, W]`` or an IMAGE ``[1, H, W, C]`` that cannot be the strokes over a picture
    ``[H, W, C]``.
    """
    count = markup.shape[0] if markup.ndim > 2 else 1
    if count != 1:
        raise InputError(f"There are {count} pictures of strokes in markup; it is for the first picture alone.")
    if markup.ndim == 4 and markup.shape[-1] != 4:
        raise InputError(
            "The picture wired to markup has no transparency, so nobody knows what in it is a stroke.",
            hint="Wire a mask, or give it an alpha channel with Join Image with Alpha.",
        )
    strokes = as_float(markup)[..., 3] if markup.ndim == 4 else as_float(markup)
    if not (strokes >= THRESHOLD).any():
        raise InputError("The markup has no strokes.", code="EMPTY_MARKUP", hint="Draw some, or unplug it.")
    check_proportions(strokes, picture[None], "markup")


def strokes(markup: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A MASK ``[..., H, W]``, or an IMAGE ``[1, H, W, C]``, as strokes ``[height, width, 4]``; alpha says where."""
    values = as_float(markup).nan_to_num(nan=0.0).clamp(0.0, 1.0)
    if markup.ndim == 4:
        picture = values[:1] if markup.shape[-1] == 4 else torch.cat([values[:1, ..., :3], values[:1, ..., :1]], dim=-1)
    else:
        alpha = values.reshape(-1, *markup.shape[-2:])[0, ..., None]
        picture = torch.cat([torch.tensor(_COLOUR).expand(*alpha.shape[:2], 3), alpha], dim=-1)[None]
    return resize(picture, height, width)[0]
