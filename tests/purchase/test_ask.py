"""What the way from inputs to tensors promises: Stop, event loops, parallel calls, and that nothing paid is lost."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import time
from collections.abc import Callable

import pytest
import torch

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import FAULTS, Sandbox
from nodes.host import Interrupted, use
from tests.conftest import Nodes, Outcome

SMALL = {"prompt": "a cat", "size": "64x64"}


def until(condition: Callable[[], bool]) -> None:
    """Wait for something another thread does, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        threading.Event().wait(0.01)


def test_a_node_works_in_one_event_loop_after_another(nodes: Nodes) -> None:
    for seed in range(3):
        assert nodes("LumenfallGenerate", **SMALL, seed=seed).images.shape == (1, 64, 64, 3)


def test_two_nodes_wait_at_the_same_time(nodes: Nodes, sandbox: Sandbox) -> None:
    async def both() -> list[Outcome]:
        return await asyncio.gather(*(nodes.start("LumenfallGenerate", **SMALL, seed=seed) for seed in (1, 2)))

    sandbox.latency = 0.5
    with use(nodes.host):
        asyncio.run(both())
    first, second = (request for request in sandbox.requests if request.endpoint == "images/generations")
    assert max(first.arrived, second.arrived) < min(first.finished or 0, second.finished or 0)


def test_requests_are_sent_in_parallel_but_those_of_all_nodes_together_bounded(nodes: Nodes, sandbox: Sandbox) -> None:
    from nodes.settings import Settings

    async def several() -> None:
        images = torch.rand(Settings().parallel, 64, 64, 3)
        both = (nodes.start("LumenfallVariations", image=images, seed=seed) for seed in (1, 2))
        await asyncio.gather(*both)

    sandbox.latency = 1.0
    with use(nodes.host):
        asyncio.run(several())
    spans = [(one.arrived, one.finished) for one in sandbox.requests if one.endpoint == "images/edits"]
    together = max(sum(start <= moment < (end or 0) for start, end in spans) for moment, _ in spans)
    assert (len(spans), together) == (2 * Settings().parallel, Settings().parallel)


