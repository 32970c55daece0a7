"""Graphs as the browser saves them: nodes with sockets and widget values, links by id, subgraphs.

Schema 0.4 writes a link as an array, schema 1 and subgraphs as an object; both are read alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MUTED, BYPASSED = 2, 4
"""Modes of a node that does not run; what follows a bypassed one gets what that was given."""

PROMOTED = "proxyWidgets"
"""The property of a node that stands for a subgraph by which older browsers name promoted widgets inside it."""

INPUT_NODE, OUTPUT_NODE = "-10", "-20"
"""The ids that links inside a subgraph name for its own inputs and outputs."""


class NotDrawn(ValueError):
    """The content is no graph as the browser saves it, or one that cannot be exported."""


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

    def from_input(self, slot: int) -> Iterator[Wire]:
        """The links from an input of the subgraph to its nodes."""
        return (wire for wire in self.wires.values() if wire.origin == INPUT_NODE and wire.origin_slot == slot)

    def to_output(self, slot: int) -> Wire | None:
        """The link from a node to an output of the subgraph."""
        wires = (wire for wire in self.wires.values() if wire.target == OUTPUT_NODE and wire.target_slot == slot)
        return next(wires, None)


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
    """Raises NotDrawn where something is not as it must be."""
    try:
        subgraphs: dict[str, Drawing] = {}
        for each in _definitions(content):
            subgraphs.setdefault(str(each["id"]), _drawing(each, str(each["id"])))
        last = content.get("last_node_id") or (content.get("state") or {}).get("lastNodeId") or 0
        return DrawnWorkflow(_drawing(content, None), subgraphs, int(last))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise NotDrawn(f"{type(error).__name__}: {error}") from error


def _definitions(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for subgraph in (content.get("definitions") or {}).get("subgraphs") or ():
        yield subgraph
        yield from _definitions(subgraph)


def _drawing(content: Mapping[str, Any], name: str | None) -> Drawing:
    nodes: dict[str, DrawnNode] = {}
    for node in map(read_node, content["nodes"]):
        nodes.setdefault(node.id, node)
    links = dict(_wire(link) for link in content.get("links") or () if link)
    wires = {number: wire for number, wire in links.items() if min(wire.origin_slot, wire.target_slot) >= 0}
    nodes = {node.id: replace(node, inputs=_linked(node, wires)) for node in nodes.values()}
    inputs, outputs = ([] if name is None else content.get(side) or [] for side in ("inputs", "outputs"))
    return Drawing(name, nodes, wires, tuple(map(_socket, inputs)), tuple(map(_socket, outputs)))


def _linked(node: DrawnNode, wires: Mapping[str, Wire]) -> tuple[Socket, ...]:
    """The inputs of ``node``, with a link where only the list of links knows of it."""
    lacking = {wire.target_slot: number for number, wire in wires.items() if wire.target == node.id}
    return tuple(
        replace(socket, link=lacking[slot]) if socket.link is None and slot in lacking else socket
        for slot, socket in enumerate(node.inputs)
    )


def read_node(content: Mapping[str, Any]) -> DrawnNode:
    """One node. Raises what :func:`read` turns into NotDrawn: KeyError, TypeError, ValueError or AttributeError."""
    values, named = content.get("widgets_values"), content.get("widgets_values_named")
    properties = content.get("properties")
    return DrawnNode(
        str(content["id"]),
        str(content["type"]),
        content.get("title") or None,
        _mode(content.get("mode")),
        tuple(map(_socket, content.get("inputs") or ())),
        tuple(map(_socket, content.get("outputs") or ())),
        values if isinstance(values, (list, Mapping)) else None,
        named if isinstance(named, Mapping) else None,
        properties if isinstance(properties, Mapping) else {},
    )


def _mode(saved: Any) -> int:
    """The browser knows modes by their numbers alone: what is muted in words runs."""
    return int(saved) if isinstance(saved, (int, float)) else 0


def _socket(content: Mapping[str, Any]) -> Socket:
    link, widget = content.get("link"), content.get("widget")
    return Socket(
        str(content.get("name") or ""),
        content.get("type"),
        None if link is None else str(link),
        str(widget["name"]) if isinstance(widget, Mapping) and "name" in widget else None,
    )


def _wire(link: Any) -> tuple[str, Wire]:
    if isinstance(link, Mapping):
        fields = [link[name] for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    else:
        fields = list(link[:5])
    number, origin, origin_slot, target, target_slot = fields
    return str(number), Wire(str(origin), int(origin_slot), str(target), int(target_slot))
