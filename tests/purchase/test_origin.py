"""What is kept of the graph that a call came from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodes.purchase import origin


def fragment(graph: dict[str, Any]) -> Any:
    return origin._fragment(graph, "1")


def test_what_led_to_a_node_is_kept_and_what_did_not_is_not() -> None:
    node = {"class_type": "A", "inputs": {"image": ["2", 0], "text": "x"}, "is_changed": [1]}
    graph = {"1": node, "2": {"class_type": "B", "inputs": {}}, "3": {"class_type": "C", "inputs": {"image": ["1", 0]}}}
    kept = fragment(graph)
    assert kept["node"] == "1" and set(kept["nodes"]) == {"1", "2"} and "is_changed" not in kept["nodes"]["1"]


def test_a_large_or_circular_graph_is_kept_in_part_and_an_endless_prompt_not_at_all() -> None:
    chain = {str(n): {"class_type": "A", "inputs": {"image": [str(n + 1), 0]}} for n in range(1, 100)}
    assert set(fragment(chain)["nodes"]) == {"1"}
    circle = {"1": {"class_type": "A", "inputs": {"a": ["2", 0]}}, "2": {"class_type": "A", "inputs": {"a": ["1", 0]}}}
    assert set(fragment(circle)["nodes"]) == {"1", "2"}
    assert fragment({"1": {"class_type": "A", "inputs": {"text": "x" * 70_000}}}) is None
    assert origin._fragment({"1": None}, "1") is None and origin._fragment(None, "1") is None


@pytest.mark.parametrize("inputs", [None, [], "text", 5, [["1", 0]]])
def test_inputs_that_are_none_keep_no_request_from_being_sent(inputs: Any) -> None:
    kept = fragment({"1": {"class_type": "A", "inputs": inputs}})
    assert kept["nodes"]["1"]["inputs"] == inputs


def test_what_a_database_would_not_take_is_not_kept() -> None:
    endless: dict[str, Any] = {"class_type": "A", "inputs": {}}
    endless["inputs"]["self"] = endless
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for node in (endless, *({"class_type": "A", "inputs": {"x": x}} for x in (float("nan"), {(1, 2): 3}, deep))):
        assert fragment({"1": node}) is None
    # What is odd further up costs only itself.
    graph = {"1": {"class_type": "A", "inputs": {"a": ["2", 0]}}, "2": {"class_type": "B", "inputs": {"x": 1e999}}}
    assert set(fragment(graph)["nodes"]) == {"1"}


@pytest.mark.parametrize(("nodes", "kept"), [(40, 40), (41, 1)])
def test_forty_nodes_are_kept_and_no_more(nodes: int, kept: int) -> None:
    links = {f"image{n}": [str(n), 0] for n in range(2, nodes + 1)}
    graph = {str(n): {"class_type": "B", "inputs": {}} for n in range(2, nodes + 1)}
    assert len(fragment({**graph, "1": {"class_type": "A", "inputs": links}})["nodes"]) == kept


@pytest.mark.parametrize("size", [65_000, 66_000])
def test_what_is_kept_has_at_most_64_kb(size: int) -> None:
    graph = {"1": {"class_type": "A", "inputs": {"a": ["2", 0]}}, "2": {"class_type": "B", "inputs": {"x": "x" * size}}}
    kept = fragment(graph)
    assert len(json.dumps(kept)) <= 64 * 1024 and set(kept["nodes"]) == ({"1", "2"} if size == 65_000 else {"1"})
