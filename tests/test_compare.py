"""Compare Models, against a real server."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import torch

from nodes import errors
from nodes.compare import Compare
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import Interrupted, use
from nodes.pricing.estimate import estimate_graph
from tests.test_inpaint import scene

THREE = {"model": "gpt-image-2", "more_models": "flux.2-pro, real-nonsense\nflux.2-max"}


def until_arrived(sandbox: Sandbox) -> None:
    while not any(one.endpoint.startswith("images/") for one in sandbox.requests):
        time.sleep(0.01)


def compare(host: Headless, **inputs: Any) -> tuple[list[torch.Tensor], torch.Tensor, dict[str, Any]]:
    given = {"prompt": "a cat", "size": "128x96", "seed": 0, **THREE, **inputs}
    with use(host), torch.inference_mode():
        images, sheet, report = asyncio.run(Compare().run(**given))["result"]
    return images, sheet, json.loads(report)


def test_what_succeeds_is_a_picture_and_what_fails_is_a_tile(host: Headless, sandbox: Sandbox) -> None:
    images, sheet, report = compare(host)
    assert [image.shape for image in images] == [(1, 96, 128, 3)] * 3
    assert sheet.shape[0] == 1 and sheet.shape[-1] == 3 and sheet.shape[1] > 1000
    assert [entry["model"] for entry in report["models"]] == [
        "gpt-image-2",
        "flux.2-pro",
        "real-nonsense",
        "flux.2-max",
    ]
    assert report["models"][2]["error"]["code"] == "MODEL_NOT_FOUND"
    assert report["cost"] == pytest.approx(float(sandbox.billed)) and report["count"] == 3


def test_a_picture_is_edited_by_all(host: Headless, sandbox: Sandbox) -> None:
    compare(host, image=scene(96, 128), more_models="flux.2-pro")
    assert [one.endpoint for one in sandbox.requests if "images" in one.endpoint] == ["images/edits"] * 2


def test_the_same_comparison_again_costs_nothing(host: Headless, sandbox: Sandbox) -> None:
    models = {"more_models": "flux.2-pro"}
    _, _, report = compare(host, **models)
    billed = sandbox.billed
    assert not report["replayed"]
    _, _, report = compare(host, **models)
    assert sandbox.billed == billed and report["cost"] == 0 and report["replayed"]


def test_when_all_fail_the_node_fails(host: Headless) -> None:
    with pytest.raises(errors.ModelUnavailable, match="nonsense"):
        compare(host, model="nonsense-1", more_models="nonsense-2")


@pytest.mark.parametrize("names", ["", "gpt-image-2", "a b c d e f g h"])
def test_one_model_or_too_many_are_refused(host: Headless, sandbox: Sandbox, names: str) -> None:
    with pytest.raises(errors.InputError, match="2 to 8"):
        compare(host, more_models=names)
    assert sandbox.requests == []


def test_an_estimate_counts_every_model(host: Headless) -> None:
    inputs = {"prompt": "a cat", "size": "128x96", "seed": 0, "model": "gpt-image-2", "more_models": "flux.2-pro"}
    graph = {"1": {"class_type": "LumenfallCompare", "inputs": inputs}}
    with use(host), torch.inference_mode():
        (line,) = asyncio.run(estimate_graph(graph)).lines
    assert (line.requests, line.pictures) == (2, 2) and line.price == pytest.approx(0.053 + 0.03)


def test_a_sibling_that_fails_ends_the_comparison_as_the_host_wants(host: Headless, sandbox: Sandbox) -> None:
    """A CancelledError that leaves a node ends ComfyUI's only worker."""

    async def cancelled() -> None:
        inputs = {"prompt": "a cat", "size": "128x96", "seed": 0, **THREE}
        task = asyncio.create_task(Compare().run(**inputs))
        await asyncio.to_thread(until_arrived, sandbox)
        task.cancel()
        with pytest.raises(Interrupted):
            await task

    sandbox.latency = 1.0
    with use(host):
        asyncio.run(cancelled())
