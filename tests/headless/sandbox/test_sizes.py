from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.headless.sandbox.sizes import MAX_SIDE, MIN_SIDE, pixel_size


@pytest.mark.parametrize(
    ("size", "aspect_ratio", "resolution", "expected"),
    [
        (None, None, None, (1024, 1024)),
        ("auto", "auto", "auto", (1024, 1024)),
        ("640x480", "1:1", "4K", (640, 480)),
        ("16:9", None, None, (1365, 768)),
        (None, "16:9", None, (1365, 768)),
        (None, "9:16", None, (768, 1365)),
        (None, "1:1", "2K", (2048, 2048)),
        ("1:1", None, "0.5K", (512, 512)),
        (None, None, "3.9K", (4096, 4096)),
        (None, "100:1", None, (2048, 512)),
    ],
)
def test_precedence(
    size: str | None, aspect_ratio: str | None, resolution: str | None, expected: tuple[int, int]
) -> None:
    assert pixel_size(size, aspect_ratio, resolution) == expected


def test_a_tier_alone_keeps_the_natural_shape() -> None:
    assert pixel_size(None, None, "1K", natural=(200, 100)) == (1448, 724)


@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from(["0.5K", "1K", "2K", "4K", None]))
def test_any_ratio_gives_a_size_that_can_be_painted(width: int, height: int, resolution: str | None) -> None:
    assert all(MIN_SIDE <= side <= MAX_SIDE for side in pixel_size(None, f"{width}:{height}", resolution))
