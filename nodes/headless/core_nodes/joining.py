"""Nodes that put several pictures into one batch, or side by side. IMAGE [B,H,W,C]."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError
from .scaling import scale

Inputs = dict[str, dict[str, Any]]

MOST_IMAGES = 50

COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


class BatchImagesNode:
    """Pictures and batches as one; all are cropped and scaled to the first, missing alpha is opaque."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"
    CATEGORY = "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        # As a graph in API format has them: each socket that the browser has grown is an input of its own.
        names = [f"images.image{index}" for index in range(MOST_IMAGES)]
        return {"required": {names[0]: ("IMAGE",)}, "optional": {name: ("IMAGE",) for name in names[1:]}}

    @classmethod
    def BROWSER_INPUT_TYPES(cls) -> dict[str, Any]:
        """The same as ComfyUI's frontend wants it."""
        template = {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 1, "max": MOST_IMAGES}
        return {"required": {"images": ("COMFY_AUTOGROW_V3", {"template": template})}}

    def batch(self, **inputs: torch.Tensor) -> tuple[torch.Tensor]:
        names = [name for group in self.INPUT_TYPES().values() for name in group]
        images = [inputs[name] for name in names if inputs.get(name) is not None]
        height, width = images[0].shape[1:3]
        # Before they are scaled: the number of channels decides about the last bits.
        images = with_equal_channels(*images)
        fitted = [
            image if image.shape[1:3] == (height, width) else scale(image, width, height, "bilinear", crop=True)
            for image in images
        ]
        return (torch.cat(fitted),)


class ImageStitch:
    """Two pictures or batches side by side, or one below the other; the shorter batch repeats its last picture.

    The second is scaled to the first's height or width, or, without ``match_image_size``, the smaller is framed: white
    if the spacing is, else black and transparent. The spacing is an even number of pixels.
    """

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "stitch"
    CATEGORY = "image/transform"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "image1": ("IMAGE",),
                "direction": (["right", "down", "left", "up"], {"default": "right"}),
                "match_image_size": ("BOOLEAN", {"default": True}),
                "spacing_width": ("INT", {"default": 0, "min": 0, "max": 1024, "step": 2, "advanced": True}),
                "spacing_color": (list(COLOURS), {"default": "white", "advanced": True}),
            },
            "optional": {"image2": ("IMAGE",)},
        }

    def stitch(
        self,
        image1: torch.Tensor,
        direction: str,
        match_image_size: bool,
        spacing_width: int,
        spacing_color: str,
        image2: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor]:
        if image2 is None:
            return (image1,)
        count = max(len(image1), len(image2))
        image1, image2 = (_extended(image, count) for image in (image1, image2))
        axis, across = (2, 1) if direction in ("right", "left") else (1, 2)
        if match_image_size:
            image2 = _matched(image2, image1.shape[across], across)
        elif image1.shape[across] != image2.shape[across]:
            most = max(image1.shape[across], image2.shape[across])
            value = 1.0 if spacing_color == "white" else 0.0
            image1, image2 = (_framed(image, most, across, value) for image in (image1, image2))
        image1, image2 = with_equal_channels(image1, image2)
        parts = [image1, image2] if direction in ("right", "down") else [image2, image1]
        if spacing_width > 0:
            parts.insert(1, _spacing(image1, axis, spacing_width + spacing_width % 2, COLOURS[spacing_color]))
        return (torch.cat(parts, dim=axis),)


def with_equal_channels(*images: torch.Tensor) -> list[torch.Tensor]:
    """``images`` with as many channels as the one that has most; what is missing is 1, opaque."""
    channels = max(image.shape[-1] for image in images)
    return [torch.nn.functional.pad(image, (0, channels - image.shape[-1]), value=1.0) for image in images]


def _extended(batch: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat((batch, batch[-1:].expand(count - len(batch), -1, -1, -1)))


def _matched(image: torch.Tensor, side: int, axis: int) -> torch.Tensor:
    """``image`` scaled so that it has ``side`` along ``axis``."""
    ratio = image.shape[2] / image.shape[1]
    other = int(side * ratio if axis == 1 else side / ratio)
    if other < 1:
        size = f"{image.shape[2]} x {image.shape[1]}"
        raise InputError(
            f"ImageStitch: image2 ({size} pixels) would have no pixel left, scaled to a side of {side}.",
            hint="Switch match_image_size off, or crop image2.",
        )
    width, height = (other, side) if axis == 1 else (side, other)
    return scale(image, width, height, "lanczos")


def _framed(image: torch.Tensor, side: int, axis: int, value: float) -> torch.Tensor:
    missing = side - image.shape[axis]
    ends = (missing // 2, missing - missing // 2)
    widths = (0, 0, 0, 0, *ends) if axis == 1 else (0, 0, *ends)
    return torch.nn.functional.pad(image, widths, value=value)


def _spacing(image: torch.Tensor, axis: int, width: int, colour: tuple[float, ...]) -> torch.Tensor:
    """A stripe of ``colour``, opaque, that fits between ``image`` and its neighbour."""
    shape = list(image.shape)
    shape[axis] = width
    stripe = image.new_ones(shape)
    channels = min(shape[-1], 3)
    stripe[..., :channels] = image.new_tensor(colour[:channels])
    return stripe
