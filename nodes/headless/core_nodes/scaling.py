"""Resampling as ComfyUI's ``common_upscale`` does it, including its lanczos by way of 8 bit."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


def scale(image: torch.Tensor, width: int, height: int, method: str, *, crop: bool = False) -> torch.Tensor:
    """Resize [B,H,W,C] to [B,height,width,C]; with ``crop`` the wanted shape is first cut out of the middle."""
    if image.is_meta and width > 0 and height > 0:
        # Its size is all that is asked. PyTorch would load a third of a second's worth of modules to tell it.
        return torch.empty((image.shape[0], height, width, image.shape[-1]), device="meta")
    if crop:
        image = _centre(image, width / height)
    if method == "lanczos":
        return torch.stack([_lanczos(one, width, height) for one in image])
    resized = torch.nn.functional.interpolate(image.movedim(-1, 1), size=(height, width), mode=method)
    return resized.movedim(1, -1)


def _centre(image: torch.Tensor, aspect: float) -> torch.Tensor:
    height, width = image.shape[1:3]
    left = top = 0
    if width / height > aspect:
        left = round((width - width * (aspect / (width / height))) / 2)
    elif width / height < aspect:
        top = round((height - height * ((width / height) / aspect)) / 2)
    # Between extreme shapes ComfyUI cuts away everything and fails; a row or column is left here.
    left, top = min(left, (width - 1) // 2), min(top, (height - 1) // 2)
    return image[:, top : height - top, left : width - left]


def _lanczos(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    pixels = np.clip(255.0 * image.cpu().numpy(), 0, 255).astype(np.uint8)
    single = pixels.shape[-1] == 1  # Pillow wants grey without its channel axis
    picture = Image.fromarray(pixels[..., 0] if single else pixels)
    resized = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float32) / np.float32(255)
    return torch.from_numpy(resized[..., None] if single else resized)
