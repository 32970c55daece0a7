"""Checks before anything runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodes.graph.links import Link
from nodes.headless.checks import Graph, build
from nodes.headless.problems import NeedsComfyUI, WorkflowError


class Source:
    RETURN_TYPES = ("IMAGE", "STRING", "INT")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}


class Work:
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"image": ("IMAGE",), "count": ("INT", {"min": 1, "max": 4})},
            "optional": {
                "strength": ("FLOAT", {"min": 0.0}),
                "on": ("BOOLEAN", {}),
                "text": ("STRING", {}),
                "kind": (["a", "b"],),
                "modern": ("COMBO", {"options": ["a", "b"]}),
                "several": ("COMBO", {"options": ["a", "b"], "multiselect": True}),
                "mask": ("MASK",),
                "anything": ("*",),
                "either": ("MASK,STRING", {}),
            },
        }


class End(Source):
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",)}, "hidden": {"prompt": "PROMPT"}}


TABLE: dict[str, type[Any]] = {"Source": Source, "Work": Work, "End": End}


def prompt(**inputs: Any) -> dict[str, dict[str, Any]]:
    """Source -> Work, with ``inputs`` -> End."""
    return {
        "1": {"class_type": "Source", "inputs": {}},
        "2": {
            "class_type": "Work",
            "inputs": {"image": ["1", 0], "count": 1, **inputs},
            "_meta": {"title": "The work"},
        },
        "3": {"class_type": "End", "inputs": {"image": ["2", 0]}},
    }


def built(workflow: dict[str, dict[str, Any]], *settings: str, **classes: type[Any]) -> Graph:
    return asyncio.run(build(workflow, {**TABLE, **classes}, settings))


def problems(workflow: dict[str, dict[str, Any]], **classes: type[Any]) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(WorkflowError) as caught:
        built(workflow, **classes)
    return [(problem.code, problem.node_id, problem.input) for problem in caught.value.problems]


def test_a_good_graph_comes_parents_first_with_links_and_literals() -> None:
    graph = built(dict(reversed(prompt().items())))
    assert list(graph.nodes) == ["1", "2", "3"]
    assert graph.nodes["2"].inputs == {"image": Link("1", 0), "count": 1}
    assert graph.nodes["2"].title == "The work"
    assert graph.nodes["3"].title == "End"


def test_only_what_outputs_need_is_kept_and_checked() -> None:
    workflow = {**prompt(), "9": {"class_type": "Work", "inputs": {}}}
    assert list(built(workflow).nodes) == ["1", "2", "3"]


def test_undeclared_inputs_are_ignored() -> None:
    assert "old" not in built(prompt(old=3)).nodes["2"].inputs


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("count", "3", 3),
        ("count", 2.9, 2),
        ("strength", 1, 1.0),
        ("strength", "0.5", 0.5),
        ("text", 5, "5"),
        ("on", 0, False),
        ("on", "false", True),  # as ComfyUI: any text is true
        ("several", {"__value__": ["a", "b"]}, ["a", "b"]),
        ("anything", {"__value__": [1, 2]}, [1, 2]),
        ("mask", None, None),
    ],
)
def test_values_are_coerced_as_in_comfyui(name: str, given: Any, taken: Any) -> None:
    value = built(prompt(**{name: given})).nodes["2"].inputs[name]
    assert (value, type(value)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("count", 0, "value_smaller_than_min"),
        ("count", 5, "value_bigger_than_max"),
        ("count", "x", "invalid_input_type"),
        ("count", None, "invalid_input_type"),
        ("strength", -0.1, "value_smaller_than_min"),
        ("kind", "c", "value_not_in_list"),
        ("modern", "c", "value_not_in_list"),
        ("several", {"__value__": ["a", "c"]}, "value_not_in_list"),
        ("image", "cat.png", "invalid_input_type"),
        ("image", None, "invalid_input_type"),
        ("text", ["1"], "bad_linked_input"),
        ("text", [1, 0], "bad_linked_input"),
        ("image", ["7", 0], "dangling_link"),
        ("image", ["1", 3], "slot_out_of_range"),
        ("image", ["1", -1], "slot_out_of_range"),
        ("image", ["1", 1], "return_type_mismatch"),
        ("kind", ["1", 1], "return_type_mismatch"),
        ("either", ["1", 2], "return_type_mismatch"),
    ],
)
def test_a_value_that_does_not_fit_is_a_problem_of_its_input(name: str, given: Any, code: str) -> None:
    assert problems(prompt(**{name: given})) == [(code, "2", name)]


@pytest.mark.parametrize(("name", "slot"), [("anything", 2), ("either", 1), ("text", 1)])
def test_types_that_overlap_may_be_linked(name: str, slot: int) -> None:
    assert built(prompt(**{name: ["1", slot]})).nodes["2"].inputs[name] == Link("1", slot)


def test_every_problem_is_told_at_once_and_names_its_place() -> None:
    workflow = prompt(count=9, kind="c")
    del workflow["2"]["inputs"]["image"]
    workflow["3"]["inputs"]["image"] = ["8", 0]
    workflow["4"] = {"class_type": "End", "inputs": {"image": ["2", 5]}}
    with pytest.raises(WorkflowError) as caught:
        built(workflow)
    lines = caught.value.message.splitlines()
    assert lines[0] == "5 problems:"
    assert lines[1] == 'node 2 "The work" (Work), input "image": required, but missing'
    assert lines[-1].startswith('node 4 (End), input "image": node 2 has no output 5')


def test_a_cycle_is_told_with_its_path() -> None:
    workflow = prompt()
    workflow["1"] = {"class_type": "Work", "inputs": {"image": ["2", 0], "count": 1}}
    with pytest.raises(WorkflowError, match=r"1 .Work. -> 2 .Work. -> 1|2 .Work. -> 1 .Work. -> 2"):
        built(workflow)


def test_no_output_node_is_a_problem() -> None:
    workflow = prompt()
    del workflow["3"]
    assert problems(workflow) == [("prompt_no_outputs", None, None)]


def test_all_unknown_classes_are_listed_before_anything_else() -> None:
    workflow = prompt(count=99)
    workflow["8"] = {"class_type": "KSampler", "inputs": {}}
    workflow["9"] = {"class_type": "CLIPTextEncode", "inputs": {}, "_meta": {"title": "Text", "cnr_id": "some-pack"}}
    workflow["10"] = {"class_type": "KSampler", "inputs": {"positive": ["9", 0]}}
    with pytest.raises(NeedsComfyUI) as caught:
        built(workflow, "no such.setting=1")
    assert caught.value.unknown == {"8": "KSampler", "9": "CLIPTextEncode", "10": "KSampler"}
    assert "CLIPTextEncode (node 9, of some-pack), KSampler (nodes 8, 10)" in caught.value.message
    assert "comfy-cli" in str(caught.value)


def test_unknown_nodes_that_no_output_needs_refuse_nothing() -> None:
    workflow = prompt()
    workflow["8"] = {"class_type": "CheckpointLoaderSimple", "inputs": {}}
    workflow["9"] = {"class_type": "VAEDecode", "inputs": {"vae": ["8", 2]}}
    assert "2" in asyncio.run(build(workflow, TABLE, dead_ends={"9"})).nodes
    with pytest.raises(NeedsComfyUI) as caught:
        built(workflow)  # of an API graph nobody can tell whether the last node saves something
    assert caught.value.unknown == {"8": "CheckpointLoaderSimple", "9": "VAEDecode"}


def test_a_graph_whose_outputs_are_all_unknown_needs_comfyui() -> None:
    with pytest.raises(NeedsComfyUI, match="DrawAndSave"):
        built({"1": {"class_type": "DrawAndSave", "inputs": {"text": "x"}}})


def test_settings_are_in_the_prompt_that_runs() -> None:
    graph = built(prompt(), "The work.count=3")
    assert graph.nodes["2"].inputs["count"] == 3
    assert graph.prompt["2"]["inputs"]["count"] == 3


class TestValidateInputs:
    def test_naming_an_input_waives_its_checks_and_no_others(self) -> None:
        class Own(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, kind: str) -> bool:
                return True

        assert problems(prompt(kind="new", count=9), Work=Own) == [("value_bigger_than_max", "2", "count")]

    def test_keyword_arguments_waive_everything(self) -> None:
        class Own(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, **inputs: Any) -> bool:
                return True

        assert built(prompt(kind="new", count=9), Work=Own).nodes["2"].inputs["count"] == 9

    def test_its_words_are_the_message(self) -> None:
        class Own(Work):
            @classmethod
            async def VALIDATE_INPUTS(cls, kind: str) -> bool | str:
                return f"{kind} is out of fashion"

        with pytest.raises(WorkflowError, match='input "kind": a is out of fashion'):
            built(prompt(kind="a"), Work=Own)

    def test_false_and_a_crash_are_refusals(self) -> None:
        class Refuses(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, kind: str = "") -> bool:
                return False

        class Crashes(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, kind: str = "") -> bool:
                raise KeyError("boom")

        assert problems(prompt(), Work=Refuses) == [("custom_validation_failed", "2", None)]
        assert problems(prompt(), Work=Crashes) == [("custom_validation_failed", "2", None)]

    def test_linked_values_arrive_as_none_and_their_types_on_request(self) -> None:
        seen = []

        class Own(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, kind: str | None, input_types: dict[str, Any]) -> bool:
                seen.append((kind, input_types))
                return True

        built(prompt(kind=["1", 1]), Work=Own)
        assert seen == [(None, {"image": "IMAGE", "kind": "STRING"})]

    def test_it_is_not_asked_about_values_that_are_known_to_be_wrong(self) -> None:
        class Own(Work):
            @classmethod
            def VALIDATE_INPUTS(cls, count: int) -> bool:
                raise AssertionError

        assert problems(prompt(count="x"), Work=Own) == [("invalid_input_type", "2", "count")]
