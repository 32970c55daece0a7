"""Which saved value is which widget's."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.graph.drawing import DrawnNode, Socket
from nodes.graph.widgets import text_of, widgets_of

SAMPLER = {
    "input": {
        "required": {
            "model": ["MODEL"],
            "seed": ["INT", {"default": 3}],
            "steps": ["INT", {"default": 20, "control_after_generate": True}],
            "name": [["a", "b"], {"control_after_generate": True}],
            "forced": ["STRING", {"forceInput": True}],
        },
        "optional": {"text": ["STRING", {"multiline": True}], "on": ["BOOLEAN"]},
    }
}
DYNAMIC = {
    "input": {
        "required": {
            "mode": [
                "COMFY_DYNAMICCOMBO_V3",
                {
                    "options": [
                        {"key": "plain", "inputs": {"required": {}}},
                        {"key": "fine", "inputs": {"required": {"seed": ["INT", {"control_after_generate": True}]}}},
                    ]
                },
            ],
            "last": ["FLOAT", {"default": 0.5}],
        }
    }
}
LOADER = {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}, "optional": {"size": ["INT", {}]}}}
ALL = [5, "fixed", 30, "randomize", "b", "increment", "", "words", True]


def node(values: Any, named: Any = None, inputs: tuple[Socket, ...] = ()) -> DrawnNode:
    return DrawnNode("1", "Any", None, 0, inputs, (), values, named, {})


@pytest.mark.parametrize(
    ("definition", "saved", "values"),
    [
        (SAMPLER, ALL, {"seed": 5, "steps": 30, "name": "b", "text": "words", "on": True}),
        (SAMPLER, ALL[:3], {"seed": 5, "steps": 30, "name": "a", "text": "", "on": False}),
        (SAMPLER, [*ALL, "more"], {"seed": 5, "steps": 30, "name": "b", "text": "words", "on": True}),
        # A null in a list of choices becomes its first, a number in a text box text.
        (SAMPLER, [5, 0, 30, 0, None, 0, 0, 7.0, None], {"seed": 5, "steps": 30, "name": "a", "text": "7", "on": None}),
        (DYNAMIC, ["plain", 0.25], {"mode": "plain", "last": 0.25}),
        (DYNAMIC, ["fine", 9, "fixed", 0.25], {"mode": "fine", "mode.seed": 9, "last": 0.25}),
        (DYNAMIC, None, {"mode": "plain", "last": 0.5}),
        (LOADER, ["x.png", 4, "image"], {"image": "x.png", "size": 4}),
    ],
)
def test_values_are_told_apart_by_their_place(definition: Any, saved: Any, values: dict[str, Any]) -> None:
    assert widgets_of(node(saved), definition).values == values


def test_old_files_have_a_value_for_what_only_a_link_fills() -> None:
    definition = {"input": {"required": {"first": ["STRING", {"forceInput": True}], "second": ["INT", {}]}}}
    assert widgets_of(node(["dummy", 4]), definition).values == {"second": 4}
    assert widgets_of(node([4]), definition).values == {"second": 4}


def test_names_decide_nothing_where_the_class_is_known() -> None:
    """As in the frontend, which writes them and reads them by an experimental setting alone."""
    named = {"seed": 6, "text": "by name"}
    assert widgets_of(node(ALL[:4], named), SAMPLER).values["text"] == ""
    assert widgets_of(node(ALL, named), SAMPLER).values["text"] == "words"
    assert widgets_of(node(named), SAMPLER).values["seed"] == 3


def test_of_an_unknown_class_the_file_tells_the_names() -> None:
    inputs = tuple(Socket(name, "INT", None, name) for name in ("seed", "steps"))
    assert widgets_of(node([5, "fixed", 30], inputs=inputs), None).values == {"seed": 5, "steps": 30}
    assert widgets_of(node({"seed": 5, "control_after_generate": "fixed"}), None).values == {"seed": 5}
    nameless = widgets_of(node([5, "fixed", 30, "x"], inputs=inputs), None)
    assert (nameless.values, nameless.complete) == ({}, False)
    assert widgets_of(node([]), None).complete


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.5, "0.5"),
        (1e-05, "0.00001"),
        (1.25e-07, "1.25e-7"),
        (1e16, "10000000000000000"),
        (1e21, "1e+21"),
        (True, "true"),
        (None, ""),
        ([1, "a"], "1,a"),
        (-0.0, "0"),
        (-2.5e-06, "-0.0000025"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_a_value_is_written_into_a_text_as_the_browser_does_it(value: Any, text: str) -> None:
    assert text_of(value) == text
