"""The pack inside a real ComfyUI."""

from __future__ import annotations

import io
import urllib.error
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from nodes.headless.sandbox import FAULTS
from nodes.table import NODE_CLASS_MAPPINGS
from tests.comfyui.conftest import EXAMPLES, KEY, ComfyUI, until
from tests.templates import TEMPLATES, api, ui


def generate(number: int = 1, **inputs: Any) -> dict[str, Any]:
    """A graph of one Generate Image and one Save Image; every ``number`` is another picture."""
    node = {"prompt": "a cat", "model": "gpt-image-2", "size": "128x128", "n": 1, "seed": number, **inputs}
    return {
        f"{number}0": {"class_type": "LumenfallGenerate", "inputs": node},
        f"{number}1": {"class_type": "SaveImage", "inputs": {"images": [f"{number}0", 0], "filename_prefix": "test"}},
    }


LOAD = {"class_type": "LoadImage", "inputs": {"image": "balloon.png"}}
VARY = {"model": "gpt-image-2", "size": "auto", "n": 1, "similarity": "free", "seed": 1}


def messages(entry: dict[str, Any]) -> dict[str, Any]:
    return dict(entry["status"]["messages"])


def paid(comfyui: ComfyUI) -> list[Any]:
    return [one for one in comfyui.requests if one.endpoint.startswith("images/")]


def test_every_node_loads_and_nothing_is_warned_of(comfyui: ComfyUI) -> None:
    listed = comfyui.json("/object_info")
    # Either would put Run behind a sign-in to Comfy's own account.
    mine = [described for name, described in listed.items() if name.startswith("Lumenfall")]
    assert len(mine) == 11 and not any(described.get("api_node") for described in mine)
    assert {described["category"] for described in mine} == {"Lumenfall"}
    for name, node in NODE_CLASS_MAPPINGS.items():
        assert listed[name]["output"] == list(node.RETURN_TYPES)
        assert listed[name]["input_order"]["required"] == list(node.INPUT_TYPES()["required"])
    assert "IMPORT FAILED" not in comfyui.log and "Cannot import" not in comfyui.log
    ours = [line for line in comfyui.log.splitlines() if "lumenfall" in line.lower()]
    assert not [line for line in ours if "warn" in line.lower() or "error" in line.lower()]


@pytest.mark.parametrize("name", ["generate", "inpaint", "variations"])
def test_the_examples_run(comfyui: ComfyUI, name: str) -> None:
    prompt = api(name)
    entry = comfyui.run(prompt)
    assert entry["status"]["status_str"] == "success"
    pictures = [np.asarray(Image.open(io.BytesIO(content))) for content in comfyui.pictures(entry)]
    assert len(pictures) == {"generate": 1, "inpaint": 1, "variations": 3}[name]
    if name == "inpaint":
        original = np.asarray(Image.open(EXAMPLES / "input" / "balloon.png"))
        kept = original[..., 3] == 255
        assert (pictures[0][kept] == original[..., :3][kept]).all()
        assert (pictures[0][~kept] != original[..., :3][~kept]).any()


def test_the_report_stays_in_the_history_when_the_cache_answers(comfyui: ComfyUI) -> None:
    first, second = comfyui.run(generate(2)), comfyui.run(generate(2))
    assert len(paid(comfyui)) == 1
    assert first["outputs"]["20"]["lumenfall"][0]["cost"] == pytest.approx(0.053)
    if "20" in second["outputs"]:  # ComfyUI from 0.19 on
        assert second["outputs"]["20"] == first["outputs"]["20"]


def test_two_nodes_wait_at_the_same_time(comfyui: ComfyUI) -> None:
    comfyui.sandbox.latency = 2.0
    assert comfyui.run({**generate(3), **generate(4)})["status"]["status_str"] == "success"
    first, second = paid(comfyui)
    assert max(first.arrived, second.arrived) < min(first.finished, second.finished)


def test_stop_aborts_and_is_shown_as_interrupted(comfyui: ComfyUI) -> None:
    comfyui.sandbox.fail_next("hang")
    prompt_id = comfyui.queue(generate(5))
    until(lambda: any(one.finished for one in paid(comfyui)), 30)
    comfyui.post("/interrupt", {})
    told = messages(comfyui.finished(prompt_id))
    assert "execution_interrupted" in told and "execution_error" not in told
    assert (told["execution_interrupted"]["timestamp"] / 1000) - paid(comfyui)[0].finished < 2.0
    assert comfyui.run(generate(6))["status"]["status_str"] == "success"


