"""Bringing pictures to one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import interpolate


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """``[B, H, W, C]`` scaled to ``height`` x ``width`` with an antialiased bicubic filter, clamped to 0..1.

    The same tensor where the size is right already.
    """
    if images.shape[1:3] == (height, width):
        return images
    planes = images.movedim(-1, 1)
    scaled = interpolate(planes, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
    return scaled.movedim(1, -1).clamp(0.0, 1.0).contiguous()


def match_channels(images: torch.Tensor, channels: int) -> torch.Tensor:
    """``[B, H, W, C]`` with 3 or 4 channels: grey is repeated, alpha is dropped or added as opaque."""
    if images.shape[-1] == 1:
        images = images.expand(*images.shape[:3], 3)
    if images.shape[-1] > channels:
        return images[..., :channels]
    if images.shape[-1] < channels:
        return torch.cat([images, torch.ones_like(images[..., :1])], dim=-1)
    return images


def fit_to_first(pictures: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[str]]:
    """Pictures ``[b, h, w, C]`` of any sizes as one batch of the first one's size, and what was done to them.

    A picture of another size is scaled until it covers the first one's frame and cropped around its centre,
    as ComfyUI's own image nodes do; nothing is stretched. What had the right size lies in the batch afterwards, so that
    memory has to hold large pictures once.
    """
    height, width = pictures[0].shape[1:3]
    fitted, notes = [], []
    for number, picture in enumerate(pictures, start=1):
        if picture.shape[1:3] != (height, width):
            notes.append(
                f"Picture {number} came as {picture.shape[2]}x{picture.shape[1]} and was scaled and cropped "
                f"to {width}x{height}, the size of the first; its file keeps the original."
            )
        fitted.append(_cover(picture, height, width))
    return _joined(fitted) if len(fitted) > 1 else fitted[0], notes


def _joined(pictures: Sequence[torch.Tensor]) -> torch.Tensor:
    batch = torch.empty(sum(map(len, pictures)), *pictures[0].shape[1:], dtype=pictures[0].dtype)
    start = 0
    for picture in pictures:
        place = batch[start : start + len(picture)]
        place.copy_(picture)
        # Its own memory is free before the next one's place is filled. What was made in inference mode cannot be moved.
        if not picture.is_inference():
            picture.set_(place)  # type: ignore[call-overload]
        start += len(picture)
    return batch


def central_square(image: torch.Tensor) -> torch.Tensor:
    """The largest square around the centre of one picture ``[H, W, C]``."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _cover(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    old_height, old_width = images.shape[1:3]
    if (old_height, old_width) == (height, width):
        return images
    scale = max(height / old_height, width / old_width)
    new_height, new_width = max(height, round(old_height * scale)), max(width, round(old_width * scale))
    scaled = resize(images, new_height, new_width)
    top, left = (new_height - height) // 2, (new_width - width) // 2
    return scaled[:, top : top + height, left : left + width]
