"""From what the browser saves to API format. tests/e2e/test_exporting.py compares it with the browser's own export."""

from __future__ import annotations

import copy
import json
import math
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.graph.converting import ONLY_DRAWN, Converted, to_api
from nodes.graph.drawing import NotDrawn, read

NOW = datetime(2026, 3, 9)

DEFINITIONS: dict[str, dict[str, Any]] = {
    "Load": {"input": {"required": {"name": ["STRING"]}}, "display_name": "Load It"},
    "Blend": {"input": {"required": {"a": ["IMAGE"], "b": ["IMAGE"], "by": ["FLOAT", {"default": 0.5}]}}},
    "ToMask": {"input": {"required": {"image": ["IMAGE"]}}},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING"]}}},
}
SOCKETS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "Load": ([], ["IMAGE", "MASK"]),
    "Blend": ([("a", "IMAGE"), ("b", "IMAGE")], ["IMAGE"]),
    "ToMask": ([("image", "IMAGE")], ["MASK"]),
    "SaveImage": ([("images", "IMAGE")], []),
    "Reroute": ([("", "*")], ["*"]),
    "Unknown": ([("x", "IMAGE")], ["IMAGE"]),
    "Note": ([], []),
}


def drawn(kinds: list[tuple[int, str]], links: list[tuple[int, int, int, int]], **more: Any) -> dict[str, Any]:
    """A workflow of nodes (mode, class) with ids from 0, and links (origin, its slot, target, its slot)."""
    wires = [[at, *link, "*"] for at, link in enumerate(links, 1)]
    by_end = {(link[3], link[4]): link[0] for link in wires}
    nodes = []
    for number, (mode, kind) in enumerate(kinds):
        inputs, outputs = SOCKETS.get(kind, ([], []))
        nodes.append(
            {
                **{"id": number, "type": kind, "mode": mode, "widgets_values": []},
                "inputs": [
                    {"name": name, "type": type_, "link": by_end.get((number, slot))}
                    for slot, (name, type_) in enumerate(inputs)
                ],
                "outputs": [{"name": type_, "type": type_} for type_ in outputs],
            }
        )
    return {"version": 0.4, "nodes": nodes, "links": wires, **more}


def converted(content: dict[str, Any]) -> Converted:
    return to_api(read(content), DEFINITIONS, NOW, lambda choices: choices[0])


def links(made: Converted) -> dict[str, dict[str, Any]]:
    return {
        node_id: {name: value for name, value in node["inputs"].items() if isinstance(value, list)}
        for node_id, node in made.prompt.items()
    }


def test_what_is_only_drawn_muted_or_bypassed_is_gone_and_links_lead_around_it() -> None:
    kinds = [(0, "Load"), (0, "Reroute"), (4, "Blend"), (0, "SaveImage"), (2, "SaveImage"), (0, "Note")]
    made = converted(drawn(kinds, [(0, 0, 1, 0), (1, 0, 2, 1), (2, 0, 3, 0), (0, 0, 4, 0)]))
    assert links(made) == {"0": {}, "3": {}}  # a bypassed node gives its first input of the type, which is not linked
    made = converted(drawn(kinds, [(0, 0, 1, 0), (1, 0, 2, 0), (2, 0, 3, 0)]))
    assert links(made) == {"0": {}, "3": {"images": ["0", 0]}}


def test_a_title_is_that_of_the_file_or_of_the_class() -> None:
    content = drawn([(0, "Load"), (0, "Load"), (0, "Unknown")], [])
    content["nodes"][1] |= {"title": "Mine", "properties": {"cnr_id": "a-pack", "aux_id": 5, "ver": "1"}}
    assert [node["_meta"] for node in converted(content).prompt.values()] == [
        {"title": "Load It"},
        {"title": "Mine", "cnr_id": "a-pack", "ver": "1"},
        {"title": "Unknown"},
    ]


def test_nodes_of_unknown_classes_that_lead_to_nothing_are_told() -> None:
    kinds = [(0, "Load"), (0, "Unknown"), (0, "Unknown"), (0, "Unknown"), (0, "SaveImage")]
    made = converted(drawn(kinds, [(0, 0, 1, 0), (1, 0, 2, 0), (0, 0, 3, 0), (3, 0, 4, 0)]))
    assert made.dead_ends == {"1", "2"}


@pytest.mark.parametrize("more", [{"type": "Image Save"}, {"widgets_values": {"filename_prefix": "x"}}])
def test_a_node_that_seems_to_save_is_no_dead_end(more: dict[str, Any]) -> None:
    """Nobody should believe that its file was written."""
    content = drawn([(0, "Load"), (0, "Unknown"), (0, "SaveImage")], [(0, 0, 1, 0), (0, 0, 2, 0)])
    content["nodes"][1] |= more
    assert converted(content).dead_ends == frozenset()


def setting(number: int, kind: str, name: str) -> dict[str, Any]:
    sockets = [{"name": "*", "type": "*", "link": None}]
    node = {"id": number, "type": kind, "widgets_values": [name], "inputs": [], "outputs": sockets}
    return {**node, "inputs": sockets} if kind == "SetNode" else node


