"""The key: equal exactly where the same picture would be ordered."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nodes.pixels import encode, fingerprint, fingerprint_of
from nodes.spend import request_key

ASKED: dict[str, Any] = {
    "server": "https://api.lumenfall.ai/openai/v1",
    "operation": "edits",
    "model": "gpt-image-2",
    "prompt": "a cat",
    "parameters": {"size": "1024x1024"},
    "seed": 7,
    "pictures": ["aa", "bb"],
    "mask": "cc",
}


@pytest.mark.parametrize(
    "change",
    [
        {"server": "https://api.openai.com/v1"},
        {"operation": "generations"},
        {"model": "flux.2-pro"},
        {"prompt": "a dog"},
        {"prompt": None},
        {"parameters": {"size": "1024x1024", "quality": "high"}},
        {"seed": 8},
        {"pictures": ["bb", "aa"]},
        {"pictures": ["aa"]},
        {"mask": None},
    ],
)
def test_every_part_counts(change: dict[str, Any]) -> None:
    assert request_key(**{**ASKED, **change}) != request_key(**ASKED)


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(), values))
def test_the_order_of_parameters_does_not_count(parameters: dict[str, Any]) -> None:
    backwards = dict(reversed(parameters.items()))
    key = request_key(**{**ASKED, "parameters": parameters})
    assert key == request_key(**{**ASKED, "parameters": backwards})
    assert len(key) == 64 and int(key, 16) >= 0


@pytest.mark.parametrize(
    "same", [{"scale_factor": 2.0}, {"scale_factor": 2, "response_format": "url"}, {"scale_factor": 2, "user": "me"}]
)
def test_how_it_is_written_or_carried_does_not_count(same: dict[str, Any]) -> None:
    assert request_key(**{**ASKED, "parameters": same}) == request_key(**{**ASKED, "parameters": {"scale_factor": 2}})


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4]), st.integers(0, 9))
def test_a_pictures_digest_is_that_of_its_pixels_not_of_its_file(
    height: int, width: int, channels: int, level: int
) -> None:
    pixels = torch.randint(0, 256, (height, width, channels)) / 255.0
    file = encode(pixels)
    again = io.BytesIO()
    with Image.open(io.BytesIO(file)) as picture:
        picture.save(again, "PNG", compress_level=level)
    assert fingerprint(file) == fingerprint(again.getvalue())
    changed = pixels.clone()
    changed[-1, -1, -1] = 1.0 if changed[-1, -1, -1] < 0.5 else 0.0
    assert fingerprint(encode(changed)) != fingerprint(file)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3, 4]))
def test_a_digest_needs_no_file(height: int, width: int, channels: int) -> None:
    picture = torch.rand(height, width, channels)
    assert fingerprint_of(picture) == fingerprint(encode(picture))


def test_the_shape_counts() -> None:
    assert fingerprint(encode(torch.zeros(2, 3, 3))) != fingerprint(encode(torch.zeros(3, 2, 3)))
