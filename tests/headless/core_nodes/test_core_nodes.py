"""The core nodes against ComfyUI's pixels."""

from __future__ import annotations

import re
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nodes.errors import InputError
from nodes.headless.commands.options import CORE_NODES
from nodes.headless.core_nodes import table
from nodes.headless.core_nodes.compositing import ImageCompositeMasked
from nodes.headless.core_nodes.joining import ImageStitch
from nodes.headless.core_nodes.masks import GrowMask, ImageToMask, InvertMask, MaskToImage, SolidMask
from nodes.headless.core_nodes.pictures import (
    EmptyImage,
    ImageBatch,
    ImageScale,
    ImageScaleBy,
    ImageScaleToTotalPixels,
)
from nodes.headless.core_nodes.scaling import METHODS
from nodes.headless.folders import Folders

sides = st.integers(1, 6)
masks = st.tuples(st.integers(1, 3), sides, sides).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)


def images(channels: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.tuples(st.integers(1, 3), sides, sides, channels).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
    )


ROOT = Path(__file__).parents[3]
OF_FORMAT = ["format.bit_depth", "format.input_color_space"]


def test_ids_input_names_and_orders_are_comfyuis(tmp_path: Path) -> None:
    nodes = table(Folders(tmp_path, tmp_path, tmp_path))
    declared = {name: (list(node.INPUT_TYPES()["required"]), node.RETURN_TYPES) for name, node in nodes.items()}
    assert declared == {
        "LoadImage": (["image"], ("IMAGE", "MASK")),
        "LoadImageMask": (["image", "channel"], ("MASK",)),
        "SaveImage": (["images", "filename_prefix"], ("IMAGE",)),
        "PreviewImage": (["images"], ("IMAGE",)),
        "ImageScale": (["image", "upscale_method", "width", "height", "crop"], ("IMAGE",)),
        "ImageScaleBy": (["image", "upscale_method", "scale_by"], ("IMAGE",)),
        "ImageBatch": (["image1", "image2"], ("IMAGE",)),
        "EmptyImage": (["width", "height", "batch_size", "color"], ("IMAGE",)),
        "InvertMask": (["mask"], ("MASK",)),
        "ImageToMask": (["image", "channel"], ("MASK",)),
        "MaskToImage": (["mask"], ("IMAGE",)),
        "SolidMask": (["value", "width", "height"], ("MASK",)),
        "GrowMask": (["mask", "expand", "tapered_corners"], ("MASK",)),
        "SaveImageAdvanced": (["images", "filename_prefix", "format", *OF_FORMAT], ("IMAGE",)),
        "SaveSVGNode": (["svg", "filename_prefix"], ("SVG",)),
        "SaveText": (["text", "filename_prefix", "format"], ("STRING",)),
        "ImageCompare": ([], ()),
        "PreviewAny": (["source"], ("STRING",)),
        "BatchImagesNode": (["images.image0"], ("IMAGE",)),
        "ImageStitch": (["image1", "direction", "match_image_size", "spacing_width", "spacing_color"], ("IMAGE",)),
        "GetImageSize": (["image"], ("INT", "INT", "INT")),
        "JoinImageWithAlpha": (["image", "alpha"], ("IMAGE",)),
        "SplitImageWithAlpha": (["image"], ("IMAGE", "MASK")),
        "ImageCompositeMasked": (["destination", "source", "x", "y", "resize_source"], ("IMAGE",)),
        "ImageScaleToTotalPixels": (["image", "upscale_method", "megapixels"], ("IMAGE",)),
        "PrimitiveString": (["value"], ("STRING",)),
        "PrimitiveStringMultiline": (["value"], ("STRING",)),
        "PrimitiveInt": (["value"], ("INT",)),
        "PrimitiveFloat": (["value"], ("FLOAT",)),
        "PrimitiveBoolean": (["value"], ("BOOLEAN",)),
        "StringConcatenate": (["string_a", "string_b", "delimiter"], ("STRING",)),
    }


