"""Nodes that read and write picture files."""

from __future__ import annotations

import mimetypes
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ...errors import InputError
from ...pixels import on_every_core
from ..folders import Folders
from .formats import png8
from .prefixes import objection
from .saving import save, texts

Inputs = dict[str, dict[str, Any]]

UNREADABLE = (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError)
"""What Pillow raises for what it cannot read."""

ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
"""The tag of EXIF that says how a picture is turned, and its values for pictures that lie on a side."""


TURNED_BY = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")
"""Where in a PNG Pillow finds how it is turned."""


class NotKnown(Exception):
    """What a node will give cannot be told from the head of its file."""


class LoadImage:
    """A picture of the input folder: IMAGE [B,H,W,3], and MASK = 1 - alpha, or zeros [B,64,64] without alpha."""

    folders: Folders

    READS_FILES = True
    """So that it is checked again when its turn comes."""
    RETURN_TYPES: tuple[str, ...] = ("IMAGE", "MASK")
    FUNCTION = "load_image"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        folder = cls.folders.input
        names = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        pictures = [name for name in names if (mimetypes.guess_type(name)[0] or "").startswith("image/")]
        return {"required": {"image": (pictures, {"image_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str | None) -> bool | str:
        if image is None:  # linked, not known yet
            return True
        if not isinstance(image, str):
            return f"{image!r} is not the name of a file"
        try:
            path = cls.folders.source(image)
        except InputError as error:
            return error.message
        if not os.path.isfile(path):  # which no name is too long for
            return f"there is no picture {image!r} in {path.parent}"
        try:
            with Image.open(path):  # reads the head alone
                return True
        except UNREADABLE as error:
            return f"{image!r} cannot be read as a picture: {_reason(error)}"

    @classmethod
    def shapes(cls, image: str) -> tuple[tuple[int, ...], ...]:
        """What outputs will measure, as far as the head of the file tells. Raises NotKnown, and what Pillow does."""
        path = cls.folders.source(image)
        with Image.open(path) as file:
            frames = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
            if frames > 1 and file.format not in ("GIF", "PNG", "WEBP"):
                raise NotKnown("its frames may differ in size")
            width, height = file.size
            if file.format == "TIFF" and file.getexif().get(ORIENTATION) in SIDEWAYS:
                raise NotKnown("Pillow may have turned it, according to its version")
            if file.format == "PNG" and "exif" not in file.info and any(map(path.read_bytes().__contains__, TURNED_BY)):
                raise NotKnown("how it is turned may stand in a text, or behind its pixels")
            if (file.format != "PNG" or "exif" in file.info) and file.getexif().get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            # Without transparency the mask would be of another size; nobody needs it ahead.
            return ((frames, height, width, 3),)

    def load_image(self, image: str) -> tuple[torch.Tensor, ...]:
        return decode(self.folders.source(image))


class LoadImageMask(LoadImage):
    """One channel of a picture as MASK [B,H,W]. "alpha" is inverted and behaves as the mask of LoadImage."""

    RETURN_TYPES = ("MASK",)
    FUNCTION = "load_image_mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {**super().INPUT_TYPES()["required"], "channel": (["alpha", "red", "green", "blue"],)}}

    @classmethod
    def shapes(cls, image: str, channel: str = "alpha") -> tuple[tuple[int, ...], ...]:
        if channel == "alpha":
            raise NotKnown("without transparency its mask has a size of its own")
        return (super().shapes(image)[0][:3],)

    def load_image_mask(self, image: str, channel: str) -> tuple[torch.Tensor]:
        picture, mask = self.load_image(image)
        return (mask if channel == "alpha" else picture[..., "rgb".index(channel[0])].clone(),)


class SaveImage:
    """Pictures as ``<prefix>_00001_.png`` with the graph inside, counted on from what is there."""

    folders: Folders

    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)
    RETURN_NAMES: tuple[str, ...] = ("images",)
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, filename_prefix: str | None = None) -> bool | str:
        # ComfyUI finds this out when it saves; here the picture is not even paid for.
        return objection(cls.folders.output, filename_prefix) or True

    def save_images(
        self,
        images: torch.Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        written = write(self.folders.output, filename_prefix, images, prompt, extra_pnginfo, compression=4)
        return {"ui": {"images": [{**image, "type": "output"} for image in written]}, "result": (images,)}


class PreviewImage(SaveImage):
    """The same into the folder for temporary files, under a name of its own."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"images": ("IMAGE",)}, "hidden": super().INPUT_TYPES()["hidden"]}

    def save_images(
        self,
        images: torch.Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {"ui": {"images": self.preview(images, filename_prefix, prompt, extra_pnginfo)}, "result": (images,)}

    def preview(
        self, images: torch.Tensor, prefix: str, prompt: Any, extra_pnginfo: dict[str, Any] | None
    ) -> list[dict[str, str]]:
        """What the browser is told of the files."""
        prefix = f"{prefix}_temp_{secrets.token_hex(3)}"
        written = write(self.folders.temp, prefix, images, prompt, extra_pnginfo, compression=1)
        return [{**image, "type": "temp"} for image in written]


def decode(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Every frame of a picture file, turned upright: float32 [B,H,W,3] and [B,H,W] or zeros [B,64,64], in 0..1.

    Frames of another size than the first are left out. Raises InputError for what is not a picture.
    """
    try:
        with Image.open(path) as file:
            # The further frames of a multi-picture JPEG are other views of it, not an animation.
            frames = [file.copy()] if file.format == "MPO" else [frame.copy() for frame in ImageSequence.Iterator(file)]
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a picture: {_reason(error)}") from error
    frames = [ImageOps.exif_transpose(frame) for frame in frames]
    frames = [frame for frame in frames if frame.size == frames[0].size]
    transparent = any(frame.has_transparency_data for frame in frames)
    pixels = torch.from_numpy(np.stack([_pixels(frame, "RGBA" if transparent else "RGB") for frame in frames]))
    if not transparent:
        return pixels, torch.zeros((len(frames), 64, 64))
    return pixels[..., :3].contiguous(), 1.0 - pixels[..., 3]


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is in no format that Pillow knows, or damaged."
    return str(getattr(error, "strerror", None) or error)


def _pixels(frame: Image.Image, mode: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    if frame.mode.startswith("I"):
        # 16 bit grey: Pillow's conversion to RGB would clip it to white, ComfyUI keeps its range.
        grey = np.asarray(frame).astype(np.float32) / np.float32(65535)
        return np.repeat(grey[..., None], 3, axis=-1)
    return np.asarray(frame.convert(mode)).astype(np.float32) / np.float32(255)


def write(
    folder: Path, prefix: str, images: torch.Tensor, prompt: Any, extra: dict[str, Any] | None, *, compression: int
) -> list[dict[str, str]]:
    """Write [B,H,W,1|3|4] as 8 bit PNGs with ``prompt`` and ``extra`` in text chunks, where nobody finds the key; their
    names and subfolders. Raises what :func:`.saving.save` does.
    """
    said = list(texts(prompt, extra))
    contents = on_every_core(lambda image: png8(image, said, compression), images)
    return save(folder, prefix, contents, "_.png", extra, width=images.shape[2], height=images.shape[1])
