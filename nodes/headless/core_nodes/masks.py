"""Nodes that make or change masks, MASK [B,H,W] in 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .pictures import MAX_SIDE

Inputs = dict[str, dict[str, Any]]


class InvertMask:
    RETURN_TYPES = ("MASK",)
    FUNCTION = "invert"
    CATEGORY = "image/mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"mask": ("MASK",)}}

    def invert(self, mask: torch.Tensor) -> tuple[torch.Tensor]:
        return (1.0 - mask,)


class ImageToMask:
    """One channel as it is; "alpha" is not inverted here."""

    CHANNELS = ("red", "green", "blue", "alpha")

    RETURN_TYPES = ("MASK",)
    FUNCTION = "image_to_mask"
    CATEGORY = "image/mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image": ("IMAGE",), "channel": (list(cls.CHANNELS),)}}

    def image_to_mask(self, image: torch.Tensor, channel: str) -> tuple[torch.Tensor]:
        return (image[..., self.CHANNELS.index(channel)],)


class MaskToImage:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mask_to_image"
    CATEGORY = "image/mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"mask": ("MASK",)}}

    def mask_to_image(self, mask: torch.Tensor) -> tuple[torch.Tensor]:
        return (_batch(mask)[..., None].expand(-1, -1, -1, 3),)


class SolidMask:
    RETURN_TYPES = ("MASK",)
    FUNCTION = "solid"
    CATEGORY = "image/mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        side = ("INT", {"default": 512, "min": 1, "max": MAX_SIDE, "step": 1})
        value = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01})
        return {"required": {"value": value, "width": side, "height": side}}

    def solid(self, value: float, width: int, height: int) -> tuple[torch.Tensor]:
        return (torch.full((1, height, width), value),)


class GrowMask:
    """Grow, or with a negative number shrink, by that many pixels; tapered corners grow as a diamond."""

    RETURN_TYPES = ("MASK",)
    FUNCTION = "expand_mask"
    CATEGORY = "image/mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "mask": ("MASK",),
                "expand": ("INT", {"default": 0, "min": -MAX_SIDE, "max": MAX_SIDE, "step": 1}),
                "tapered_corners": ("BOOLEAN", {"default": True}),
            }
        }

    def expand_mask(self, mask: torch.Tensor, expand: int, tapered_corners: bool) -> tuple[torch.Tensor]:
        from scipy import ndimage  # type: ignore[import-untyped]  # heavy, and no other node needs it

        footprint = ndimage.generate_binary_structure(2, 1 if tapered_corners else 2)
        step = ndimage.grey_erosion if expand < 0 else ndimage.grey_dilation
        grown = [one.cpu().numpy() for one in _batch(mask)]
        for _ in range(abs(expand)):
            grown = [step(one, footprint=footprint) for one in grown]
        return (torch.from_numpy(np.stack(grown)),)


def _batch(mask: torch.Tensor) -> torch.Tensor:
    return mask.reshape((-1, *mask.shape[-2:]))
