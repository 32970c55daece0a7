"""Graphs as the browser saves them: nodes with sockets and widget values, links by id, subgraphs.

Schema 0.4 writes a link as an array, schema 1 and subgraphs as an object; both are read alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

MUTED, BYPASSED = 2, 4
"""Modes of a node that does not run; what follows a bypassed one gets what that was given."""

PROMOTED = "proxyWidgets"
"""The property of a node that stands for a subgraph by which older browsers name promoted widgets inside it."""

INPUT_NODE, OUTPUT_NODE = "-10", "-20"
"""The ids that links inside a subgraph name for its own inputs and outputs."""


class NotDrawn(ValueError):
    """The graph cannot be exported."""


class Malformed(NotDrawn):
    """The content is not as any browser saves it."""


@dataclass(frozen=True)
class Socket:
    """An input or output. ``widget`` is the name of the widget that it can take the place of, None if it has none."""

    name: str
    type: Any
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True)
class DrawnNode:
    """``values`` are those of its widgets as saved: by position, by name, or None. ``named`` are the same by name, as
    newer browsers write them too.
    """

    id: str
    type: str
    title: str | None
    mode: int
    inputs: tuple[Socket, ...]
    outputs: tuple[Socket, ...]
    values: Sequence[Any] | Mapping[str, Any] | None
    named: Mapping[str, Any] | None
    properties: Mapping[str, Any]

    @property
    def runs(self) -> bool:
        return self.mode not in (MUTED, BYPASSED)


@dataclass(frozen=True)
class Wire:
    """A link, from an output to an input, each by node id and number."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Drawing:
    """One graph: the workflow itself, with ``id`` None, or the definition of a subgraph with its own ``inputs`` and
    ``outputs``.
    """

    id: str | None
    nodes: Mapping[str, DrawnNode]
    wires: Mapping[str, Wire]
    inputs: tuple[Socket, ...] = ()
    outputs: tuple[Socket, ...] = ()

    @cached_property
    def wires_from(self) -> Mapping[str, Sequence[Wire]]:
        """The links by the node that they come from, in the file's order."""
        leaving: dict[str, list[Wire]] = defaultdict(list)
        for wire in self.wires.values():
            leaving[wire.origin].append(wire)
        return leaving

    def from_input(self, slot: int) -> Iterator[Wire]:
        """The links from an input of the subgraph to its nodes."""
        return (wire for wire in self.wires_from.get(INPUT_NODE, ()) if wire.origin_slot == slot)

    def to_output(self, slot: int) -> Wire | None:
        """The link from a node to an output of the subgraph."""
        return self._to_outputs.get(slot)

    @cached_property
    def _to_outputs(self) -> Mapping[int, Wire]:
        # Of several the first counts.
        return {wire.target_slot: wire for wire in reversed([*self.wires.values()]) if wire.target == OUTPUT_NODE}


@dataclass(frozen=True)
class DrawnWorkflow:
    """A workflow, and the definitions of its subgraphs by id, which is the type of the nodes that stand for them."""

    root: Drawing
    subgraphs: Mapping[str, Drawing]
    last_id: int = 0
    """The highest number that the browser has given to a node."""

    def every_node(self) -> Iterator[DrawnNode]:
        """The nodes of the workflow, and those of each subgraph that it uses."""
        pending, seen = [self.root], {self.root.id}
        while pending:
            for node in pending.pop().nodes.values():
                yield node
                if node.type in self.subgraphs and node.type not in seen:
                    seen.add(node.type)
                    pending.append(self.subgraphs[node.type])


def is_drawing(content: Any) -> bool:
    """Whether ``content`` is a graph as the browser saves it, rather than one in API format."""
    return isinstance(content, Mapping) and isinstance(content.get("nodes"), list)


def read(content: Mapping[str, Any]) -> DrawnWorkflow:
    """Raises Malformed where something is not as it must be."""
    subgraphs: dict[str, Drawing] = {}
    for each in _definitions(content, 0):
        name = str(_of(each, "id", "a subgraph"))
        subgraphs.setdefault(name, _drawing(each, name))
    state = content.get("state")
    last = content.get("last_node_id") or (state.get("lastNodeId") if isinstance(state, Mapping) else 0)
    return DrawnWorkflow(_drawing(content, None), subgraphs, last if isinstance(last, int) else 0)


MAX_NESTED = 50
"""More definitions within definitions are in no file that a browser saved."""


