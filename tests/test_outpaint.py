"""Outpaint Image, against a real server."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes import errors
from nodes.headless.sandbox import Sandbox
from tests.conftest import Nodes
from tests.test_inpaint import DRIFTS, scene

borders = st.integers(0, 60)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(16, 150),
    st.integers(16, 150),
    st.tuples(borders, borders, borders, borders).filter(any),
    st.integers(0, 40),
    st.sampled_from(DRIFTS),
)
def test_the_old_picture_keeps_every_bit_beyond_the_feather(
    nodes: Nodes,
    sandbox: Sandbox,
    height: int,
    width: int,
    sides: tuple[int, int, int, int],
    feather: int,
    drift: str,
) -> None:
    left, top, right, bottom = sides
    image = scene(height, width, seed=height * width)
    sandbox.fail_next(drift)
    places = {"left": left, "top": top, "right": right, "bottom": bottom}
    made = nodes("LumenfallOutpaint", image=image, prompt="", feather=feather, **places)
    assert made.images.shape == (1, top + height + bottom, left + width + right, 3)
    old = (slice(None), slice(top, top + height), slice(left, left + width))
    rows = slice(feather if top else 0, height - feather if bottom else height)
    columns = slice(feather if left else 0, width - feather if right else width)
    assert torch.equal(made.images[old][:, rows, columns], image[:, rows, columns])
    assert (made.mask[old][:, rows, columns] == 0).all()
    new = torch.ones_like(made.mask, dtype=torch.bool)
    new[old] = False
    assert (made.mask[new] == 1).all()


@pytest.mark.parametrize(
    ("aspect", "anchor", "size", "corner"),
    [("16:9", "centre", (90, 160), (0, 35)), ("1:2", "top", (180, 90), (0, 0)), ("2:1", "right", (90, 180), (0, 90))],
)
def test_an_aspect_is_grown_to(
    nodes: Nodes, aspect: str, anchor: str, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    image = scene(90, 90)
    made = nodes("LumenfallOutpaint", image=image, prompt="", aspect=aspect, anchor=anchor, feather=0)
    assert made.images.shape[1:3] == size
    top, left = corner
    assert torch.equal(made.images[:, top : top + 90, left : left + 90], image)
    # The sides' defaults are no wish that aspect would overrule.
    assert not any("count" in note for note in made.report["notes"])


@pytest.mark.parametrize("inputs", [{"right": 0}, {"aspect": "1:1"}, {"aspect": "wide"}, {"right": 8192, "left": 8192}])
def test_nothing_or_too_much_to_add_costs_nothing(nodes: Nodes, sandbox: Sandbox, inputs: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallOutpaint", image=scene(64, 64), prompt="", **inputs)
    assert caught.value.hint and sandbox.requests == []
