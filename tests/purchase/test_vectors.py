"""Vector models: PNG is asked for, and an SVG that comes all the same is a picture, or at least a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.errors import DecoderFault, InputError
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.pixels import vectors
from tests.conftest import Nodes
from tests.contract.test_nodes import options

VECTOR: dict[str, Any] = {"prompt": "a fox", "model": "recraft-v4-svg", "size": "64x64"}


def files(nodes: Nodes, ending: str) -> list[Path]:
    return list(nodes.host.data_dir().rglob(f"*{ending}"))


def test_a_vector_model_brings_a_png(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes("LumenfallGenerate", **VECTOR)
    assert made.images.shape == (1, 64, 64, 3) and files(nodes, ".png") and not files(nodes, ".svg")


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_an_svg_is_kept_as_it_came_and_drawn(nodes: Nodes, sandbox: Sandbox, response_format: str) -> None:
    chosen = options(output_format="svg", response_format=response_format)
    made = nodes("LumenfallGenerate", **VECTOR, options=chosen)
    assert made.images.shape == (1, 1024, 1024, 3)
    (file,) = files(nodes, ".svg")
    assert file.read_bytes().endswith(b"</svg>") and file.name in made.report["requests"][0]["originals"][0]
    assert nodes("LumenfallGenerate", **VECTOR, options=chosen).report["replayed"] and len(sandbox.bill) == 1


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_without_a_renderer_it_is_a_paid_file_and_a_picture_once_there_is_one(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, response_format: str
) -> None:
    """At a server that is not asked for PNG, since it may not know that."""
    chosen = options(response_format=response_format)
    nodes = Nodes(Headless({"LUMENFALL_BASE_URL": sandbox.gateway_url}))
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "can_draw", lambda: False)
        with pytest.raises(DecoderFault, match="nothing is installed that draws it") as caught:
            nodes("LumenfallGenerate", **VECTOR, options=chosen)
    (file,) = files(nodes, ".svg")
    assert file.name in caught.value.hint and "the picture is paid for" in caught.value.hint
    sandbox._shelf.purge("req_")
    assert nodes("LumenfallGenerate", **VECTOR, options=chosen).report["replayed"] and len(sandbox.bill) == 1


@pytest.mark.parametrize("fault", ["download-cut", "download-zeros", "download-page"])
def test_half_a_vector_picture_is_fetched_again(nodes: Nodes, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail_next(fault)
    made = nodes("LumenfallGenerate", **VECTOR, options=options(output_format="svg"))
    assert made.images.any() and len(sandbox.bill) == 1


def test_svg_is_not_asked_for_where_nothing_draws_it(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "can_draw", lambda: False)
    with pytest.raises(InputError, match="draws SVG"):
        nodes("LumenfallGenerate", **VECTOR, options=options(output_format="svg"))
    assert not sandbox.bill


def test_a_gif_of_several_frames_is_a_batch(nodes: Nodes) -> None:
    chosen = options(output_format="gif", extra='{"frame_count": 3}')
    made = nodes("LumenfallGenerate", **{**VECTOR, "model": "gpt-image-2.6-flare"}, options=chosen)
    assert made.images.shape[0] == 3
