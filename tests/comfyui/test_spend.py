"""Money inside a real ComfyUI: Stop and kill -9 lose no picture, and nothing is paid twice."""

from __future__ import annotations

import io
import json
import urllib.request
from typing import Any

import pytest
from PIL import Image

from nodes.api.downloads import OVERLAP
from nodes.headless.sandbox import sending
from nodes.spend import Journal, nanos, newest
from nodes.spend.ledger import entries
from tests.comfyui.conftest import ComfyUI, until
from tests.comfyui.test_host import generate, messages, paid
from tests.faults.world import NO_LOG


def report(entry: dict[str, Any]) -> Any:
    return next(output["lumenfall"][0] for output in entry["outputs"].values() if "lumenfall" in output)


def receipts(comfyui: ComfyUI, entry: dict[str, Any]) -> Any:
    with Image.open(io.BytesIO(comfyui.pictures(entry)[0])) as picture:
        return json.loads(picture.text["lumenfall"])  # type: ignore[attr-defined]


def test_stop_in_the_middle_of_a_call_loses_no_picture(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.latency = 5.0
    prompt_id = comfyui.queue(generate(101))
    until(lambda: bool(paid(comfyui)), 20)
    asked = urllib.request.Request(f"{comfyui.url}/lumenfall/calls", headers={"X-Lumenfall": "1"})
    with urllib.request.urlopen(asked, timeout=10) as told:
        # Beside it there may be what an earlier test has left in the air.
        assert (prompt_id, True) in [(call["run_id"], call["stoppable"]) for call in json.load(told)["running"]]
    comfyui.post("/interrupt", {})
    assert "execution_interrupted" in messages(comfyui.finished(prompt_id))
    again = comfyui.run(generate(101))
    assert report(again)["replayed"] and report(again)["cost"] == 0 and len(comfyui.pictures(again)) == 1
    assert len(comfyui.sandbox.bill) == billed + 1


def test_killed_in_the_middle_of_a_download_it_goes_on_where_it_was(
    comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DRIP_PAUSE", 0.005)
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.fail_next("download-drip")
    comfyui.queue(generate(102))
    unfinished = comfyui.base / "user" / "__lumenfall" / "calls" / "open"
    until(lambda: any(path.stat().st_size > OVERLAP for path in unfinished.glob("*.part")), 20)
    comfyui.stop(by_force=True)
    comfyui.start()
    again = comfyui.run(generate(102))
    assert report(again)["replayed"] and len(comfyui.pictures(again)) == 1
    assert len(comfyui.sandbox.bill) == billed + 1
    assert any(one.headers.get("range") for one in comfyui.requests if one.endpoint.startswith("media"))


def test_killed_before_the_answer_it_says_so_and_sends_nothing(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.latency = 1.0
    comfyui.queue(generate(103))
    until(lambda: bool(paid(comfyui)), 20)
    comfyui.stop(by_force=True)
    until(lambda: len(comfyui.sandbox.bill) == billed + 1, 20)
    comfyui.sandbox.latency = 0.0
    comfyui.start()
    failed = messages(comfyui.run(generate(103)))["execution_error"]["exception_message"]
    assert "Nothing was sent now. The server has charged 0.053 USD" in failed and "change the seed" in failed
    assert len(comfyui.sandbox.bill) == billed + 1


def test_saved_pictures_carry_receipts_also_from_the_hosts_cache(comfyui: ComfyUI) -> None:
    graph = generate(104)
    first = receipts(comfyui, comfyui.run(graph))
    graph["1041"]["inputs"]["filename_prefix"] = "elsewhere"
    again = comfyui.run(graph)
    assert messages(again)["execution_cached"]["nodes"] == ["1040"]
    assert receipts(comfyui, again) == first
    assert first["1040"][0]["request_id"] == comfyui.sandbox.bill[-1].request_id


def test_what_is_queued_while_an_equal_node_is_in_the_air_carries_its_receipt(comfyui: ComfyUI) -> None:
    """By the time that it runs, ComfyUI has the node's result in its cache, and asks nobody."""
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.latency = 2.0
    first, second = generate(111), generate(111)
    second["2110"], second["2111"] = second.pop("1110"), second.pop("1111")
    second["2111"]["inputs"] = {"images": ["2110", 0], "filename_prefix": "elsewhere"}
    begun = comfyui.queue(first)
    until(lambda: bool(paid(comfyui)), 20)
    waiting = [
        comfyui.queue(second),
        comfyui.queue(
            first | {"1111": second["2111"] | {"inputs": {"images": ["1110", 0], "filename_prefix": "third"}}}
        ),
    ]
    (receipt,) = receipts(comfyui, comfyui.finished(begun))["1110"]
    entries = [comfyui.finished(prompt_id) for prompt_id in waiting]
    assert receipt["request_id"] == comfyui.sandbox.bill[-1].request_id
    assert [receipts(comfyui, entry) for entry in entries] == [{"2110": [receipt]}, {"1110": [receipt]}]
    assert len(comfyui.sandbox.bill) == billed + 1


def test_a_node_that_is_called_for_each_item_of_a_list_hands_out_every_receipt(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    size = {"width": 64, "height": 64, "batch_size": 1}
    inputs = {"image": ["1083", 0], "model": "gpt-image-2", "size": "auto", "n": 1, "similarity": "close", "seed": 108}
    graph = {
        "1081": {"class_type": "EmptyImage", "inputs": {**size, "color": 0x203040}},
        "1082": {"class_type": "EmptyImage", "inputs": {**size, "color": 0xC0B0A0}},
        "1084": {"class_type": "ImageBatch", "inputs": {"image1": ["1081", 0], "image2": ["1082", 0]}},
        "1083": {"class_type": "RebatchImages", "inputs": {"images": ["1084", 0], "batch_size": 1}},
        "1080": {"class_type": "LumenfallVariations", "inputs": inputs},
        "1085": {"class_type": "SaveImage", "inputs": {"images": ["1080", 0], "filename_prefix": "list"}},
    }
    first = receipts(comfyui, comfyui.run(graph))["1080"]
    ordered = [charge.request_id for charge in comfyui.sandbox.bill[billed:]]
    assert sorted(receipt["request_id"] for receipt in first) == sorted(ordered) and len(ordered) == 2
    graph["1085"]["inputs"]["filename_prefix"] = "elsewhere"
    again = comfyui.run(graph)
    assert "1080" in messages(again)["execution_cached"]["nodes"]
    assert receipts(comfyui, again)["1080"] == first


def test_what_was_lost_is_sent_again_once_it_is_given_up(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.fail_next("plain-500", *[NO_LOG] * 100)
    for _ in range(2):
        assert "may have been charged" in messages(comfyui.run(generate(109)))["execution_error"]["exception_message"]
    (lost,) = newest(Journal(comfyui.base / "user" / "__lumenfall"), 1)
    address = f"{comfyui.url}/lumenfall/calls/{lost.id}/give-up"
    headers = {"Content-Type": "application/json", "X-Lumenfall": "1"}
    with urllib.request.urlopen(urllib.request.Request(address, b"{}", headers), timeout=30) as response:
        told = {"id": lost.id, "state": "lost", "charged": "may have been charged", "given_up": True}
        assert json.load(response) == told
    assert len(comfyui.pictures(comfyui.run(generate(109)))) == 1
    assert len(comfyui.sandbox.bill) == billed + 1
    comfyui.sandbox.faults.clear()


def test_two_equal_nodes_pay_once(comfyui: ComfyUI) -> None:
    billed = len(comfyui.sandbox.bill)
    comfyui.sandbox.latency = 0.5
    first, second = generate(105), generate(106)
    second["1060"]["inputs"]["seed"] = 105
    second["1061"]["inputs"]["filename_prefix"] = "twin"
    assert len(comfyui.pictures(comfyui.run({**first, **second}))) == 2
    assert len(comfyui.sandbox.bill) == billed + 1


def test_the_ledger_equals_the_bill(comfyui: ComfyUI) -> None:
    comfyui.run(generate(107))
    ledger = list(entries(Journal(comfyui.base / "user" / "__lumenfall")))
    assert {call.request_id for call in ledger} == {charge.request_id for charge in comfyui.sandbox.bill}
    assert sum(call.cost or 0 for call in ledger) == nanos(comfyui.sandbox.billed)
    assert all(call.run_id and call.node_title for call in ledger)
