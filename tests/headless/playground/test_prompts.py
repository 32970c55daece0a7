"""Queueing a graph, and what the browser hears of it."""

from __future__ import annotations

import io
import json
import struct
import threading
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from nodes.headless.playground import Playground
from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal, entries
from tests.headless.playground.conftest import CLIENT, Queue, copy, generate

DRAWN = {"id": "0b9c", "nodes": [], "links": []}


def test_a_run_is_told_saved_and_kept(http: httpx.Client, queue: Queue, playground: Playground) -> None:
    heard = queue(generate(), extra_data={"extra_pnginfo": {"workflow": DRAWN, "note": "mine"}})
    assert [event for event in heard.events if event.startswith("execution")] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert [data["node"] for data in heard.all("executing")] == ["1", "2", None]
    report, saved = heard.all("executed")
    assert report["node"] == report["display_node"] == "1" and report["output"]["lumenfall"][0]["count"] == 1
    (image,) = saved["output"]["images"]
    assert image == {"filename": "kite_00001_.png", "subfolder": "", "type": "output"}
    last = heard.all("progress_state")[-1]["nodes"]
    assert {node_id: node["state"] for node_id, node in last.items()} == {"1": "finished", "2": "finished"}
    assert last["1"]["display_node_id"] == "1" and last["1"]["prompt_id"] == heard.prompt_id

    picture = Image.open(io.BytesIO(http.get("/api/view", params=image).content))
    assert picture.size == (1024, 1024)
    assert json.loads(picture.text["workflow"]) == DRAWN and json.loads(picture.text["note"]) == "mine"
    assert json.loads(picture.text["prompt"])["1"]["class_type"] == "LumenfallGenerate"
    assert json.loads(picture.text["lumenfall"])["1"][0]["model"] == "gpt-image-2"

    entry = http.get(f"/api/history/{heard.prompt_id}").json()[heard.prompt_id]
    assert entry["outputs"]["2"]["images"] == [image]
    assert entry["status"]["status_str"] == "success" and entry["status"]["completed"] is True
    number, prompt_id, prompt, extra, outputs = entry["prompt"]
    assert (number, prompt_id, outputs) == (0, heard.prompt_id, ["2"])
    assert prompt == generate() and extra["client_id"] == CLIENT


def test_the_ledger_knows_run_node_and_workflow(queue: Queue, playground: Playground) -> None:
    heard = queue(generate(), extra_data={"extra_pnginfo": {"workflow": DRAWN}})
    (call,) = entries(Journal(playground.folders.private))
    assert (call.run_id, call.node_title, call.workflow) == (heard.prompt_id, "The kite", "0b9c")


