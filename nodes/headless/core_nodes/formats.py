"""Pictures as files: PNG of 8 and of 16 bit, which Pillow does not write in colour, and OpenEXR."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""Channels -> PNG's colour type: grey, RGB, RGBA (PNG specification, 11.2.1)."""

CHANNELS = {1: "Y", 3: "RGB", 4: "RGBA"}

# x and y of red, green, blue and white: ITU-R BT.709 and BT.2020, both with the white point D65.
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


def png8(image: torch.Tensor, texts: Iterable[tuple[str, str]], compression: int) -> bytes:
    """[H,W,1|3|4] as a PNG of 8 bit with ``texts`` in text chunks.

    Values are cut, not rounded, to 8 bit: that is what ComfyUI does, and pixels that came from 8 bit survive it.
    """
    metadata = PngInfo()
    for name, text in texts:
        metadata.add_text(name, text)
    pixels = np.clip(255.0 * image.cpu().numpy(), 0, 255).astype(np.uint8)
    png = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.save(png, "PNG", pnginfo=metadata, compress_level=compression)
    return png.getvalue()


def png16(image: torch.Tensor, texts: Iterable[tuple[str, str]]) -> bytes:
    """[H,W,1|3|4] as a PNG of 16 bit, with ``texts`` (ASCII) in text chunks. Values are cut, not rounded, to 16 bit."""
    height, width, channels = image.shape
    pixels = np.clip(np.float32(65535) * image.cpu().numpy(), 0, 65535).astype(">u2")
    rows = pixels.reshape(height, width * channels).view(np.uint8)
    step = 2 * channels
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 1  # each byte as the difference to the pixel on its left, which compresses better
    lines[:, 1 : step + 1] = rows[:, :step]
    lines[:, step + 1 :] = rows[:, step:] - rows[:, :-step]
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    chunks += [_chunk(b"tEXt", name.encode("latin-1") + b"\0" + text.encode("latin-1")) for name, text in texts]
    chunks += [_chunk(b"IDAT", zlib.compress(lines.tobytes(), 4)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def linear(image: torch.Tensor, space: str) -> torch.Tensor:
    """Linear light of [...,C] in ``space``: "sRGB", "HDR" (HLG) or "linear". A fourth channel, alpha, stays."""
    if space == "linear":
        return image
    colour = image[..., :3]
    if space == "sRGB":  # IEC 61966-2-1
        lit = torch.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    else:  # ITU-R BT.2100, table 5
        a = 0.17883277
        b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
        lit = torch.where(colour <= 0.5, colour * colour / 3.0, (torch.exp((colour - c) / a) + b) / 12.0)
    return torch.cat((lit, image[..., 3:]), dim=-1)


def exr(image: torch.Tensor, space: str, texts: Iterable[tuple[str, str]]) -> bytes:
    """[H,W,1|3|4] in ``space`` (see :func:`linear`) as an OpenEXR file: scan lines of float32, not compressed, with
    ``texts`` as attributes.
    """
    height, width, channels = image.shape
    names = CHANNELS[channels]
    order = sorted(range(channels), key=lambda index: names[index])
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    kinds = b"".join(names[index].encode() + b"\0" + struct.pack("<iB3xii", 2, 0, 1, 1) for index in order) + b"\0"
    attributes: list[tuple[str, str, bytes]] = [
        ("channels", "chlist", kinds),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        ("chromaticities", "chromaticities", struct.pack("<8f", *(BT2020 if space == "HDR" else BT709))),
        *((name, "string", text.encode()) for name, text in texts),
    ]
    # Bit 10 of the version says that names are longer than 31 bytes.
    version = 2 | (0x400 if any(len(name) > 31 for name, _, _ in attributes) else 0)
    head = struct.pack("<II", 20000630, version) + b"".join(map(_attribute, attributes)) + b"\0"
    lines = linear(image, space).cpu().numpy().astype("<f4")[..., order].transpose(0, 2, 1)
    length = channels * width * 4
    start = len(head) + 8 * height
    table = np.arange(height, dtype="<u8") * np.uint64(8 + length) + np.uint64(start)
    body: Any = (struct.pack("<ii", y, length) + line.tobytes() for y, line in enumerate(lines))
    return head + table.tobytes() + b"".join(body)


def _attribute(attribute: tuple[str, str, bytes]) -> bytes:
    name, kind, content = attribute
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(content)) + content
