"""Pictures that are too large for a server: never reduced unasked, and never sent to be refused."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.api import ImageRequest, write_request
from nodes.api.flavours import OTHER
from nodes.pixels import encode, encode_mask

NOISE = torch.rand(200, 300, 3, generator=torch.Generator().manual_seed(1))
STRIPES = torch.zeros(200, 300, 4)
STRIPES[::3] = 0.5


def sent(image: bytes, limit: int, **more: object) -> tuple[dict[str, tuple[str, bytes, str]], tuple[str, ...]]:
    request = replace(ImageRequest("edits", "m", "a hat", (image,)), **more)  # type: ignore[arg-type]
    wire = write_request(request, replace(OTHER, max_image_bytes=limit))
    return dict(wire.content["files"]), wire.notes


def test_what_is_small_enough_is_not_touched() -> None:
    files, notes = sent(encode(NOISE), 10**6)
    assert files["image"] == ("image-1.png", encode(NOISE), "image/png") and notes == ()


def test_a_loss_free_form_that_fits_is_sent_bit_by_bit() -> None:
    loose = io.BytesIO()
    Image.open(io.BytesIO(encode(STRIPES))).save(loose, format="PNG", compress_level=0)
    files, notes = sent(loose.getvalue(), 5000)
    name, content, kind = files["image"]
    assert len(content) <= 5000 and name.endswith(kind.removeprefix("image/")) and "without loss" in notes[0]
    assert Image.open(io.BytesIO(content)).convert("RGBA").tobytes() == Image.open(loose).tobytes()


def test_lossless_webp_keeps_the_colour_under_transparency() -> None:
    smooth = torch.linspace(0, 1, 300)[None, :, None].expand(200, -1, 4).contiguous() * 0.7
    smooth = (smooth + torch.rand(200, 1, 4, generator=torch.Generator().manual_seed(2)) * 0.2).clamp(0, 1)
    smooth[..., 3] = 0
    tight = io.BytesIO()
    png = encode(smooth)
    Image.open(io.BytesIO(png)).save(tight, format="PNG", optimize=True)
    files, notes = sent(png, len(tight.getvalue()) - 1)
    name, content, _ = files["image"]
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.convert("RGBA").tobytes() == Image.open(io.BytesIO(png)).tobytes()
    assert "WebP" in notes[0] and name.endswith(".webp")


def test_noise_is_refused_unless_it_may_be_scaled() -> None:
    png = encode(NOISE)
    with pytest.raises(errors.InputError, match="takes at most") as caught:
        sent(png, 50_000)
    assert "too_large" in caught.value.hint
    mask = encode_mask((torch.rand(200, 300) > 0.5).float())
    files, notes = sent(png, 50_000, may_shrink=True, mask=mask)
    picture, hole = (Image.open(io.BytesIO(files[name][1])) for name in ("image", "mask"))
    assert len(files["image"][1]) <= 50_000 and picture.size == hole.size and picture.width > 100
    assert set(hole.getchannel("A").histogram()[1:255]) == {0}, "no pixel is half to be changed"
    assert f"300x200 to {picture.width}x{picture.height}" in notes[0]


def test_nothing_but_pixels_leaves_the_machine() -> None:
    png, kinds, place = encode(STRIPES), [], 8
    while place < len(png):
        kinds.append(png[place + 4 : place + 8])
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