def test_stop_aborts_the_call_at_once_and_is_shown_as_interrupted(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("hang")
    stopped: list[float] = []

    def press_stop() -> None:
        until(lambda: any(request.finished for request in sandbox.requests if request.method == "POST"))
        stopped.append(time.monotonic())
        nodes.host.stop()

    thread = threading.Thread(target=press_stop)
    thread.start()
    with pytest.raises(Interrupted):
        nodes("LumenfallGenerate", **SMALL)
    assert time.monotonic() - stopped[0] < 0.3
    thread.join()


def test_a_cancellation_from_outside_leaves_the_node_as_an_interruption(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("hang")

    async def cancelled() -> BaseException:
        task = asyncio.create_task(nodes.start("LumenfallGenerate", **SMALL))
        await asyncio.to_thread(until, lambda: any(one.finished for one in sandbox.requests if one.method == "POST"))
        task.cancel()
        done, _ = await asyncio.wait({task})
        assert not next(iter(done)).cancelled(), "a CancelledError would end ComfyUI's worker thread"
        return task.exception() or AssertionError("it finished")

    with use(nodes.host):
        assert isinstance(asyncio.run(cancelled()), Interrupted)


def test_progress_says_what_is_waited_for(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(nodes.host, "progress", lines.append)
    sandbox.latency = 1.3
    nodes("LumenfallGenerate", **SMALL, model="flux.2-pro")
    assert lines[0] == "waiting for flux.2-pro" and "waiting for flux.2-pro (1 s)" in lines
    assert not any("trying again" in line for line in lines)
    assert lines[-1].startswith("1 picture in") and lines[-1].endswith(f" s, {float(sandbox.billed)} USD")


def test_what_went_wrong_stays_on_the_node(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(nodes.host, "progress", lines.append)
    with pytest.raises(errors.ContentPolicyViolation):
        nodes("LumenfallGenerate", prompt="something forbidden", size="64x64")
    assert "Rephrase the prompt" in lines[-1]
    with pytest.raises(errors.InputError):
        nodes("LumenfallGenerate", prompt="")
    assert "prompt is empty" in lines[-1]
    nodes.host.stop()
    with pytest.raises(Interrupted):
        nodes("LumenfallGenerate", **SMALL)
    assert lines[-1] == "stopped"


# Failures


def test_a_refusal_is_readable_on_the_node(nodes: Nodes, sandbox: Sandbox) -> None:
    with pytest.raises(errors.ContentPolicyViolation) as caught:
        nodes("LumenfallGenerate", prompt="something forbidden", size="64x64")
    text = str(caught.value)
    assert "Rephrase the prompt" in text and "CONTENT_POLICY_VIOLATION" in text and "not charged" in text
    assert caught.value.request_id and caught.value.request_id in text
    assert sandbox.bill == []


def test_when_one_of_a_batch_fails_the_others_are_on_disk(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3  # so that all three are in the air when the first fails
    sandbox.fail_next("status-500")
    with pytest.raises(errors.ServerFault) as caught:
        nodes("LumenfallVariations", image=torch.rand(3, 64, 64, 3))
    assert "2 of the 3 requests of this node succeeded" in str(caught.value)
    assert caught.value.charged is Charged.YES
    assert len(sandbox.bill) == 2
    assert len(list((nodes.host.data_dir() / "store").rglob("*.png"))) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "charged"),
    [
        ("reset-before-headers", errors.ConnectionFailed, Charged.YES),
        ("reset-mid-body", errors.ConnectionFailed, Charged.YES),
        ("cut-json", errors.AnswerError, Charged.YES),
        ("empty-data", errors.AnswerError, Charged.YES),
        ("null-data", errors.AnswerError, Charged.YES),
        ("bad-base64", errors.AnswerError, Charged.YES),
        ("not-a-picture", errors.AnswerError, Charged.YES),
        ("cut-picture", errors.AnswerError, Charged.YES),
        ("error-in-200", errors.ServerFault, Charged.NO),
        ("flat-error", errors.ServerFault, Charged.NO),
        ("html-503", errors.ServerFault, Charged.NO),
        ("status-502", errors.ProvidersExhausted, Charged.NO),
        ("expired-link", errors.DownloadError, Charged.YES),
        ("redirect-loop", errors.DownloadError, Charged.YES),
    ],
)
def test_a_broken_call_is_sent_once_and_tells_the_truth_about_money(
    nodes: Nodes, sandbox: Sandbox, fault: str, kind: type[errors.LumenfallError], charged: Charged
) -> None:
    sandbox.fail_next(fault)
    with pytest.raises(kind) as caught:
        nodes("LumenfallGenerate", **SMALL)
    assert caught.value.charged is charged
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 1
    billed = len(sandbox.bill)
    assert charged is Charged.UNKNOWN or billed == (charged is Charged.YES)


def test_after_a_failure_the_rest_of_a_batch_is_not_bought(nodes: Nodes, sandbox: Sandbox) -> None:
    with pytest.raises(errors.ContentPolicyViolation, match="were not sent any more"):
        nodes("LumenfallVariations", image=torch.rand(12, 64, 64, 3), prompt="something forbidden")
    assert len([one for one in sandbox.requests if one.method == "POST"]) <= 8


def test_the_gravest_error_of_a_batch_speaks_for_all(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3
    sandbox.fail_next("status-429", "cut-picture")
    sandbox.fail_next(*["status-429"] * 6)
    with pytest.raises(errors.AnswerError) as caught:
        nodes("LumenfallVariations", image=torch.rand(2, 64, 64, 3))
    assert caught.value.charged is Charged.YES and "Another request failed too" in str(caught.value)


def test_a_request_that_waits_for_a_busy_server_is_dropped_when_another_fails(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3
    sandbox.fail_next(dataclasses.replace(FAULTS["status-429"], retry_after=1), "status-500")
    with pytest.raises(errors.ServerFault):
        nodes("LumenfallVariations", image=torch.rand(2, 64, 64, 3))
    assert len([one for one in sandbox.requests if one.method == "POST"]) == 2 and sandbox.bill == []


@pytest.mark.parametrize("fault", ["cut-picture", "not-a-picture", "bad-base64", "empty-data", "null-data", "cut-json"])
def test_an_answer_that_cannot_be_used_stays_on_disk_and_the_error_says_where(
    nodes: Nodes, sandbox: Sandbox, fault: str
) -> None:
    sandbox.fail_next(fault)
    with pytest.raises(errors.AnswerError) as caught:
        nodes("LumenfallGenerate", **SMALL)
    data_dir = nodes.host.data_dir()
    kept = [*(data_dir / "store").rglob("*.*"), *(data_dir / "calls" / "open").glob("*.answer")][0]
    assert kept.stat().st_size > 0
    assert kept.relative_to(data_dir).as_posix() in str(caught.value)


def test_a_picture_that_cannot_be_read_is_kept_beside_the_good_ones(nodes: Nodes, sandbox: Sandbox) -> None:
    def spoil_second(text: str) -> str:
        answer = json.loads(text)
        answer["data"][1] = {"b64_json": "A"}
        return json.dumps(answer)

    sandbox.fail_next(dataclasses.replace(FAULTS["cut-json"], spoil_text=spoil_second))
    made = nodes("LumenfallGenerate", **SMALL, n=3)
    assert made.images.shape[0] == 2
    assert any("Picture 2 of the answer cannot be used" in note for note in made.report["notes"])
    (answer,) = (nodes.host.data_dir() / "calls" / "open").glob("*.answer")
    assert any(answer.name in note for note in made.report["notes"])


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_a_full_disk_does_not_lose_the_picture_that_is_here(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, response_format: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    from nodes.spend.files import Files
    from nodes.spend.records import Records
    from tests.contract.test_nodes import options

    monkeypatch.setattr(Records, "keep_answer", full)
    monkeypatch.setattr(Files, "put", full)
    made = nodes("LumenfallGenerate", **SMALL, options=options(response_format=response_format))
    assert made.images.shape == (1, 64, 64, 3)
    assert any("No space left" in note for note in made.report["notes"])


def test_what_cannot_be_shown_does_not_stop_the_call(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("the browser has gone")

    monkeypatch.setattr(nodes.host, "progress", broken)
    assert nodes("LumenfallGenerate", **SMALL).images.shape == (1, 64, 64, 3)


def test_a_download_that_breaks_is_fetched_again_without_paying_again(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("download-reset", "download-reset")
    made = nodes("LumenfallGenerate", **SMALL)
    assert made.images.shape == (1, 64, 64, 3) and len(sandbox.bill) == 1


@pytest.mark.parametrize("fault", ["status-429:2", "status-503:2"])
def test_an_explicit_not_now_is_tried_again(nodes: Nodes, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail_next(fault)
    nodes("LumenfallGenerate", **SMALL)
    assert len(sandbox.bill) == 1


def test_nothing_is_ordered_that_could_not_be_kept(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes.host.data_dir().mkdir()
    (nodes.host.data_dir() / "store").write_text("a file in the way")
    with pytest.raises(errors.StoreError, match="cannot be kept"):
        nodes("LumenfallGenerate", **SMALL)
    assert all(request.method == "GET" for request in sandbox.requests)