def test_what_one_node_sets_another_gets() -> None:
    """As KJNodes do, which are only drawn: through reroutes, and from inside a subgraph too."""
    content = drawn([(0, "Load"), (0, "SaveImage")], [])
    setter, getter = setting(5, "SetNode", "pic"), setting(6, "GetNode", "pic")
    setter["inputs"] = [{"name": "IMAGE", "type": "IMAGE", "link": 1}]
    content["nodes"] += [setter, getter, {"id": 7, "type": "S", "inputs": [], "outputs": []}]
    content["nodes"][1]["inputs"][0]["link"] = 2
    content["links"] = [[1, 0, 0, 5, 0, "IMAGE"], [2, 6, 0, 1, 0, "IMAGE"]]
    inner = drawn([(0, "SaveImage")], [])
    inner["nodes"] = [setting(8, "GetNode", "pic"), {**inner["nodes"][0], "id": 9}]
    inner["nodes"][1]["inputs"] = [{"name": "images", "type": "IMAGE", "link": 3}]
    inner["links"] = [{"id": 3, "origin_id": 8, "origin_slot": 0, "target_id": 9, "target_slot": 0, "type": "IMAGE"}]
    content["definitions"] = {"subgraphs": [{"id": "S", **inner}]}
    assert links(converted(content)) == {"0": {}, "1": {"images": ["0", 0]}, "7:9": {"images": ["0", 0]}}
    setter["widgets_values"] = ["other"]
    with pytest.raises(NotDrawn, match="node 6 gets 'pic', which no SetNode sets"):
        converted(content)


def test_values_without_names_are_told() -> None:
    content = drawn([(0, "Unknown"), (0, "Load")], [])
    for node in content["nodes"]:
        node["widgets_values"] = ["x", 1, 2, 3]
    assert converted(content).nameless == {"0"}


def test_a_list_is_no_link() -> None:
    content = drawn([(0, "Load")], [])
    content["nodes"][0]["widgets_values"] = [["0", 0]]
    assert converted(content).prompt["0"]["inputs"] == {"name": {"__value__": ["0", 0]}}


@pytest.mark.parametrize("kind", ["workflow>Upscale", "workflow/Upscale"])
def test_group_nodes_are_refused_with_what_to_do_unless_they_are_muted(kind: str) -> None:
    with pytest.raises(NotDrawn, match=r'node 0 "workflow.Upscale".*Convert to Subgraph'):
        converted(drawn([(0, kind)], []))
    assert converted(drawn([(2, kind), (0, "Load")], [])).prompt.keys() == {"1"}


@pytest.mark.parametrize("name", ["", "1"])
def test_what_leads_back_into_itself_is_refused(name: str) -> None:
    with pytest.raises(NotDrawn, match="circle"):
        converted(drawn([(0, "Reroute"), (0, "Reroute"), (0, "SaveImage")], [(0, 0, 1, 0), (1, 0, 0, 0), (1, 0, 2, 0)]))
    inner = drawn([(0, "S" if name == "" else "T")], [])
    other = drawn([(0, "S")], [])
    definitions = {"subgraphs": [{"id": "S", **inner}, {"id": "T", **other}]}
    with pytest.raises(NotDrawn, match="contains itself"):
        converted(drawn([(0, "S")], [], definitions=definitions))


def test_what_would_unfold_without_end_is_refused() -> None:
    doubled = [{"id": str(depth), **drawn([(0, str(depth + 1))] * 2, [])} for depth in range(40)]
    with pytest.raises(NotDrawn, match="10000 subgraphs"):
        converted(drawn([(0, "0")], [], definitions={"subgraphs": doubled}))
    chain = [(number, 0, number + 1, 0) for number in range(2000)]
    with pytest.raises(NotDrawn, match="too deeply"):
        converted(drawn([(0, "Load"), *[(0, "Reroute")] * 1999, (0, "SaveImage")], chain))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"nodes": [{"type": "Load"}]}, "a node has no id"),
        ({"nodes": [{"id": 1}]}, "node 1 has no type"),
        ({"nodes": [{"id": 1, "type": "Load", "mode": math.inf}]}, "the mode of node 1 is inf"),
        ({"nodes": [3]}, "a node must be an object, and is a number"),
        ({"nodes": [{"id": 1, "type": "Load", "inputs": [3]}]}, "one of the inputs of node 1 must be an object"),
        ({"nodes": [{"id": 1, "type": "Load", "outputs": "x"}]}, "outputs of node 1 must be a list, and is a text"),
        ({"nodes": [], "links": [[1, 2]]}, "a link is no list of id, origin_id"),
        ({"nodes": [], "links": [{"id": 1}]}, "a link has no origin_id"),
        ({"nodes": [], "links": [[1, 2, math.inf, 3, 0]]}, "link 1 leads to an input or output inf"),
        ({"nodes": [], "links": 5}, "links must be a list, and is a number"),
        ({"nodes": [], "definitions": {"subgraphs": [{}]}}, "a subgraph has no id"),
        ({"nodes": [], "definitions": {"subgraphs": [{"id": "S"}]}}, "the graph of subgraph S has no nodes"),
        ({"nodes": [], "definitions": [1]}, "definitions must be an object, and is a list"),
    ],
)
def test_what_is_no_graph_is_refused_with_what_is_wrong(content: dict[str, Any], told: str) -> None:
    with pytest.raises(NotDrawn, match=told):
        read(content)


