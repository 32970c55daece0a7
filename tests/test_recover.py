"""Recover Images: what was paid for comes back, once and for nothing, and what cannot come back is said honestly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.errors import Charged
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from nodes.host import Interrupted, use
from nodes.purchase.receipts import RECEIPTS
from nodes.spend import Call, Caller, Journal, Limits, State, nanos, newest
from nodes.table import NODE_CLASS_MAPPINGS
from tests.conftest import Nodes, wait_until_idle
from tests.contract.test_nodes import options
from tests.purchase.test_ask import SMALL, until

OFFLINE = {"LUMENFALL_BASE_URL": None, "LUMENFALL_API_KEY": None}


def journal(nodes: Nodes) -> Journal:
    return Journal(nodes.host.data_dir())


def posts(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


def died(store: Journal, server: str, request_id: str | None = None) -> Call:
    """A call whose process died before the answer came."""
    call = Call("ab" * 32, server, "images/generations", "gpt-image-2", {"prompt": "a cat"}, request_id=request_id)
    return store.begin(call, Caller(), Limits(), None)


def lose_the_download(nodes: Nodes, sandbox: Sandbox, **inputs: Any) -> str:
    """A paid call whose picture could not be fetched; its request id."""
    # Enough for the calls that were lost before, too: each run tries to bring them home.
    sandbox.fail_next("redirect-loop:9")
    with pytest.raises(errors.DownloadError) as caught:
        nodes("LumenfallGenerate", **{**SMALL, **inputs})
    assert wait_until_idle(10) == 0
    sandbox.faults.clear()
    assert caught.value.request_id
    return caught.value.request_id


def test_a_picture_that_could_not_be_fetched_comes_without_paying_again(nodes: Nodes, sandbox: Sandbox) -> None:
    request_id = lose_the_download(nodes, sandbox)
    made = nodes("LumenfallRecover")
    assert made.images.shape == (1, 64, 64, 3) and made.mask.shape == (1, 64, 64)
    assert (made.report["replayed"], made.report["cost"], made.report["request_id"]) == (True, 0.0, request_id)
    assert (posts(sandbox), len(sandbox.bill)) == (1, 1)


def test_each_call_is_recovered_once_the_newest_first(nodes: Nodes, sandbox: Sandbox) -> None:
    older = lose_the_download(nodes, sandbox)
    newer = lose_the_download(nodes, sandbox, seed=1)
    assert [nodes("LumenfallRecover").report["request_id"] for _ in range(2)] == [newer, older]
    with pytest.raises(errors.InputError, match="No paid picture waits") as caught:
        nodes("LumenfallRecover")
    assert newer in caught.value.hint and older in caught.value.hint


def test_what_came_home_after_stop_needs_neither_key_nor_server(tmp_path: Path) -> None:
    with running(latency=0.5) as gone:
        there = Nodes(Headless({"LUMENFALL_BASE_URL": gone.base_url}))

        async def stopped() -> None:
            task = asyncio.create_task(there.start("LumenfallGenerate", **SMALL))
            await asyncio.to_thread(until, lambda: posts(gone) > 0)
            there.host.stop()
            await task

        with use(there.host), pytest.raises(Interrupted):
            asyncio.run(stopped())
        assert wait_until_idle(10) == 0
    made = Nodes(Headless(OFFLINE))("LumenfallRecover")
    assert made.images.shape == (1, 64, 64, 3) and made.report["cost"] == 0.0


def test_any_call_in_the_store_is_found_by_either_id(nodes: Nodes, sandbox: Sandbox) -> None:
    first = nodes("LumenfallGenerate", **SMALL, n=2)
    nodes("LumenfallGenerate", **SMALL, seed=1)
    call = journal(nodes).find(first.report["request_id"])
    assert call
    for name in (first.report["request_id"], f" {call.id[:8]} ", call.id):
        assert torch.equal(nodes("LumenfallRecover", request_id=name).images, first.images)
    assert len(sandbox.bill) == 2


def test_an_unknown_id_is_answered_with_the_newest_five(nodes: Nodes) -> None:
    made = [nodes("LumenfallGenerate", **SMALL, seed=seed).report["request_id"] for seed in range(6)]
    with pytest.raises(errors.InputError, match="No call has the id req_nonsense") as caught:
        nodes("LumenfallRecover", request_id="req_nonsense")
    assert [name in caught.value.hint for name in made] == [False, True, True, True, True, True]
    assert caught.value.charged is Charged.NO


# What brought no pictures


def test_a_lost_call_is_looked_up_and_nothing_is_sent(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("reset-before-headers")
    with pytest.raises(errors.ConnectionFailed):
        nodes("LumenfallGenerate", **SMALL)
    (call,) = newest(journal(nodes), 1)
    with pytest.raises(errors.Unresolved, match="no pictures of it came") as caught:
        nodes("LumenfallRecover", request_id=call.id)
    assert caught.value.charged is Charged.YES and f"{float(sandbox.billed):.4g} USD" in caught.value.hint
    assert posts(sandbox) == 1


def test_a_call_whose_process_died_is_looked_up_too(nodes: Nodes, sandbox: Sandbox) -> None:
    request_id = nodes("LumenfallGenerate", **SMALL).report["request_id"]
    call = died(journal(nodes), server=sandbox.base_url, request_id=request_id)
    with pytest.raises(errors.Unresolved) as caught:
        nodes("LumenfallRecover", request_id=call.id)
    found = journal(nodes).find(call.id)
    assert caught.value.charged is Charged.YES
    assert found and found.state is State.LOST and found.cost == nanos(sandbox.billed)


def test_without_a_log_nothing_is_claimed(nodes: Nodes, sandbox: Sandbox) -> None:
    call = died(journal(nodes), server="https://elsewhere.example/v1")
    with pytest.raises(errors.Unresolved, match="not known") as caught:
        nodes("LumenfallRecover", request_id=call.id)
    assert caught.value.charged is Charged.UNKNOWN and sandbox.requests == []


def test_what_was_refused_says_so(nodes: Nodes, sandbox: Sandbox) -> None:
    with pytest.raises(errors.ContentPolicyViolation) as refused:
        nodes("LumenfallGenerate", prompt="something forbidden", size="64x64")
    with pytest.raises(errors.InputError, match="nothing was charged"):
        nodes("LumenfallRecover", request_id=refused.value.request_id)


def test_files_that_are_gone_are_not_promised(nodes: Nodes) -> None:
    as_base64 = options(response_format="b64_json")
    made = nodes("LumenfallGenerate", **SMALL, options=as_base64)
    for path in (nodes.host.data_dir() / "store").rglob("*.png"):
        path.unlink()
    with pytest.raises(errors.InputError, match="gone from the store"):
        nodes("LumenfallRecover", request_id=made.report["request_id"])


def test_files_that_are_gone_come_again_while_their_links_live(nodes: Nodes, sandbox: Sandbox) -> None:
    made = nodes("LumenfallGenerate", **SMALL)
    for path in (nodes.host.data_dir() / "store").rglob("*.png"):
        path.unlink()
    again = nodes("LumenfallRecover", request_id=made.report["request_id"])
    assert torch.equal(again.images, made.images) and len(sandbox.bill) == 1


# What it hands on


def test_transparency_is_kept_where_it_was_asked_for(nodes: Nodes) -> None:
    clear = options(background="transparent")
    first = nodes("LumenfallGenerate", **SMALL, model="gpt-image-1.5", options=clear)
    again = nodes("LumenfallRecover", request_id=first.report["request_id"])
    assert first.images.shape[-1] == 4 and torch.equal(again.images, first.images)
    assert torch.equal(again.mask, first.mask) and first.mask.any()


def test_pictures_of_different_sizes_are_fitted_to_the_first(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("mixed-sizes")
    first = nodes("LumenfallGenerate", **SMALL, n=2)
    again = nodes("LumenfallRecover", request_id=first.report["request_id"])
    assert again.images.shape == (2, 64, 64, 3) and again.report["sizes"] == ["64x64", "32x32"]
    assert any("scaled and cropped" in note for note in again.report["notes"])


def test_a_saved_picture_carries_the_receipt_of_its_call(nodes: Nodes, tmp_path: Path) -> None:
    request_id = nodes("LumenfallGenerate", **SMALL).report["request_id"]
    prompt = {
        "7": {"class_type": "LumenfallRecover", "inputs": {"request_id": request_id}},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "back"}},
    }
    folders = Folders(tmp_path, tmp_path, tmp_path)

    async def saved() -> Path:
        graph = await build(prompt, {**table(folders), **NODE_CLASS_MAPPINGS}, [])
        return folders.locate((await execute(graph, nodes.host, workflow={"id": "abc"})).images["8"][0])

    with Image.open(asyncio.run(saved())) as picture:
        (receipt,) = json.loads(picture.text[RECEIPTS])["7"]  # type: ignore[attr-defined]
    assert receipt["request_id"] == request_id and receipt["cost"] > 0


def test_comfyui_never_answers_it_from_its_cache() -> None:
    node = NODE_CLASS_MAPPINGS["LumenfallRecover"]
    changed = node.IS_CHANGED(request_id="", graph={}, png_info=None)
    assert changed != changed


def test_stop_ends_the_waiting_for_a_call_in_the_air(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = nodes("LumenfallGenerate", **SMALL).report["request_id"]
    call = journal(nodes).find(request_id)
    assert call
    lock = journal(nodes).lock(call.key)
    assert lock.acquire()

    def stop_when_waiting(text: str) -> None:
        if "in the air" in text:
            nodes.host.stop()

    monkeypatch.setattr(nodes.host, "progress", stop_when_waiting)
    try:
        with pytest.raises(Interrupted):
            nodes("LumenfallRecover", request_id=request_id)
        assert wait_until_idle(10) == 0
    finally:
        lock.release()
