"""Nodes about transparency, and about one picture on another. IMAGE [B,H,W,C], MASK [B,H,W] in 0..1."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError
from .pictures import MAX_SIDE
from .scaling import scale

Inputs = dict[str, dict[str, Any]]


class JoinImageWithAlpha:
    """The picture with 1 - mask as its alpha; a mask of another size is scaled. The shorter batch begins anew."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "join"
    CATEGORY = "image/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image": ("IMAGE",), "alpha": ("MASK",)}}

    def join(self, image: torch.Tensor, alpha: torch.Tensor) -> tuple[torch.Tensor]:
        opacity = 1.0 - _fitted(alpha, image)
        count = max(len(image), len(opacity))
        return (torch.cat((_cycled(image, count)[..., :3], _cycled(opacity, count)), dim=-1),)


class SplitImageWithAlpha:
    """The colours, and 1 - alpha as mask; zeros where there is no alpha."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "split"
    CATEGORY = "image/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image": ("IMAGE",)}}

    def split(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mask = 1.0 - image[..., 3] if image.shape[-1] > 3 else torch.zeros_like(image[..., 0])
        return image[..., :3], mask


class ImageCompositeMasked:
    """``source`` on ``destination`` at x, y, where the mask is 1; what is outside is cut off.

    A mask of another size than the source is scaled to it. There are as many pictures as in ``destination``: a shorter
    batch begins anew, a longer one is cut. Alpha that only the source has is dropped, and taken as opaque where only
    the destination has it.
    """

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "composite"
    CATEGORY = "image/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        place = ("INT", {"default": 0, "min": 0, "max": MAX_SIDE, "step": 1})
        return {
            "required": {
                "destination": ("IMAGE",),
                "source": ("IMAGE",),
                "x": place,
                "y": place,
                "resize_source": ("BOOLEAN", {"default": False}),
            },
            "optional": {"mask": ("MASK",)},
        }

    def composite(
        self,
        destination: torch.Tensor,
        source: torch.Tensor,
        x: int,
        y: int,
        resize_source: bool,
        mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor]:
        count, height, width, channels = destination.shape
        if source.shape[-1] < min(channels, 3):
            raise InputError(
                f"ImageCompositeMasked: the source has {source.shape[-1]} channels, the destination {channels}.",
                hint="Turn the source into a picture of three channels.",
            )
        # Before it is scaled: the number of channels decides about the last bits.
        source = torch.nn.functional.pad(source, (0, max(0, channels - source.shape[-1])), value=1.0)[..., :channels]
        if resize_source:
            source = scale(source, width, height, "bilinear")
        weight = None if mask is None else _cycled(_fitted(mask, source), count)
        source = _cycled(source, count)
        result = destination.clone()
        below = result[:, y : y + source.shape[1], x : x + source.shape[2]]
        source = source[:, : below.shape[1], : below.shape[2]]
        if weight is not None:
            weight = weight[:, : below.shape[1], : below.shape[2]]
            source = weight * source + (1.0 - weight) * below
        below[:] = source
        return (result,)


def _fitted(mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """``mask`` in the size of ``image``, as [B,H,W,1]."""
    layers = mask.reshape((-1, *mask.shape[-2:]))[..., None]
    return scale(layers, image.shape[2], image.shape[1], "bilinear")


def _cycled(batch: torch.Tensor, count: int) -> torch.Tensor:
    """The first ``count`` of ``batch``, which begins anew where it is shorter."""
    return batch if len(batch) == count else batch[torch.arange(count, device=batch.device) % len(batch)]
