"""What edit models do to a picture beside what was asked: they move it, change its light, return another size."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from .fault import Fault, SpoilFiles

SHIFT = (2.5, -1.5)
"""Pixels to the right and down."""

GAMMA = 1.2
SHARE = 0.75
"""Of the size that was asked for."""


def _shifted(picture: Image.Image) -> Image.Image:
    right, down = SHIFT
    border = 8
    wide = Image.new(picture.mode, (picture.width + 2 * border, picture.height + 2 * border))
    # The border goes on beyond the frame, as a model would paint it.
    wide.paste(picture.resize(wide.size), (0, 0))
    wide.paste(picture, (border, border))
    matrix = (1, 0, border - right, 0, 1, border - down)
    return wide.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _brightened(picture: Image.Image) -> Image.Image:
    curve = [round(255 * (level / 255) ** (1 / GAMMA)) for level in range(256)]
    same = list(range(256)) if "A" in picture.getbands() else []
    return picture.point(curve * 3 + same)


def _reduced(picture: Image.Image) -> Image.Image:
    size = (max(1, round(picture.width * SHARE)), max(1, round(picture.height * SHARE)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _spoilt(*changes: Callable[[Image.Image], Image.Image]) -> SpoilFiles:
    def spoil(files: list[bytes]) -> list[bytes]:
        spoilt = []
        for data in files:
            with Image.open(io.BytesIO(data)) as opened:
                picture: Image.Image = opened
                for change in changes:
                    picture = change(picture)
                file = io.BytesIO()
                picture.save(file, opened.format)
            spoilt.append(file.getvalue())
        return spoilt

    return spoil


DRIFTS = (
    Fault("shifted", "the picture comes moved by some pixels", spoil_files=_spoilt(_shifted)),
    Fault("brightened", "the picture comes with another gamma", spoil_files=_spoilt(_brightened)),
    Fault("reduced", "the picture comes in another size", spoil_files=_spoilt(_reduced)),
    Fault(
        "drifted",
        "the picture comes moved, brightened and reduced",
        spoil_files=_spoilt(_shifted, _brightened, _reduced),
    ),
)