def test_help_and_readme_list_them_all(tmp_path: Path) -> None:
    names = table(Folders(tmp_path, tmp_path, tmp_path)).keys()
    assert set(CORE_NODES.partition(":")[2].split()) == names
    readme = (Path(__file__).parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
    listed = readme.partition("results to the bit:")[2].partition("A graph with a checkpoint")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == names


@given(masks)
@settings(max_examples=30)
def test_invert_mask_is_one_minus(mask: Any) -> None:
    (inverted,) = InvertMask().invert(torch.from_numpy(mask))
    assert torch.equal(inverted, torch.from_numpy(np.float32(1) - mask))


@given(masks)
@settings(max_examples=30)
def test_a_mask_survives_the_way_through_a_picture(mask: Any) -> None:
    (image,) = MaskToImage().mask_to_image(torch.from_numpy(mask))
    assert image.shape == (*mask.shape, 3)
    for channel in ("red", "green", "blue"):
        assert torch.equal(ImageToMask().image_to_mask(image, channel)[0], torch.from_numpy(mask))


@given(images(st.sampled_from([3, 4])), images(st.sampled_from([3, 4])))
@settings(deadline=None, max_examples=30)
def test_image_batch_has_the_first_pictures_size_and_keeps_its_pixels(first: Any, second: Any) -> None:
    (batch,) = ImageBatch().batch(torch.from_numpy(first), torch.from_numpy(second))
    channels = max(first.shape[-1], second.shape[-1])
    assert batch.shape == (first.shape[0] + second.shape[0], *first.shape[1:3], channels)
    assert torch.equal(batch[: first.shape[0], ..., : first.shape[-1]], torch.from_numpy(first))
    if first.shape[-1] < channels:
        assert (batch[: first.shape[0], ..., 3] == 1).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crop", ["disabled", "center"])
def test_scaling_a_plain_picture_keeps_its_colour(method: str, crop: str) -> None:
    image = torch.full((2, 10, 20, 3), 51 / 255)
    (scaled,) = ImageScale().upscale(image, method, 7, 9, crop)
    assert scaled.shape == (2, 9, 7, 3)
    assert torch.allclose(scaled, torch.full_like(scaled, 51 / 255), atol=1e-6)


def test_scaling_gives_the_known_pixels() -> None:
    image = torch.tensor([0.0, 0.2, 0.6, 1.0]).reshape(1, 1, 4, 1)

    def row(method: str, width: int) -> list[float]:
        scaled = ImageScale().upscale(image, method, width, 1, "disabled")[0]
        return [round(value, 4) for value in scaled.flatten().tolist()]

    assert row("nearest-exact", 2) == [0.2, 1.0]
    assert row("bilinear", 2) == [0.1, 0.8]
    assert row("area", 2) == [0.1, 0.8]
    assert row("bicubic", 2) == [0.0625, 0.8375]  # a = -0.75, edges repeated
    assert row("lanczos", 2) == [round(28 / 255, 4), round(197 / 255, 4)]  # by way of 8 bit


def test_a_centred_crop_takes_the_middle() -> None:
    wide = torch.arange(9.0).reshape(1, 1, 9, 1).expand(1, 3, 9, 3)
    for image in (wide, wide.movedim(1, 2)):
        (scaled,) = ImageScale().upscale(image, "nearest-exact", 3, 3, "center")
        assert scaled.unique().tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("asked", "size"), [((0, 0), (10, 20)), ((10, 0), (5, 10)), ((0, 1), (1, 2)), ((1, 0), (1, 1))]
)
def test_a_side_of_zero_follows_the_other(asked: tuple[int, int], size: tuple[int, int]) -> None:
    (scaled,) = ImageScale().upscale(torch.zeros(1, 10, 20, 3), "area", *asked, "disabled")
    assert tuple(scaled.shape[1:3]) == size


