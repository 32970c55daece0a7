"""What was bought answers the same again for nothing, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nodes.errors import AnswerError
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from tests.conftest import Nodes
from tests.purchase.test_ask import SMALL
from tests.purchase.test_checkout import restarted
from tests.purchase.test_order import RUNS


def test_the_same_again_is_free_after_a_restart_and_without_links(sandbox: Sandbox, nodes: Nodes) -> None:
    first = nodes("LumenfallGenerate", **SMALL, n=2, seed=5)
    sandbox._shelf.purge("req_")
    again = restarted(nodes)("LumenfallGenerate", **SMALL, n=2, seed=5)
    assert torch.equal(first.images, again.images)
    assert len(sandbox.bill) == 1
    assert (first.report["replayed"], again.report["replayed"]) == (False, True)
    assert (first.report["cost"], again.report["cost"]) == (float(sandbox.billed), 0.0)
    same = ("model", "executed_model", "provider", "request_id", "sizes", "revised_prompts", "size", "count")
    assert all(first.report[name] == again.report[name] for name in same)


def test_a_replay_needs_no_server(nodes: Nodes) -> None:
    with running() as gone:
        there = Nodes(Headless({"LUMENFALL_BASE_URL": gone.base_url}))
        first = there("LumenfallGenerate", **SMALL)
    assert torch.equal(there("LumenfallGenerate", **SMALL).images, first.images)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"prompt": "a dog"}, {"size": "128x64"}, {"n": 2}, {"model": "flux.2-pro"}],
)
def test_anything_else_is_another_picture(nodes: Nodes, sandbox: Sandbox, change: dict[str, Any]) -> None:
    nodes("LumenfallGenerate", **SMALL)
    assert not nodes("LumenfallGenerate", **{**SMALL, **change}).report["replayed"]
    assert len(sandbox.bill) == 2


def test_input_pictures_count_by_their_pixels(nodes: Nodes, sandbox: Sandbox) -> None:
    picture = torch.rand(1, 64, 64, 3)
    nodes("LumenfallVariations", image=picture)
    assert nodes("LumenfallVariations", image=picture.double() + 1e-9).report["replayed"]
    other = picture.clone()
    other[0, 0, 0, 0] = 1.0 - other[0, 0, 0, 0].round()
    assert not nodes("LumenfallVariations", image=other).report["replayed"]
    assert len(sandbox.bill) == 2


def test_replaying_can_be_switched_off(nodes: Nodes, sandbox: Sandbox) -> None:
    always = restarted(nodes, LUMENFALL_REPLAY="off")
    for _ in range(2):
        assert not always("LumenfallGenerate", **SMALL).report["replayed"]
    assert len(sandbox.bill) == 2


# Several equal calls


def test_a_whole_picture_is_found_behind_one_that_is_gone(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    anew = Nodes(Headless({**nodes.host.environ(), "LUMENFALL_REPLAY": "off"}))
    first = nodes(node, **inputs)
    second = anew(node, **inputs)
    assert len(sandbox.bill) == 2
    files = [one.report["requests"][0]["originals"][0] for one in (first, second)]
    if files[0] != files[1]:
        (nodes.host.data_dir() / files[1]).unlink()
    assert nodes(node, **inputs).report["replayed"] and len(sandbox.bill) == 2


def test_a_lost_call_does_not_hide_a_picture_that_is_there(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    anew = Nodes(Headless({**nodes.host.environ(), "LUMENFALL_REPLAY": "off"}))
    nodes(node, **inputs)
    sandbox.fail_next("empty-data")
    with pytest.raises(AnswerError):
        anew(node, **inputs)
    assert nodes(node, **inputs).report["replayed"] and len(sandbox.bill) == 2
