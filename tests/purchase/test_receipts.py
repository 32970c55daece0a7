"""Who paid for what: names in the ledger, and receipts in saved pictures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nodes import errors
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from nodes.host import use
from nodes.purchase import receipts
from nodes.purchase.receipts import RECEIPTS, _put_known_receipts
from nodes.spend import Journal
from nodes.table import NODE_CLASS_MAPPINGS

KEY = "lmnfl_key_abc.TOPSECRET"


def graph(seed: int = 0) -> dict[str, Any]:
    inputs = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": seed}
    return {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs, "_meta": {"title": "The cat"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }


class Shades:
    """A list of pictures, for each of which a host calls the next node."""

    RETURN_TYPES = ("IMAGE",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    def make(self) -> tuple[list[torch.Tensor]]:
        return ([torch.full((1, 64, 64, 3), shade) for shade in (0.1, 0.5, 0.9)],)


def listed() -> dict[str, Any]:
    inputs = {"image": ["0", 0], "model": "gpt-image-2", "size": "auto", "n": 1, "seed": 0, "similarity": "close"}
    return {
        "0": {"class_type": "Shades", "inputs": {}},
        "1": {"class_type": "LumenfallVariations", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }


def compared() -> dict[str, Any]:
    inputs = {"prompt": "a cat", "model": "gpt-image-2", "more_models": "flux.2-pro", "size": "64x64", "seed": 0}
    return {
        "1": {"class_type": "LumenfallCompare", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 1], "filename_prefix": "cat"}},
    }


def run(
    sandbox: Sandbox, folder: Path, prompt: dict[str, Any], workflow: str = "cats", drawn: str = "abc", **environ: str
) -> Path:
    """Run ``prompt`` as the command line does; the picture that it saved. Raises what a node raises."""
    overrides = {"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_API_KEY": KEY, **environ}
    host = Headless(overrides, workflow=workflow)
    raised: list[BaseException] = []

    async def go() -> Path:
        folders = Folders(folder, folder, folder)
        built = await build(prompt, {**table(folders), **NODE_CLASS_MAPPINGS, "Shades": Shades}, [])
        notify = lambda event: raised.append(event.raised) if event.raised else None  # noqa: E731
        result = await execute(built, host, workflow={"id": drawn}, notify=notify)
        if raised:
            raise raised[0]
        return folders.locate(result.images["2"][0])

    with use(host):
        return asyncio.run(go())


@pytest.fixture
def keyed() -> Any:
    with running(api_key=KEY) as sandbox:
        yield sandbox


def test_a_saved_picture_carries_its_receipt_and_no_key(keyed: Sandbox, tmp_path: Path) -> None:
    file = run(keyed, tmp_path, graph())
    with Image.open(file) as picture:
        (receipt,) = json.loads(picture.text[RECEIPTS])["1"]  # type: ignore[attr-defined]
    assert receipt["model"] == "gpt-image-2" and receipt["executed_model"] == "sandbox/gpt-image-2"
    assert receipt["request_id"] == keyed.bill[0].request_id and receipt["cost"] == float(keyed.billed)
    assert receipt["provider"] and len(receipt["key"]) == 64
    assert b"TOPSECRET" not in file.read_bytes()


def test_a_replayed_picture_carries_what_it_once_cost(keyed: Sandbox, tmp_path: Path) -> None:
    receipts = []
    for _ in range(2):
        with Image.open(run(keyed, tmp_path, graph())) as picture:
            receipts.append(picture.text[RECEIPTS])  # type: ignore[attr-defined]
    assert receipts[0] == receipts[1] and len(keyed.bill) == 1


@pytest.mark.parametrize(("chosen", "left"), [("cost", {"model", "cost", "currency"}), ("off", None)])
def test_the_settings_say_what_a_picture_tells(
    keyed: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, left: set[str] | None
) -> None:
    file = run(keyed, tmp_path, graph(), LUMENFALL_RECEIPTS=chosen)
    with Image.open(file) as picture:
        told = json.loads(picture.text.get(RECEIPTS, "{}"))  # type: ignore[attr-defined]
    assert (left is None and told == {}) or [set(one) for one in told["1"]] == [left]
    assert keyed.bill[0].request_id.encode() not in file.read_bytes()
    # The same where a host takes the result from its cache.
    texts: dict[str, Any] = {}
    with use(Headless({"LUMENFALL_RECEIPTS": chosen})):
        _put_known_receipts(graph(), texts)
    assert texts[RECEIPTS] == told


def test_settings_that_cannot_be_used_keep_no_graph_from_the_queue(keyed: Sandbox, tmp_path: Path) -> None:
    run(keyed, tmp_path, graph())
    texts: dict[str, Any] = {}
    with use(Headless({"LUMENFALL_RECEIPTS": "some"})):
        _put_known_receipts(graph(), texts)
    assert texts == {RECEIPTS: {}}


def test_the_ledger_names_node_workflow_and_run(keyed: Sandbox, tmp_path: Path) -> None:
    run(keyed, tmp_path, graph())
    call = Journal(tmp_path / "data").find(keyed.bill[0].request_id)
    assert call and (call.node_title, call.workflow) == ("The cat", "cats") and call.run_id


def test_a_result_from_the_hosts_cache_keeps_its_receipt(keyed: Sandbox, tmp_path: Path) -> None:
    """ComfyUI does not run a node again whose inputs did not change; the picture may be saved once more."""
    run(keyed, tmp_path, graph())
    texts: dict[str, Any] = {}
    renumbered = {"7": graph()["1"], "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}}
    _put_known_receipts(renumbered, texts)
    assert [receipt["request_id"] for receipt in texts[RECEIPTS]["7"]] == [keyed.bill[0].request_id]
    another: dict[str, Any] = {}
    _put_known_receipts(graph(seed=1), another)
    assert another == {RECEIPTS: {}}


def test_what_was_queued_meanwhile_is_given_what_comes(keyed: Sandbox, tmp_path: Path) -> None:
    """A node that is called for each item of a list brings its receipts one after the other."""
    waiting: dict[str, Any] = {"workflow": {}}
    _put_known_receipts({"7": listed()["1"], "0": listed()["0"]}, waiting)
    assert waiting[RECEIPTS] == {}
    first = requests_of(run(keyed, tmp_path, listed()))
    assert [receipt["request_id"] for receipt in waiting[RECEIPTS]["7"]] == first and len(first) == 3
    # What it is given last is true: that is the result in the host's cache.
    anew = requests_of(run(keyed, tmp_path, listed(), LUMENFALL_REPLAY="off"))
    assert [receipt["request_id"] for receipt in waiting[RECEIPTS]["7"]] == anew != first


def requests_of(file: Path) -> list[str]:
    """Which requests a saved picture says that it came from."""
    with Image.open(file) as picture:
        return [receipt["request_id"] for receipt in json.loads(picture.text[RECEIPTS])["1"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("make", "count"), [(listed, 3), (compared, 2)])
def test_every_request_of_a_node_has_its_receipt(keyed: Sandbox, tmp_path: Path, make: Any, count: int) -> None:
    first = requests_of(run(keyed, tmp_path, make()))
    assert sorted(first) == sorted(charge.request_id for charge in keyed.bill) and len(first) == count
    texts: dict[str, Any] = {}
    _put_known_receipts(make(), texts)
    assert [receipt["request_id"] for receipt in texts[RECEIPTS]["1"]] == first
    # Another run adds nothing to it: here it brings the same, and here others.
    assert sorted(requests_of(run(keyed, tmp_path, make()))) == sorted(first)
    anew = requests_of(run(keyed, tmp_path, make(), LUMENFALL_REPLAY="off"))
    assert len(anew) == count and not set(anew) & set(first)


def test_what_is_remembered_is_bounded(keyed: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MAX_REMEMBERED", 2)
    monkeypatch.setattr(receipts, "MAX_QUEUED", 2)
    for seed in range(4):
        run(keyed, tmp_path, graph(seed))
        _put_known_receipts(graph(seed), {})
    assert len(receipts._handed_out) == len(receipts._queued) == 2


def test_a_graph_that_is_none_is_no_reason_to_fail() -> None:
    for broken in ({"1": None}, {"1": {"inputs": {"a": ["1", 0]}}}, {"1": {"class_type": "X", "inputs": None}}):
        _put_known_receipts(broken, {})


def test_the_key_in_a_graph_is_in_no_journal(keyed: Sandbox, tmp_path: Path) -> None:
    """Some paste it into a text box of whatever node."""
    prompt = graph()
    prompt["1"]["inputs"]["prompt"] = f"a sign: {KEY}"
    prompt["1"]["_meta"]["note"] = [KEY]
    run(keyed, tmp_path, prompt)
    call = Journal(tmp_path / "data").find(keyed.bill[0].request_id)
    assert call and call.graph and call.graph["nodes"]["1"]["inputs"]["prompt"] == "a sign: ***"
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or b"TOPSECRET" not in path.read_bytes()


def test_the_key_in_a_title_or_a_name_is_nowhere(
    keyed: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the journal nor in what a run saves and says, as it is or as JSON spells it."""
    told: list[str] = []
    keyed.latency = 0.3  # so that what is waited for is told
    monkeypatch.setattr(Headless, "progress", lambda self, text: told.append(text))
    monkeypatch.setattr(Headless, "failure", lambda self, error, link: told.append(str(error)))
    prompt = graph()
    prompt["1"]["inputs"]["prompt"] = f"a sign: {KEY}"
    prompt["1"]["_meta"]["title"] = f"The cat {KEY}"
    prompt["2"]["_meta"] = {"title": KEY}
    file = run(keyed, tmp_path, prompt, workflow=f"cats {KEY}", drawn=KEY)
    with Image.open(file) as picture:
        texts = picture.text  # type: ignore[attr-defined]
    assert json.loads(texts["prompt"])["1"]["inputs"]["prompt"] == "a sign: ***"
    assert json.loads(texts["workflow"]) == {"id": "***"}
    call = Journal(tmp_path / "data").find(keyed.bill[0].request_id)
    assert call and (call.node_title, call.workflow) == ("The cat ***", "cats ***")
    keyed.fail_next("status-404")
    prompt["1"]["inputs"] |= {"model": f"nobody/{KEY}", "seed": 1}
    with pytest.raises(errors.LumenfallError) as caught:
        run(keyed, tmp_path, prompt)
    assert KEY not in f"{caught.value} {caught.value.as_dict()} {told} {caplog.text}"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"TOPSECRET" not in path.read_bytes(), path
