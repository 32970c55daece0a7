"""What is a link, and what a node depends on."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.graph.links import Link, link_of, signature, title_of, upstream

GRAPH: dict[str, Any] = {
    "1": {"class_type": "Load", "inputs": {"image": "a.png"}},
    "2": {"class_type": "Edit", "inputs": {"image": ["1", 0], "pair": ["red", "blue"], "far": ["9", 0]}},
    "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    "4": "no node",
}


@pytest.mark.parametrize("literal", ["1", ["1"], ["1", "0"], [1, 0], ["1", 0, 0], ["1", True], None])
def test_a_link_is_a_node_id_and_a_slot(literal: Any) -> None:
    assert link_of(["1", 0]) == Link("1", 0) and link_of(literal) is None


def test_in_a_graph_that_nobody_checked_a_link_leads_to_one_of_its_nodes() -> None:
    assert link_of([1, 0], GRAPH) == Link("1", 0)  # some tools write ids as numbers
    assert link_of(["9", 0], GRAPH) is link_of(["red", "blue"], GRAPH) is link_of("1", GRAPH) is None


def test_upstream_is_the_node_and_what_leads_to_it() -> None:
    assert list(upstream(GRAPH, "2")) == ["2", "1"]
    assert upstream(GRAPH, "4") == {} == upstream(GRAPH, "9")


def test_the_signature_follows_what_leads_to_a_node_and_not_the_ids() -> None:
    other = {"7": GRAPH["1"], "8": {"class_type": "Edit", "inputs": {**GRAPH["2"]["inputs"], "image": ["7", 0]}}}
    assert signature(GRAPH, "2") == signature(other, "8")
    other["7"] = {"class_type": "Load", "inputs": {"image": "b.png"}}
    assert signature(GRAPH, "2") != signature(other, "8")


def test_a_circle_ends() -> None:
    circle = {"1": {"inputs": {"a": ["2", 0]}}, "2": {"inputs": {"a": ["1", 0]}}}
    assert list(upstream(circle, "1")) == ["1", "2"] and signature(circle, "1")


@pytest.mark.parametrize(
    ("node", "title"),
    [
        ({"class_type": "A", "_meta": {"title": "Mine"}}, "Mine"),
        ({"class_type": "A", "_meta": {"title": ""}}, "A"),
        ({"class_type": "A", "_meta": "odd"}, "A"),
        ({}, None),
        ("no node", None),
    ],
)
def test_a_node_without_a_title_of_its_own_has_that_of_its_class(node: Any, title: str | None) -> None:
    assert title_of(node) == title


def test_upstream_of_several_is_what_leads_to_any_of_them() -> None:
    assert set(upstream(GRAPH, "1", "3")) == {"1", "2", "3"}
