"""SaveImageAdvanced, and the files that it writes, against those of ComfyUI 0.33.0."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nodes.errors import InputError
from nodes.headless.core_nodes import table
from nodes.headless.core_nodes.formats import exr, linear, png16
from nodes.headless.folders import Folders
from tests.headless.core_nodes.test_comfyui_values import picture

PNG16 = {"format": "png", "format.bit_depth": "16-bit", "format.input_color_space": "sRGB"}

HASHES = {
    ("8-bit", 1): "03f8457fdccec87fb7edef856d22c2ed67033d5ae422ef73c61983668713eff9",
    ("8-bit", 3): "4e84d4378ca548b8daa718ec13f9daf75d6c38dce0a78e5e95581425df506784",
    ("8-bit", 4): "f4437554c612dc523e528164a8bf0c8442029f14f0b95ca45e8070479c251cf8",
    ("16-bit", 1): "e54ffcbcd92c42c68e0a8d91faf1fc0b391d1336fb79fe08de0eff11d73b6daf",
    ("16-bit", 3): "190b504bc1004ce93fc4b6e8e47a1bddb2464382bbb8b86cf0422ec141a8232a",
    ("16-bit", 4): "ff76a9b1581db7aa52fd3b9bc1c810c9e5726df8b3e78fd7a16b529fd53491b8",
    ("linear", 1): "514bc0af120949a69666c007a2f6983fd007140a029cd70d7c35f6038a7e62e5",
    ("linear", 3): "488134a0a4091b8761017e8af6c4c68da158321a05921eb94c3ff05f2eec0919",
    ("linear", 4): "84df6040c6154626d6c0077a5013838e2b9fbc3dc492fde3ee4f179092af1715",
}
"""Bit depth or space, and channels -> the samples that ComfyUI wrote, of a PNG from the top left (16 bit: high byte
first), of an OpenEXR file what follows its table of offsets.
"""


def beyond(channels: int) -> torch.Tensor:
    """[4,6,C], also below 0 and above 1."""
    return picture(1, 4, 6, channels, 9)[0] * 2.5 - 0.6


def saved(tmp_path: Path, images: torch.Tensor, prefix: str = "p", extra: Any = None, **inputs: str) -> list[Path]:
    folders = Folders(tmp_path, tmp_path, tmp_path)
    node = table(folders)["SaveImageAdvanced"]
    assert node.VALIDATE_INPUTS(images=None, filename_prefix=prefix, **inputs) is True
    answer = node().save_images(images, prefix, {"1": "\u00e9"}, extra, **inputs)
    assert answer["result"][0] is images
    return [folders.locate(file) for file in answer["ui"]["images"]]


def samples16(png: bytes) -> tuple[bytes, dict[str, str]]:
    """Samples and texts of a PNG whose lines are all stored as the difference to the left."""
    chunks = []
    position = 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        content = png[position + 8 : position + 8 + length]
        (check,) = struct.unpack(">I", png[position + 8 + length : position + 12 + length])
        assert zlib.crc32(kind + content) == check
        chunks.append((kind, content))
        position += 12 + length
    width, height, bits, colour = struct.unpack(">IIBB", dict(chunks)[b"IHDR"][:10])
    assert bits == 16
    channels = {0: 1, 2: 3, 6: 4}[colour]
    lines = np.frombuffer(zlib.decompress(dict(chunks)[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (lines[:, 0] == 1).all()
    differences = lines[:, 1:].reshape(height, width, 2 * channels)
    texts = [content.split(b"\0") for kind, content in chunks if kind == b"tEXt"]
    samples = np.cumsum(differences, axis=1, dtype=np.uint8).tobytes()
    return samples, {name.decode(): text.decode() for name, text in texts}


def header(file: bytes) -> tuple[dict[str, bytes], bytes]:
    """The attributes of an OpenEXR file, and what follows them."""
    assert file[:8] == b"v/1\x01\x02\0\0\0"
    position, attributes = 8, {}
    while file[position]:
        name, kind = file[position:].split(b"\0", 2)[:2]
        position += len(name) + len(kind) + 2
        (length,) = struct.unpack("<I", file[position : position + 4])
        attributes[name.decode()] = file[position + 4 : position + 4 + length]
        position += 4 + length
    return attributes, file[position + 1 :]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_bits_are_comfyuis(tmp_path: Path, channels: int) -> None:
    inputs = {**PNG16, "format.bit_depth": "8-bit"}
    (path,) = saved(tmp_path, beyond(channels)[None], "sub/%width%x%height%", **inputs)
    assert path.relative_to(tmp_path).as_posix() == "sub/6x4_00001.png"
    with Image.open(path) as image:
        assert hashlib.sha256(image.tobytes()).hexdigest() == HASHES["8-bit", channels]
        assert json.loads(image.info["prompt"]) == {"1": "\u00e9"}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_comfyuis(tmp_path: Path, channels: int) -> None:
    (path,) = saved(tmp_path, beyond(channels)[None], extra={"lumenfall": {"1": [{"cost": 1}]}}, **PNG16)
    samples, texts = samples16(path.read_bytes())
    assert hashlib.sha256(samples).hexdigest() == HASHES["16-bit", channels]
    assert texts == {"prompt": '{"1": "\\u00e9"}', "lumenfall": '{"1": [{"cost": 1}]}'}
    with Image.open(path) as image:  # any reader takes it
        image.load()
        assert image.size == (6, 4) and json.loads(image.info["prompt"]) == {"1": "\u00e9"}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_linear_light_is_written_as_it_is(channels: int) -> None:
    attributes, rest = header(exr(beyond(channels), "linear", [("workflow", "{}")]))
    assert hashlib.sha256(rest[8 * 4 :]).hexdigest() == HASHES["linear", channels]
    assert attributes["workflow"] == b"{}"
    assert struct.unpack("<4i", attributes["dataWindow"]) == (0, 0, 5, 3)
    names = {1: b"Y", 3: b"BGR", 4: b"ABGR"}[channels]
    assert bytes(attributes["channels"][18 * index] for index in range(channels)) == names


def test_the_offsets_lead_to_the_lines() -> None:
    file = exr(beyond(3), "sRGB", [])
    _, rest = header(file)
    offsets = np.frombuffer(rest[:32], "<u8")
    assert [struct.unpack("<ii", file[offset : offset + 8]) for offset in offsets] == [(y, 72) for y in range(4)]
    assert offsets[-1] + 8 + 72 == len(file)


def test_light_is_linear_as_comfyui_has_it() -> None:
    values = torch.tensor([-0.5, 0.75031257, 2.0, 0.5]).reshape(1, 1, 4, 1).expand(-1, -1, -1, 4)
    srgb, hdr = (linear(values, space)[0, 0] for space in ("sRGB", "HDR"))
    assert srgb[:, 0].tolist() == pytest.approx([-0.03869969, 0.52300876, 4.9538474, 0.21404114], rel=1e-5)
    assert hdr[:, 0].tolist() == pytest.approx([0.083333336, 0.26538467, 261.88312, 1 / 12], rel=1e-5)
    assert torch.equal(srgb[:, 3], values[0, 0, :, 3])  # alpha is no light


def test_primaries_are_told_by_space() -> None:
    red = {
        space: struct.unpack("<2f", header(exr(beyond(3), space, []))[0]["chromaticities"][:8])
        for space in ("sRGB", "HDR")
    }
    assert red["sRGB"] == pytest.approx((0.64, 0.33)) and red["HDR"] == pytest.approx((0.708, 0.292))


def test_the_counter_is_shared_by_all_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "p_00007_.png").touch()
    paths = saved(tmp_path, picture(2, 2, 2, 3), "p%batch_num%", **PNG16)
    assert [path.name for path in paths] == ["p0_00001.png", "p1_00002.png"]
    inputs = {"format": "exr", "format.bit_depth": "32-bit float", "format.input_color_space": "HDR"}
    assert [path.name for path in saved(tmp_path, picture(1, 2, 2, 3), **inputs)] == ["p_00008.exr"]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"format": "jpg"}, "'jpg' is not one of: png, exr"),
        ({"format.bit_depth": "32-bit float"}, "'32-bit float' is not one of: 8-bit, 16-bit (as png)"),
        ({"format.input_color_space": "HDR"}, "'HDR' is not one of: sRGB (as png)"),
        ({"filename_prefix": "../x"}, "leads out"),
    ],
)
def test_what_does_not_fit_the_format_is_refused(tmp_path: Path, inputs: dict[str, str], reason: str) -> None:
    node = table(Folders(tmp_path, tmp_path, tmp_path))["SaveImageAdvanced"]
    given = {"filename_prefix": "p", **PNG16, **inputs}
    assert reason in node.VALIDATE_INPUTS(images=None, **given)
    with pytest.raises(InputError):
        node().save_images(picture(1, 2, 2, 3), **given)


def test_two_channels_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pictures of 2 channels"):
        saved(tmp_path, picture(1, 2, 2, 2), **PNG16)


def test_one_pixel_is_a_picture() -> None:
    assert samples16(png16(torch.ones(1, 1, 3), []))[0] == b"\xff" * 6