def test_progress_and_previews_reach_the_node(http: httpx.Client, queue: Queue) -> None:
    heard = queue(generate())
    texts = [data for event, data in heard.texts if event == "lumenfall.progress"]
    assert any(data["node"] == "1" and "picture" in data["text"] for data in texts)

    mask = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 512, "height": 512}}
    asked = {"prompt": "a kite", "model": "gpt-image-2", "size": "auto", "n": 1, "seed": 1, "keep_unmasked": True}
    inpaint = {"class_type": "LumenfallInpaint", "inputs": {**asked, "image": ["1", 0], "mask": ["3", 0]}}
    mask["inputs"] |= {"width": 1024, "height": 768}
    graph = {**copy(), "3": mask, "4": inpaint, "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}}
    (frame, *_) = [frame for number, frame in queue(graph).frames if number == 4]
    (length,) = struct.unpack_from(">I", frame)
    metadata = json.loads(frame[4 : 4 + length])
    assert metadata["node_id"] == metadata["display_node_id"] == "4" and metadata["image_type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(frame[4 + length :])).size) == 512


def test_a_refused_prompt_is_readable_on_the_node(http: httpx.Client, queue: Queue) -> None:
    graph = {**generate(prompt="something forbidden"), **{f"k{key}": value for key, value in copy().items()}}
    graph["k2"]["inputs"]["images"] = ["k1", 0]
    heard = queue(graph)
    (error,) = heard.all("execution_error")
    assert (error["node_id"], error["node_type"]) == ("1", "LumenfallGenerate")
    assert error["exception_type"] == "lumenfall.ContentPolicyViolation"
    assert "Rephrase the prompt" in error["exception_message"] and "not charged" in error["exception_message"]
    assert error["current_inputs"]["prompt"] == ["something forbidden"]
    assert heard.events.index("execution_error") > max(
        place for place, event in enumerate(heard.events) if event == "executed"
    )
    entry = http.get(f"/api/history/{heard.prompt_id}").json()[heard.prompt_id]
    assert entry["status"]["status_str"] == "error" and entry["outputs"]["k2"]["images"]
    (job,) = http.get("/api/jobs").json()["jobs"]
    assert job["status"] == "failed" and job["execution_error"]["node_id"] == "1"
    assert queue(generate()).events[-1] == "executing"


def test_stop_interrupts_the_run_and_not_the_next(
    http: httpx.Client, queue: Queue, sandbox: Sandbox, playground: Playground
) -> None:
    sandbox.fail_next("hang")

    def stop(event: str, data: dict[str, Any]) -> None:
        if event == "executing" and data["node"] == "1":
            assert http.post("/api/interrupt", json={"prompt_id": "another"}).status_code == 200
            assert http.post("/api/jobs/another/cancel").json() == {"cancelled": False}
            assert playground.queue.running is not None and not playground.queue.running.host.interrupted()
            assert http.get("/api/queue").json()["queue_running"][0][1] == data["prompt_id"]
            calls: list[Any] = []
            while not calls:
                calls = http.get("/api/lumenfall/calls", headers={"X-Lumenfall": "1"}).json()["running"]
            assert [(call["run_id"], call["stoppable"]) for call in calls] == [(data["prompt_id"], True)]
            # ComfyUI takes only waiting prompts out of its queue.
            assert http.post("/api/queue", json={"delete": [data["prompt_id"]]}).status_code == 200
            assert not playground.queue.running.host.interrupted()
            http.post("/api/interrupt", json={"prompt_id": data["prompt_id"]})

    heard = queue(generate(), stop)
    (told,) = heard.all("execution_interrupted")
    assert (told["node_id"], told["node_type"], told["prompt_id"]) == ("1", "LumenfallGenerate", heard.prompt_id)
    assert not {"execution_error", "execution_success"} & set(heard.events)
    (job,) = http.get("/api/jobs").json()["jobs"]
    assert job["status"] == "cancelled"
    sandbox.faults.clear()
    assert "execution_success" in queue(generate(seed=2)).events


@pytest.mark.parametrize("body", [b"", b"not json", b'{"prompt_id": ""}'])
def test_an_interrupt_without_an_id_stops_whatever_runs(
    http: httpx.Client, queue: Queue, sandbox: Sandbox, body: bytes
) -> None:
    sandbox.fail_next("hang")

    def stop(event: str, data: dict[str, Any]) -> None:
        if event == "executing" and data["node"] == "1":
            assert http.post("/api/interrupt", content=body).status_code == 200

    assert "execution_interrupted" in queue(generate(), stop).events


def test_prompts_wait_for_each_other_and_can_be_taken_back(http: httpx.Client, queue: Queue, sandbox: Sandbox) -> None:
    sandbox.fail_next("hang")
    ids: list[str] = []

    def crowd(event: str, data: dict[str, Any]) -> None:
        if event != "executing" or data["node"] != "1":
            return
        for body in ({}, {}, {"front": True}):
            ids.append(http.post("/api/prompt", json={"prompt": copy(), **body}).json()["prompt_id"])
        waiting = http.get("/api/queue").json()
        assert [item[1] for item in waiting["queue_running"]] == [data["prompt_id"]]
        assert [item[1] for item in waiting["queue_pending"]] == [ids[2], ids[0], ids[1]]
        assert http.get("/api/prompt").json() == {"exec_info": {"queue_remaining": 4}}
        listed = http.get("/api/jobs", params={"status": "pending,in_progress", "limit": 3}).json()
        assert listed["pagination"] == {"offset": 0, "limit": 3, "total": 4, "has_more": True}
        http.post("/api/queue", json={"delete": [ids[0]]})
        assert http.post(f"/api/jobs/{ids[1]}/cancel").json() == {"cancelled": True}
        http.post("/api/queue", json={"clear": True})
        assert http.get("/api/queue").json()["queue_pending"] == []
        http.post("/api/interrupt")

    assert "execution_interrupted" in queue(generate(), crowd).events
    assert len(http.get("/api/history").json()) == 1


def test_a_job_is_told_with_its_pictures(http: httpx.Client, queue: Queue) -> None:
    heard = queue(copy())
    (job,) = http.get("/api/jobs").json()["jobs"]
    assert (job["id"], job["status"], job["outputs_count"]) == (heard.prompt_id, "completed", 1)
    assert job["preview_output"]["nodeId"] == "2" and job["preview_output"]["type"] == "temp"
    assert job["execution_end_time"] >= job["execution_start_time"] >= job["create_time"]
    detail = http.get(f"/api/jobs/{heard.prompt_id}").json()
    assert detail["workflow"]["prompt"] == copy() and detail["outputs"]["2"]["images"]
    assert http.get("/api/jobs/none").status_code == 404


def test_the_history_can_be_read_in_part_and_cleared(http: httpx.Client, queue: Queue) -> None:
    first, second = queue(copy()).prompt_id, queue(copy()).prompt_id
    assert list(http.get("/api/history").json()) == [first, second]
    assert list(http.get("/api/history?max_items=1").json()) == [second]
    assert list(http.get("/api/history?max_items=1&offset=0").json()) == [first]
    http.post("/api/history", json={"delete": [first]})
    assert list(http.get("/api/history").json()) == [second]
    http.post("/api/history", json={"clear": True})
    assert http.get("/api/history").json() == {}


def test_only_the_wanted_outputs_run(queue: Queue) -> None:
    graph = {**copy(), "3": {"class_type": "LumenfallGenerate", "inputs": {"broken": True}}}
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    heard = queue(graph, partial_execution_targets=["2"])
    assert [data["node"] for data in heard.all("executed")] == ["2"]


def test_a_wrong_input_is_told_at_its_node(http: httpx.Client) -> None:
    answer = http.post("/api/prompt", json={"prompt": {**generate(n=99), **copy("../x.png")}})
    assert answer.status_code == 400
    body = http.post("/api/prompt", json={"prompt": generate(n=99)}).json()
    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    (error,) = body["node_errors"]["1"]["errors"]
    assert body["node_errors"]["1"]["class_type"] == "LumenfallGenerate"
    assert error["type"] == "value_bigger_than_max" and error["extra_info"] == {"input_name": "n"}
    assert "bigger than the maximum" in error["details"]
    assert http.get("/api/queue").json() == {"queue_running": [], "queue_pending": []}


def test_what_a_node_itself_refuses_is_of_a_kind_that_the_frontend_knows(http: httpx.Client) -> None:
    prompt = generate()
    prompt["1"]["inputs"]["prompt"] = ""
    (error,) = http.post("/api/prompt", json={"prompt": prompt}).json()["node_errors"]["1"]["errors"]
    assert error["type"] == "custom_validation_failed" and error["extra_info"] == {"code": "INVALID_INPUT"}
    assert error["details"].startswith("The prompt is empty.")


def test_an_unknown_node_points_to_comfyui(http: httpx.Client) -> None:
    sampler: dict[str, Any] = {"class_type": "KSampler", "inputs": {}, "_meta": {"title": "My sampler"}}
    graph = {**generate(), "9": sampler}
    answer = http.post("/api/prompt", json={"prompt": graph})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "missing_node_type" and error["extra_info"]["node_title"] == "My sampler"
    assert error["message"].endswith("open the workflow in ComfyUI for KSampler.")

    # Frontends do not always name the class of a node that they do not know.
    del sampler["class_type"]
    error = http.post("/api/prompt", json={"prompt": graph}).json()["error"]
    assert error["message"].endswith("open the workflow in ComfyUI for My sampler.")
    del sampler["_meta"]
    error = http.post("/api/prompt", json={"prompt": graph}).json()["error"]
    assert error["message"].endswith("open the workflow in ComfyUI for node 9.")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": {"class_type": "SaveImage"}}}, "invalid_prompt"),
        ({"prompt": {"1": 7}}, "invalid_prompt"),
        ({"prompt": copy(), "prompt_id": "7"}, "invalid_prompt_id"),
        ({"prompt": copy(), "prompt_id": 7}, "invalid_prompt_id"),
    ],
)
def test_what_is_no_prompt_is_refused(http: httpx.Client, body: dict[str, Any], code: str) -> None:
    answer = http.post("/api/prompt", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["type"] == code


def test_bodies_that_are_not_json_are_refused(http: httpx.Client) -> None:
    for path in ("/api/prompt", "/api/queue", "/api/history", "/api/settings", "/api/settings/a"):
        assert http.post(path, content=b"{").status_code == 400


def test_the_browser_may_choose_the_id(http: httpx.Client, queue: Queue) -> None:
    chosen = str(uuid.uuid4())
    assert queue(copy(), prompt_id=chosen).prompt_id == chosen


def test_accounts_of_others_are_not_kept(http: httpx.Client, queue: Queue) -> None:
    heard = queue(copy(), extra_data={"auth_token_comfy_org": "secret", "api_key_comfy_org": "secret"})
    assert "secret" not in http.get(f"/api/history/{heard.prompt_id}").text


def test_stopping_the_server_stops_what_runs(tmp_path: Path, frontend: Path, sandbox: Sandbox) -> None:
    from nodes.headless.playground import running

    sandbox.fail_next("hang")
    before = threading.active_count()
    with running(tmp_path / "p", frontend=frontend, sandbox=sandbox) as playground:
        httpx.post(f"{playground.url}/api/prompt", json={"prompt": generate()}, verify=False)
    assert playground.queue.running is not None
    assert playground.queue.running.host.interrupted()
    assert threading.active_count() <= before + 1  # the background's stays