def test_scaling_by_a_factor_rounds_the_sides() -> None:
    (scaled,) = ImageScaleBy().upscale(torch.zeros(1, 5, 3, 4), "bilinear", 1.5)
    assert scaled.shape == (1, 8, 4, 4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crop", ["disabled", "center"])
def test_what_is_told_ahead_of_a_scaled_size_is_what_comes(method: str, crop: str) -> None:
    ahead, come = (
        ImageScale().upscale(torch.zeros(2, 10, 20, 4, device=device), method, 7, 0, crop)[0]
        for device in ("meta", "cpu")
    )
    assert ahead.shape == come.shape and ahead.dtype == come.dtype


def test_sizes_are_told_without_loading_what_only_compilers_need() -> None:
    """PyTorch's rules for the shapes of what has no pixels stand on SymPy, which takes a third of a second."""
    code = (
        "import sys, torch\n"
        "from nodes.headless.core_nodes.pictures import EmptyImage, ImageScale\n"
        "with torch.device('meta'):\n"
        "    (picture,) = EmptyImage().generate(64, 32)\n"
        "    (scaled,) = ImageScale().upscale(picture, 'area', 32, 0, 'disabled')\n"
        "print(list(scaled.shape), 'sympy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == "[1, 16, 32, 3] False\n"


def test_empty_image_and_solid_mask() -> None:
    (image,) = EmptyImage().generate(3, 2, 4, 0xFF8000)
    assert image.shape == (4, 2, 3, 3)
    assert image.dtype == torch.float32
    assert (image * 255).round()[3, 1, 2].tolist() == [255, 128, 0]
    (mask,) = SolidMask().solid(0.25, 3, 2)
    assert torch.equal(mask, torch.full((1, 2, 3), 0.25))


@pytest.mark.parametrize(
    ("node", "inputs", "reason"),
    [
        (ImageStitch, {"image2": torch.zeros(1, 100, 1, 3), "match_image_size": True}, "would have no pixel left"),
        (ImageScaleToTotalPixels, {"megapixels": 0.01, "resolution_steps": 256}, "256 x 0 would be left"),
        (ImageCompositeMasked, {"source": torch.zeros(1, 2, 2, 1)}, "1 channels, the destination 3"),
    ],
)
def test_what_cannot_be_made_is_told(node: type[Any], inputs: dict[str, Any], reason: str) -> None:
    shared = {"image": torch.zeros(1, 33, 100, 3), "image1": torch.zeros(1, 4, 6, 3), "upscale_method": "area"}
    shared |= {"destination": torch.zeros(1, 4, 6, 3), "x": 0, "y": 0, "resize_source": False}
    shared |= {"direction": "right", "spacing_width": 0, "spacing_color": "red"}
    function = getattr(node(), node.FUNCTION)
    wanted = {name: value for name, value in {**shared, **inputs}.items() if name in signature(function).parameters}
    with pytest.raises(InputError, match=reason):
        function(**wanted)


def test_an_older_graph_scales_to_total_pixels_without_steps() -> None:
    (scaled,) = ImageScaleToTotalPixels().upscale(torch.zeros(1, 64, 64, 3), "area", 0.01)
    assert scaled.shape == (1, 102, 102, 3)


def test_grow_mask_makes_a_diamond_or_a_square_and_shrinks_back() -> None:
    mask = torch.zeros(2, 7, 7)
    mask[:, 3, 3] = 0.5
    (diamond,) = GrowMask().expand_mask(mask, 2, True)
    (square,) = GrowMask().expand_mask(mask, 2, False)
    assert [(shape > 0).sum().item() for shape in (diamond[0], square[1])] == [13, 25]
    assert square.max() == 0.5
    assert torch.equal(GrowMask().expand_mask(square, -2, False)[0], mask)
    assert torch.equal(GrowMask().expand_mask(mask[0], 0, True)[0], mask[:1])
