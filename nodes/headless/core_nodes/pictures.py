"""Nodes from pictures to pictures, IMAGE [B,H,W,C]."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...errors import InputError
from .scaling import METHODS, scale

MAX_SIDE = 16384

Inputs = dict[str, dict[str, Any]]


class ImageScale:
    """Resize to width x height; a side of 0 follows the other, both 0 changes nothing."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    IS_CONSTANT = True
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        side = ("INT", {"default": 512, "min": 0, "max": MAX_SIDE, "step": 1})
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (list(METHODS),),
                "width": side,
                "height": side,
                "crop": (["disabled", "center"],),
            }
        }

    def upscale(
        self, image: torch.Tensor, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[torch.Tensor]:
        if width == 0 and height == 0:
            return (image,)
        old_height, old_width = image.shape[1:3]
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        return (scale(image, width, height, upscale_method, crop=crop == "center"),)


class ImageScaleBy:
    """Resize both sides by a factor."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    IS_CONSTANT = True
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (list(METHODS),),
                "scale_by": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}),
            }
        }

    def upscale(self, image: torch.Tensor, upscale_method: str, scale_by: float) -> tuple[torch.Tensor]:
        height, width = (round(side * scale_by) for side in image.shape[1:3])
        return (scale(image, width, height, upscale_method),)


class ImageScaleToTotalPixels:
    """Resize to about so many pixels, a megapixel being 1024 x 1024, each side a multiple of ``resolution_steps``."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    IS_CONSTANT = True
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (list(METHODS),),
                "megapixels": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}),
            },
            # Graphs of earlier versions of ComfyUI do not have it.
            "optional": {"resolution_steps": ("INT", {"default": 1, "min": 1, "max": 256, "advanced": True})},
        }

    def upscale(
        self, image: torch.Tensor, upscale_method: str, megapixels: float, resolution_steps: int = 1
    ) -> tuple[torch.Tensor]:
        sides = image.shape[1:3]
        factor = math.sqrt(megapixels * 1024 * 1024 / (sides[0] * sides[1]))
        height, width = (round(side * factor / resolution_steps) * resolution_steps for side in sides)
        if not height or not width:
            raise InputError(
                f"ImageScaleToTotalPixels: of {sides[1]} x {sides[0]} pixels, {width} x {height} would be left.",
                hint="Set resolution_steps to less, or megapixels to more.",
            )
        return (scale(image, width, height, upscale_method),)


class GetImageSize:
    """Width and height in pixels, and the number of pictures."""

    RETURN_TYPES = ("INT", "INT", "INT")
    RETURN_NAMES = ("width", "height", "batch_size")
    FUNCTION = "size"
    IS_CONSTANT = True
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image": ("IMAGE",)}}

    def size(self, image: torch.Tensor) -> tuple[int, int, int]:
        count, height, width = image.shape[:3]
        return width, height, count


class ImageBatch:
    """Two pictures or batches as one; the second is cropped and scaled to the first, missing alpha is opaque."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"
    IS_CONSTANT = True
    CATEGORY = "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image1": ("IMAGE",), "image2": ("IMAGE",)}}

    def batch(self, image1: torch.Tensor, image2: torch.Tensor) -> tuple[torch.Tensor]:
        channels = max(image1.shape[-1], image2.shape[-1])
        image1, image2 = (
            torch.nn.functional.pad(image, (0, channels - image.shape[-1]), value=1.0) for image in (image1, image2)
        )
        height, width = image1.shape[1:3]
        if image2.shape[1:3] != (height, width):
            image2 = scale(image2, width, height, "bilinear", crop=True)
        return (torch.cat((image1, image2)),)


class EmptyImage:
    """A batch of one colour, given as 0xRRGGBB."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "generate"
    IS_CONSTANT = True
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        side = ("INT", {"default": 512, "min": 1, "max": MAX_SIDE, "step": 1})
        return {
            "required": {
                "width": side,
                "height": side,
                "batch_size": ("INT", {"default": 1, "min": 1, "max": 4096}),
                "color": ("INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}),
            }
        }

    def generate(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[torch.Tensor]:
        rgb = torch.tensor([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)])
        return (rgb.expand(batch_size, height, width, 3).contiguous(),)
