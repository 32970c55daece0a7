"""The size of what is sent: fast for photographs, and nowhere larger for it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from nodes.pixels.encoding import png

SIDE = 512
RANDOM = np.random.default_rng(0)


def photograph() -> Image.Image:
    """Colours as nature spreads them: the finer, the fainter; and the noise of a sensor."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    waves = np.fft.fft2(RANDOM.normal(size=(3, SIDE, SIDE))) / np.maximum(frequencies, 1 / SIDE)
    colour = np.fft.ifft2(waves).real.transpose(1, 2, 0)
    colour = 128 + 40 * colour / colour.std() + RANDOM.normal(size=colour.shape) * 2
    return Image.fromarray(colour.clip(0, 255).astype(np.uint8))


def drawing() -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(picture)
    for x, y, radius, colour in RANDOM.integers(0, 255, (40, 4)):
        pen.ellipse((2 * x - radius, 2 * y - radius, 2 * x + radius, 2 * y + radius), (x, y, colour), "black", 3)
    return picture


def text() -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    font = ImageFont.load_default(16)
    for line in range(0, SIDE, 20):
        words = " ".join(RANDOM.choice(["quick", "brown", "fox", "jumps", "over", "lazy", "dogs"], 12))
        ImageDraw.Draw(picture).text((4, line), words, "black", font)
    return picture


def noise() -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def speckles() -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 2, (SIDE, SIDE), dtype=np.uint8) * 255).convert("RGB")


def mask() -> Image.Image:
    change = np.asarray(drawing().convert("L")) < 120
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[change, :3], pixels[~change, 3] = 255, 255
    return Image.fromarray(pixels)


def gradient() -> Image.Image:
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 4
    return Image.fromarray(np.repeat(ramp[..., None], 3, 2).astype(np.uint8))


def tiles() -> Image.Image:
    return Image.fromarray(np.tile(np.asarray(photograph())[:64, :64], (8, 8, 1)))


def page() -> Image.Image:
    """Of text, with white margins and a gap in the middle."""
    picture = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
    column = text()
    for left in (0, SIDE):
        picture.paste(column.crop((0, 0, SIDE, 440)), (left, 40))
        picture.paste(column.crop((0, 0, SIDE, 440)), (left, SIDE + 32))
    return picture


def page_with_photographs() -> Image.Image:
    """Where the margins and the gap are."""
    picture = page()
    for top, rows in ((0, 60), (480, 64), (964, 60)):
        band = RANDOM.integers(0, 256, (rows, 2 * SIDE, 3), dtype=np.uint8)
        picture.paste(Image.fromarray(band), (0, top))
    return picture


def halftone() -> Image.Image:
    """Dots in two bands."""
    dots = np.hypot(*np.meshgrid(*[np.arange(2 * SIDE) % 8 - 4] * 2)) < 3
    dots[:100] = dots[450:560] = dots[900:] = False
    return Image.fromarray(dots.astype(np.uint8) * 255)


def weave() -> Image.Image:
    """Repeats at a distance that only just lies within what zlib looks back over."""
    return Image.fromarray(np.tile(RANDOM.integers(0, 256, (40, 256, 3), dtype=np.uint8), (26, 1, 1))[:1024])


def thumbnails() -> Image.Image:
    """The same one all over a sheet, but for its middle."""
    sheet = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
    thumbnail = noise().crop((0, 0, 100, 100))
    for top in (20, 130, 240, 350, 600, 710, 820):
        for left in range(20, 920, 110):
            sheet.paste(thumbnail, (left, top))
    return sheet


KINDS = [photograph, drawing, text, noise, speckles, mask, gradient, tiles]
UNEVEN = [page, page_with_photographs, halftone, weave, thumbnails]


def written(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("draw", [*KINDS, *UNEVEN])
def test_no_kind_of_picture_grows_by_more_than_a_tenth(draw: Callable[[], Image.Image]) -> None:
    picture = draw()
    assert len(png(picture)) <= 1.1 * len(written(picture))


def test_photographs_are_written_the_fast_way() -> None:
    picture = photograph()
    assert png(picture) == written(picture, compress_level=1, compress_type=3)


@settings(max_examples=40)
@given(st.sampled_from(["L", "RGB", "RGBA"]), st.integers(1, 40), st.integers(90, 130), st.binary(min_size=1))
def test_every_pixel_comes_back(mode: str, width: int, height: int, seed: bytes) -> None:
    size = width * height * len(Image.new(mode, (1, 1)).getbands())
    picture = Image.frombytes(mode, (width, height), (seed * size)[:size])
    with Image.open(io.BytesIO(png(picture))) as again:
        assert (again.mode, again.size, again.tobytes()) == (mode, picture.size, picture.tobytes())
