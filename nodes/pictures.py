"""From what the requests of a node brought to its IMAGE and MASK outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .errors import InputError
from .pixels import as_float, fit_to_first, match_channels, split_alpha
from .receive import Delivery


def read_images(image: torch.Tensor) -> torch.Tensor:
    """An IMAGE input as float32 ``[B, H, W, C]`` on the CPU, values untouched. Raises InputError for another shape."""
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(
            f"An IMAGE must be batch x height x width x 1, 3 or 4 channels, not {' x '.join(map(str, image.shape))}."
        )
    return as_float(image)


def gather(deliveries: Sequence[Delivery], transparent: bool) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """All pictures as one batch of the first one's size, their MASK (1 - alpha), and notes on what was fitted.

    The batch has four channels where a transparent background was asked for, else three; colour is not
    multiplied by alpha in either.
    """
    pictures = [match_channels(picture, 4) for delivery in deliveries for picture in delivery.pictures]
    batch, notes = fit_to_first(pictures)
    colour, mask = split_alpha(batch)
    if transparent and not mask.any():
        notes.append("A transparent background was asked for, but the pictures came opaque.")
    return (batch if transparent else colour.contiguous()), mask.contiguous(), notes
