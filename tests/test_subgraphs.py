"""The subgraph blueprints: whole, consistent, and of nodes that exist with the inputs that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nodes.table import NODE_CLASS_MAPPINGS

BLUEPRINTS = Path(__file__).parents[1] / "subgraphs"
NAMES = sorted(path.stem for path in BLUEPRINTS.glob("*.json"))
INPUT_NODE, OUTPUT_NODE = -10, -20


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((BLUEPRINTS / f"{name}.json").read_text(encoding="utf-8")))


def parts(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outer node of a blueprint, and the subgraph that it stands for."""
    graph = read(name)
    (outer,), (inner,) = graph["nodes"], graph["definitions"]["subgraphs"]
    return outer, inner


def specs(node_type: str) -> dict[str, Any]:
    node: Any = NODE_CLASS_MAPPINGS[node_type]
    declared = node.INPUT_TYPES()
    return {**declared["required"], **declared.get("optional", {})}


def is_widget(spec: Any) -> bool:
    kind = isinstance(spec[0], list) or spec[0] in ("STRING", "INT", "FLOAT", "BOOLEAN")
    return kind and not spec[1].get("forceInput")


def kind_of(spec: Any) -> str:
    return "COMBO" if isinstance(spec[0], list) else str(spec[0])


def fits(spec: Any, value: Any) -> bool:
    """Whether ComfyUI would take ``value``."""
    kind, options = spec[0], spec[1]
    if isinstance(kind, list):
        return value in kind
    expected: Any = {"STRING": str, "INT": int, "FLOAT": (int, float), "BOOLEAN": bool}[kind]
    return isinstance(value, expected) and options.get("min", value) <= value <= options.get("max", value)


def widgets_of(node: dict[str, Any]) -> dict[str, Any]:
    """What a saved node's widgets are set to: values are stored by position."""
    expected = []
    for name, spec in specs(node["type"]).items():
        if is_widget(spec):
            expected += [name, "control_after_generate"] if spec[1].get("control_after_generate") else [name]
    return dict(zip(expected, node["widgets_values"], strict=True))


def test_there_are_blueprints() -> None:
    assert len(NAMES) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_is_one_node_with_its_definition(name: str) -> None:
    outer, inner = parts(name)
    assert outer["type"] == inner["id"]
    assert outer["title"] == inner["name"] == name
    assert inner["description"] == read(name)["extra"]["BlueprintDescription"]
    for sockets in ("inputs", "outputs"):
        assert [(one["name"], one["type"]) for one in outer[sockets]] == [
            (one["name"], one["type"]) for one in inner[sockets]
        ]
    assert outer["properties"]["cnr_id"] == "lumenfall" and outer["properties"]["ver"]


@pytest.mark.parametrize("name", NAMES)
def test_the_nodes_inside_are_as_the_table_has_them(name: str) -> None:
    for node in parts(name)[1]["nodes"]:
        declared: Any = NODE_CLASS_MAPPINGS[node["type"]]
        assert node["properties"]["cnr_id"] == "lumenfall" and node["properties"]["ver"]
        assert node["properties"]["Node name for S&R"] == node["type"]
        assert sorted((one["name"], one["type"], "widget" in one) for one in node["inputs"]) == sorted(
            (input_name, kind_of(spec), is_widget(spec)) for input_name, spec in specs(node["type"]).items()
        )
        assert [(one["name"], one["type"]) for one in node["outputs"]] == list(
            zip(declared.RETURN_NAMES, declared.RETURN_TYPES, strict=True)
        )
        values = widgets_of(node)
        # Whoever inserts a blueprint and runs it twice pays once.
        assert values.pop("control_after_generate") == "fixed"
        assert not [
            input_name for input_name, value in values.items() if not fits(specs(node["type"])[input_name], value)
        ]


@pytest.mark.parametrize("name", NAMES)
def test_links_meet_their_sockets(name: str) -> None:
    inner = parts(name)[1]
    nodes = {node["id"]: node for node in inner["nodes"]}
    links = {link["id"]: link for link in inner["links"]}
    assert len(links) == len(inner["links"]) and max(links) <= inner["state"]["lastLinkId"]
    ends = [set(), set()]  # type: list[set[tuple[int, int, int]]]
    for one in inner["nodes"]:
        ends[1] |= {(slot["link"], one["id"], at) for at, slot in enumerate(one["inputs"]) if slot["link"] is not None}
        ends[0] |= {(link, one["id"], at) for at, slot in enumerate(one["outputs"]) for link in slot["links"] or ()}
    ends[0] |= {(link, INPUT_NODE, at) for at, slot in enumerate(inner["inputs"]) for link in slot["linkIds"]}
    ends[1] |= {(link, OUTPUT_NODE, at) for at, slot in enumerate(inner["outputs"]) for link in slot["linkIds"]}
    assert ends[0] == {(link["id"], link["origin_id"], link["origin_slot"]) for link in links.values()}
    assert ends[1] == {(link["id"], link["target_id"], link["target_slot"]) for link in links.values()}
    for link in links.values():
        origin = inner if link["origin_id"] == INPUT_NODE else nodes[link["origin_id"]]
        target = inner if link["target_id"] == OUTPUT_NODE else nodes[link["target_id"]]
        gives = origin["inputs" if origin is inner else "outputs"][link["origin_slot"]]
        takes = target["outputs" if target is inner else "inputs"][link["target_slot"]]
        assert gives["type"] == takes["type"] == link["type"]


@pytest.mark.parametrize("name", NAMES)
def test_the_outer_node_shows_what_the_inner_ones_are_set_to(name: str) -> None:
    """Some frontends read the values outside, others inside."""
    outer, inner = parts(name)
    nodes = {node["id"]: node for node in inner["nodes"]}
    shown = []
    for socket, source in zip(outer["inputs"], inner["inputs"], strict=True):
        link = next(link for link in inner["links"] if link["id"] == source["linkIds"][0])
        node = nodes[link["target_id"]]
        target = node["inputs"][link["target_slot"]]
        assert ("widget" in socket) == ("widget" in target)
        if "widget" in target:
            assert socket["widget"]["name"] == socket["name"]
            shown.append(widgets_of(node)[target["name"]])
    assert outer["widgets_values"] == shown
    assert {"image", "prompt", "model", "seed"} <= {socket["name"] for socket in outer["inputs"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_required_socket_is_fed(name: str) -> None:
    """By a link inside or a socket outside: nothing needs to be wired within the subgraph."""
    for node in parts(name)[1]["nodes"]:
        declared: Any = NODE_CLASS_MAPPINGS[node["type"]]
        required = {key for key, spec in declared.INPUT_TYPES()["required"].items() if not is_widget(spec)}
        assert required <= {slot["name"] for slot in node["inputs"] if slot["link"] is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_is_fit_to_be_shared(name: str) -> None:
    text = (BLUEPRINTS / f"{name}.json").read_text(encoding="utf-8")
    assert not re.search(r"lmnfl_|sk-[A-Za-z0-9]|/home/|/Users/|[A-Z]:\\\\", text)