HARD = [json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "workflows").glob("*.json"))]
JUNK: list[Any] = [
    None,
    0,
    -1,
    2.5,
    math.inf,
    math.nan,
    "x",
    "",
    [],
    {},
    [1],
    {"a": 1},
    True,
    ["1", "y"],
    [["a", "b"]],
    10**30,
]
DAMAGE = st.tuples(st.integers(0, 10_000), st.sampled_from(JUNK))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all that is in ``value``."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(HARD), st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(JUNK)), min_size=1, max_size=3)
)
def test_a_damaged_file_is_converted_or_refused(content: dict[str, Any], damages: list[tuple[int, Any]]) -> None:
    content = copy.deepcopy(content)
    for number, junk in damages:
        paths = list(places(content))
        *above, last = paths[number % len(paths)]
        inside: Any = content
        for key in above:
            inside = inside[key]
        inside[last] = copy.deepcopy(junk)
    try:
        converted(content)
    except NotDrawn as error:
        assert not re.search(r"\w+(?:Error|Exception)\b", str(error))


INSIDE = 100
"""Where the ids of a subgraph's nodes begin."""

KINDS = st.tuples(st.sampled_from([0, 0, 0, 2, 4]), st.sampled_from([*SOCKETS, "S"]))
NUMBER = st.integers(0, 6)
LINKS = st.lists(st.tuples(NUMBER, st.integers(0, 2), NUMBER, st.integers(0, 2)), max_size=12)
INNER_ENDS = st.sampled_from([0, 1, 2, 3])
INNER_LINKS = st.lists(
    st.tuples(
        st.sampled_from([-10, 0, 1, 2, 3]), st.integers(0, 2), st.sampled_from([-20, 0, 1, 2, 3]), st.integers(0, 2)
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(KINDS, max_size=7), LINKS, st.lists(KINDS.filter(lambda kind: kind[1] != "S"), max_size=4), INNER_LINKS)
def test_of_any_drawing_only_nodes_that_run_are_left_and_links_that_lead_somewhere(
    kinds: list[tuple[int, str]],
    wires: list[tuple[int, int, int, int]],
    inner: list[tuple[int, str]],
    inner_wires: list[tuple[int, int, int, int]],
) -> None:
    sockets = [{"name": name, "type": "IMAGE"} for name in ("p", "q")]
    definition = {"id": "S", **drawn(inner, inner_wires), "inputs": sockets, "outputs": sockets}
    for node in definition["nodes"]:
        node["id"] += INSIDE
    for link in definition["links"]:
        link[1], link[3] = (end + INSIDE if end >= 0 else end for end in (link[1], link[3]))
    content = drawn(kinds, wires, definitions={"subgraphs": [definition]})
    for node in content["nodes"]:
        if node["type"] == "S":
            ends = {wire[4]: wire[0] for wire in content["links"] if wire[3] == node["id"]}
            node["inputs"] = [{**socket, "link": ends.get(slot)} for slot, socket in enumerate(sockets)]
            node["outputs"] = sockets
    try:
        made = converted(content)
    except NotDrawn as error:
        assert "circle" in str(error)
        return
    for node_id, node in made.prompt.items():
        number = int(node_id.rpartition(":")[2])
        mode, kind = kinds[number] if number < INSIDE else inner[number - INSIDE]
        assert mode == 0 and kind == node["class_type"] and kind not in (*ONLY_DRAWN, "S")
    for sources in links(made).values():
        assert all(source in made.prompt and isinstance(slot, int) for source, slot in sources.values())


def test_a_large_graph_is_converted_in_time_that_grows_with_it() -> None:
    """Links, chains of nodes that nobody reads, and prefixes that name other nodes."""
    count = 3000
    kinds = [(0, "Load"), *[(0, "Unknown")] * count, *[(0, "SaveImage")] * count]
    content = drawn(kinds, [(at, 0, at + 1, 0) for at in range(count)])
    content["nodes"][0]["widgets_values"] = ["cat"]
    for node in content["nodes"][count + 1 :]:
        node["widgets_values"] = ["%Load It.name%"]
    started = time.process_time()
    made = converted(content)
    assert time.process_time() - started < 5
    assert len(made.dead_ends) == count and made.prompt[str(2 * count)]["inputs"] == {"filename_prefix": "cat"}


def test_the_options_of_a_custom_combo_have_names() -> None:
    """The frontend makes its widgets; the class declares but the choice."""
    content = drawn([(0, "CustomCombo"), (0, "Load")], [])
    content["nodes"][0]["widgets_values"] = ["b", 1, "a", "b", ""]
    made = converted(content)
    assert made.nameless == frozenset()
    assert made.prompt["0"]["inputs"] == {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""}