def test_a_refused_prompt_is_readable_on_the_node(comfyui: ComfyUI) -> None:
    error = messages(comfyui.run(generate(7, prompt="something forbidden")))["execution_error"]
    assert error["node_id"] == "70" and error["exception_type"] == "lumenfall.ContentPolicyViolation"
    assert "Rephrase the prompt" in error["exception_message"] and "not charged" in error["exception_message"]


def test_a_failing_sibling_does_not_stop_the_host(comfyui: ComfyUI) -> None:
    comfyui.sandbox.fail_next(replace(FAULTS["hang"], endpoint="images/edits"))
    hanging = {"class_type": "LumenfallVariations", "inputs": {**VARY, "image": ["1", 0]}}
    graph = {"1": LOAD, "2": hanging, "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}
    entry = comfyui.run({**graph, **generate(9, prompt="something forbidden")})
    assert "execution_error" in messages(entry)
    comfyui.sandbox.faults.clear()
    assert comfyui.run(generate(10))["status"]["status_str"] == "success"


def test_any_slug_is_accepted_but_other_limits_hold(comfyui: ComfyUI) -> None:
    assert comfyui.run(generate(11, model="replicate/dall-e-2", size="256x256"))["status"]["status_str"] == "success"
    assert paid(comfyui)[0].fields["model"] == "replicate/dall-e-2"
    for wrong in ({"n": 99}, {"model": " "}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            comfyui.queue(generate(12, **wrong))
        assert caught.value.code == 400
        caught.value.close()


def test_a_model_may_come_over_a_link_but_not_a_wrong_type(comfyui: ComfyUI) -> None:
    text = {"1": {"class_type": "PrimitiveString", "inputs": {"value": "flux.2-pro"}}}
    assert comfyui.run({**text, **generate(13, model=["1", 0])})["status"]["status_str"] == "success"
    assert paid(comfyui)[0].fields["model"] == "flux.2-pro"
    mask = {"1": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}}}
    with pytest.raises(urllib.error.HTTPError) as caught:
        comfyui.queue({**mask, **generate(14, model=["1", 0])})
    assert "needs COMBO or STRING" in caught.value.read().decode()


def test_local_nodes_take_and_give_without_an_adapter(comfyui: ComfyUI) -> None:
    graph: dict[str, Any] = {
        "1": LOAD,
        "2": {
            "class_type": "ImageScale",
            "inputs": {"image": ["1", 0], "upscale_method": "area", "width": 256, "height": 192, "crop": "disabled"},
        },
        "3": {"class_type": "GrowMask", "inputs": {"mask": ["1", 1], "expand": 4, "tapered_corners": True}},
        "4": {
            "class_type": "LumenfallInpaint",
            "inputs": {
                "image": ["2", 0],
                "mask": ["3", 0],
                "prompt": "a kite",
                "model": "gpt-image-2",
                "size": "auto",
                "n": 2,
                "seed": 1,
                "keep_unmasked": True,
            },
        },
        "5": {
            "class_type": "ImageCompositeMasked",
            "inputs": {
                "destination": ["2", 0],
                "source": ["4", 0],
                "x": 0,
                "y": 0,
                "resize_source": False,
                "mask": ["4", 1],
            },
        },
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "chain"}},
    }
    entry = comfyui.run(graph)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    assert Image.open(io.BytesIO(comfyui.pictures(entry)[0])).size == (256, 192)


def test_the_key_is_in_nothing_that_comfyui_serves(comfyui: ComfyUI) -> None:
    entry = comfyui.run(generate(15))
    comfyui.run(generate(16, prompt="something forbidden"))
    assert paid(comfyui)[0].headers["authorization"] == f"Bearer {KEY}"
    served = [comfyui.get(path) for path in ("/history", "/queue", "/object_info", "/internal/logs", "/settings")]
    for content in (*served, *comfyui.pictures(entry), comfyui.log.encode()):
        assert KEY.partition(".")[2].encode() not in content


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_an_example_opens_and_means_what_its_twin_says(page: Page, name: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    saved = ui(name)
    page.evaluate("async graph => { await window.app.loadGraphData(graph) }", saved)
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    exported = api(name)

    def meaning(graph: dict[str, Any]) -> dict[str, Any]:
        return {node_id: (node["class_type"], node["inputs"]) for node_id, node in graph.items()}

    assert meaning(prompt) == meaning(exported)
    assert not [text for text in complaints if "lumenfall" in text.lower()]