def _definitions(content: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > MAX_NESTED:
        raise Malformed("its subgraphs are nested too deeply")
    definitions = _object(content.get("definitions") or {}, "definitions")
    for subgraph in _list(definitions.get("subgraphs"), "definitions.subgraphs"):
        yield _object(subgraph, "a subgraph")
        yield from _definitions(subgraph, depth + 1)


def _drawing(content: Mapping[str, Any], name: str | None) -> Drawing:
    place = "" if name is None else f" of subgraph {name}"
    nodes: dict[str, DrawnNode] = {}
    for node in _list(_of(content, "nodes", f"the graph{place}"), f"nodes{place}"):
        read = read_node(node)
        nodes.setdefault(read.id, read)
    links = dict(_wire(link, place) for link in _list(content.get("links"), f"links{place}") if link)
    wires = {number: wire for number, wire in links.items() if min(wire.origin_slot, wire.target_slot) >= 0}
    leading: dict[str, dict[int, str]] = {}
    for number, wire in wires.items():
        leading.setdefault(wire.target, {})[wire.target_slot] = number
    nodes = {node.id: replace(node, inputs=_linked(node, leading.get(node.id, {}))) for node in nodes.values()}
    inputs, outputs = (
        () if name is None else _sockets(content.get(side), f"{side}{place}") for side in ("inputs", "outputs")
    )
    return Drawing(name, nodes, wires, inputs, outputs)


def _linked(node: DrawnNode, lacking: Mapping[int, str]) -> tuple[Socket, ...]:
    """The inputs of ``node``, with a link where only the list of links, ``lacking`` by input, knows of it."""
    return tuple(
        replace(socket, link=lacking[slot]) if socket.link is None and slot in lacking else socket
        for slot, socket in enumerate(node.inputs)
    )


def read_node(content: Any) -> DrawnNode:
    """One node. Raises Malformed."""
    content = _object(content, "a node")
    name = _of(content, "id", "a node")
    place = f"node {name}"
    values, named = content.get("widgets_values"), content.get("widgets_values_named")
    properties = content.get("properties")
    title = content.get("title")
    return DrawnNode(
        str(name),
        str(_of(content, "type", place)),
        str(title) if title else None,
        _mode(content.get("mode"), place),
        _sockets(content.get("inputs"), f"inputs of {place}"),
        _sockets(content.get("outputs"), f"outputs of {place}"),
        values if isinstance(values, (list, Mapping)) else None,
        named if isinstance(named, Mapping) else None,
        properties if isinstance(properties, Mapping) else {},
    )


def _mode(saved: Any, place: str) -> int:
    """The browser knows modes by their numbers alone: what is muted in words, or by half, runs."""
    if isinstance(saved, float) and not math.isfinite(saved):
        raise Malformed(f"the mode of {place} is {saved}")
    is_number = isinstance(saved, (int, float)) and not isinstance(saved, bool)
    return int(saved) if is_number and saved in (MUTED, BYPASSED) else 0


def _sockets(content: Any, what: str) -> tuple[Socket, ...]:
    return tuple(_socket(_object(each, f"one of the {what}")) for each in _list(content, what))


def _socket(content: Mapping[str, Any]) -> Socket:
    link, widget = content.get("link"), content.get("widget")
    return Socket(
        str(content.get("name") or ""),
        content.get("type"),
        None if link is None else str(link),
        str(widget["name"]) if isinstance(widget, Mapping) and "name" in widget else None,
    )


LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot")


def _wire(link: Any, place: str) -> tuple[str, Wire]:
    if isinstance(link, Mapping):
        fields = [_of(link, name, f"a link{place}") for name in LINK]
    else:
        fields = list(link[:5]) if isinstance(link, list) else []
        if len(fields) < len(LINK):
            raise Malformed(f"a link{place} is no list of {', '.join(LINK)}")
    number, origin, origin_slot, target, target_slot = fields
    slots = (_slot(slot, number, place) for slot in (origin_slot, target_slot))
    return str(number), Wire(str(origin), next(slots), str(target), next(slots))


def _slot(value: Any, number: Any, place: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise Malformed(f"link {number}{place} leads to an input or output {value!r}, which is no number") from None


def _of(content: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in content:
        raise Malformed(f"{what} has no {name}")
    return content[name]


def _object(content: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise Malformed(f"{what} must be an object, and is {_kind(content)}")
    return content


def _list(content: Any, what: str) -> list[Any]:
    """Nothing counts as an empty list."""
    if not isinstance(content, list) and content:
        raise Malformed(f"{what} must be a list, and is {_kind(content)}")
    return content or []


def _kind(content: Any) -> str:
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(content), "null")
