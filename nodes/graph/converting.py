"""From a graph as the browser saves it to API format, as the browser exports it.

Nodes of subgraphs get ids with a path, ``"5:3"``. What the browser only draws (reroutes, primitives, notes) is gone
afterwards, and so are muted and bypassed nodes, with the links that led to them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from .drawing import BYPASSED, INPUT_NODE, MUTED, Drawing, DrawnNode, DrawnWorkflow, NotDrawn, Wire
from .numbering import renumbered
from .promoting import Place, Values, widget_at
from .texts import PREFIXED, Choose, by_seed, chosen, filled_in, offers_choice
from .widgets import text_of

ONLY_DRAWN = frozenset(("Reroute", "PrimitiveNode", "Note", "MarkdownNote"))
"""Classes of the browser alone."""

SETTER, GETTER = "SetNode", "GetNode"
"""Of the pack KJNodes, in many shared graphs: a getter gives what the setter of its name was given. Only drawn too."""

SAVES = re.compile(r"save|export|upload|write", re.IGNORECASE)
"""How the classes are called that write files, and their inputs that say where."""

GROUP_NODES = ("workflow>", "workflow/")
"""How the types of group nodes begin, which came before subgraphs."""

ALIAS = "Node name for S&R"
REPLACES = "Run widget replace on values"
PACK_FACTS = ("cnr_id", "aux_id", "ver")

MAX_DEPTH, MAX_SUBGRAPHS = 50, 10_000
"""More is in no graph that somebody drew; a few lines could unfold into millions of nodes."""

OURS = "Lumenfall"
"""How the classes of this pack begin."""

Definitions = Mapping[str, Mapping[str, Any]]
"""Class -> what ComfyUI's /object_info says of it: ``input``, and where there is one ``display_name``."""


@dataclass(frozen=True)
class Converted:
    """``prompt`` is the graph in API format. ``nameless`` are the nodes with values that are left out since nobody told
    their names, ``dead_ends`` those of no known class that lead nowhere, both by id.
    """

    prompt: dict[str, dict[str, Any]]
    nameless: frozenset[str] = frozenset()
    dead_ends: frozenset[str] = frozenset()


def to_api(
    workflow: DrawnWorkflow,
    definitions: Definitions,
    now: datetime,
    choose: Choose | None = None,
) -> Converted:
    """``workflow`` in API format. ``definitions`` tell the names of values that are saved by position; ``now`` is what
    ``%date:...%`` says, and ``choose`` picks one of what a dynamic prompt offers. Without it the node's seed does: the
    browser's chance would buy other pictures each time that the same file is run, or goes on after a kill.

    Raises NotDrawn for what cannot be exported: group nodes, and subgraphs or reroutes that lead back into themselves.
    """
    groups = [node for node in workflow.every_node() if node.type.startswith(GROUP_NODES) and node.runs]
    if groups:
        names = ", ".join(f'node {node.id} "{node.title or node.type}"' for node in groups)
        raise NotDrawn(
            f"it has group nodes, which came before subgraphs: {names}. Open it in ComfyUI, where each becomes a "
            "subgraph (or choose Convert to Subgraph in its menu) and save it anew, or use Export (API)"
        )
    try:
        return _Export(renumbered(workflow), definitions, now, choose).run()
    except RecursionError:
        raise NotDrawn("it is nested, or linked through nodes that do nothing, too deeply") from None


@dataclass(frozen=True)
class _Level:
    """A graph where it stands: the workflow itself, or a subgraph inside ``above`` in place of the node ``host``."""

    drawing: Drawing
    path: tuple[str, ...] = ()
    above: _Level | None = None
    host: DrawnNode | None = None

    def id_of(self, node: DrawnNode) -> str:
        return ":".join((*self.path, node.id))

    def place(self, node: DrawnNode) -> Place:
        return self.drawing.id, node.id


@dataclass(frozen=True)
class _Literal:
    value: Any


@dataclass(frozen=True)
class _Input:
    name: str
    type: Any
    wire: Wire | None


_Found = tuple[str, int] | _Literal | None
"""What an input is given in the end: an output (node id and number), a value, or nothing."""

_Visited = frozenset[tuple[str, str, int]]


@dataclass
class _Export:
    workflow: DrawnWorkflow
    definitions: Definitions
    now: datetime
    choose: Choose | None
    _inputs: dict[Place, list[_Input]] = field(default_factory=dict)
    _opened: int = 0

    def run(self) -> Converted:
        self.values = Values(self.workflow, self.definitions)
        root = _Level(self.workflow.root)
        for drawing in (self.workflow.root, *self.workflow.subgraphs.values()):
            for node in drawing.nodes.values():
                if node.type == "PrimitiveNode":
                    self._hand_on(drawing, node)
        exported = list(self._exported(root))
        prompt = {level.id_of(node): self._node(level, node) for level, node in exported}
        for entry in prompt.values():
            inputs = entry["inputs"]
            entry["inputs"] = {name: value for name, value in inputs.items() if _leads_somewhere(value, prompt)}
        nameless = [
            level.id_of(node) for level, node in exported if not self.values.widgets(level.place(node)).complete
        ]
        return Converted(prompt, frozenset(nameless), self._dead_ends(prompt, exported))

    def _exported(self, level: _Level) -> Iterator[tuple[_Level, DrawnNode]]:
        for node in level.drawing.nodes.values():
            subgraph = self.workflow.subgraphs.get(node.type)
            if subgraph is None:
                if node.runs and node.type not in (*ONLY_DRAWN, SETTER, GETTER):
                    yield level, node
            elif node.runs or level.above is not None:
                self._opened += 1
                if self._opened > MAX_SUBGRAPHS:
                    raise NotDrawn(f"its subgraphs stand for more than {MAX_SUBGRAPHS} subgraphs")
                # A muted subgraph inside another still runs what is in it: so does the browser.
                yield from self._exported(self._inside(level, node, subgraph))

    def _inside(self, level: _Level, node: DrawnNode, subgraph: Drawing) -> _Level:
        if len(level.path) > MAX_DEPTH:
            raise NotDrawn(f"the subgraph of node {level.path[0]} contains itself")
        return _Level(subgraph, (*level.path, node.id), level, node)

    def _node(self, level: _Level, node: DrawnNode) -> dict[str, Any]:
        inputs = {name: _wrapped(value) for name, value in self._literals(level, node).items()}
        for slot, socket in enumerate(self._inputs_of(level, node)):
            source = self._into(level, node, slot, frozenset())
            if isinstance(source, _Literal):
                inputs[socket.name] = _wrapped(source.value)
            elif source is not None:
                inputs[socket.name] = list(source)
        facts = {name: node.properties[name] for name in PACK_FACTS if isinstance(node.properties.get(name), str)}
        return {"inputs": inputs, "class_type": node.type, "_meta": {"title": self._title(node), **facts}}

    def _title(self, node: DrawnNode) -> str:
        return node.title or str((self.definitions.get(node.type) or {}).get("display_name") or node.type)

    def _literals(self, level: _Level, node: DrawnNode) -> dict[str, Any]:
        place = level.place(node)
        specs = self.values.widgets(place).specs
        literals = {}
        held = {**self.values.held[place], **self._put_from_above(level, node)}
        for name, value in held.items():
            options = specs[name].options if name in specs else {}
            is_dynamic = isinstance(value, str) and options.get("dynamicPrompts") is True
            if is_dynamic and (not node.type.startswith(OURS) or offers_choice(value)):
                value = chosen(value, self.choose or by_seed(level.id_of(node), held, value))
            if isinstance(value, str) and name == "filename_prefix" and node.type in PREFIXED:
                value = filled_in(value, self.now, self._lookup)
            if name in specs and specs[name].widget_type == "CURVE" and value is not None:
                value = {"__type__": "CURVE", "__value__": value}
            literals[name] = value
        return literals

    def _put_from_above(self, level: _Level, node: DrawnNode) -> dict[str, Any]:
        """What the node that stands for this subgraph puts into widgets of ``node`` that no input leads to."""
        if level.above is None or level.host is None:
            return {}
        promoted = self.values.promoted.get(level.above.place(level.host), {})
        return {widget: value for (node_id, widget), value in promoted.items() if node_id == node.id}

    def _lookup(self, name: str, widget: str) -> str | None:
        place = self._called.get(name)
        held = {} if place is None else self.values.held.get(place, {})
        return text_of(held[widget]) if widget in held else None

    @cached_property
    def _called(self) -> Mapping[Any, Place]:
        """The first node of each name: by its alias, else by its title."""
        nodes = [
            (drawing, node)
            for drawing in (self.workflow.root, *self.workflow.subgraphs.values())
            for node in drawing.nodes.values()
        ]
        named = [(self._title(node), drawing, node) for drawing, node in reversed(nodes)]
        aliased = [(self._alias(node), drawing, node) for drawing, node in reversed(nodes)]
        return {name: (drawing.id, node.id) for name, drawing, node in (*named, *aliased) if isinstance(name, str)}

    def _alias(self, node: DrawnNode) -> Any:
        """The name by which a prefix may call a node; the browser gives each known one that of its class."""
        implied = node.type if node.type in self.definitions and node.type not in PREFIXED else None
        return node.properties.get(ALIAS, implied)

    def _hand_on(self, drawing: Drawing, primitive: DrawnNode) -> None:
        """Put the value of a primitive into the widgets that it leads to."""
        if not isinstance(primitive.values, list) or not primitive.values:
            return
        value = primitive.values[0]
        if isinstance(value, str) and primitive.properties.get(REPLACES):
            value = filled_in(value, self.now, self._lookup)
        for wire in drawing.wires_from.get(primitive.id, ()):
            target = drawing.nodes.get(wire.target)
            if target is None:
                continue
            place = (drawing.id, target.id)
            if target.type in self.workflow.subgraphs:
                name = target.inputs[wire.target_slot].name if wire.target_slot < len(target.inputs) else None
            else:
                name = widget_at(target, wire, drawing, self.values.widgets(place))
            if name is not None and name in self.values.held.get(place, {}):
                self.values.held[place][name] = value

    def _inputs_of(self, level: _Level, node: DrawnNode) -> list[_Input]:
        place = level.place(node)
        if place not in self._inputs:
            subgraph = self.workflow.subgraphs.get(node.type)
            if subgraph is None:
                sockets = self.values.widgets(place).sockets
            else:
                links = {socket.name: socket.link for socket in node.inputs}
                sockets = tuple(
                    type(socket)(socket.name, socket.type, links.get(socket.name)) for socket in subgraph.inputs
                )
            wires = level.drawing.wires
            self._inputs[place] = [
                _Input(socket.name, socket.type, wires.get(socket.link) if socket.link is not None else None)
                for socket in sockets
            ]
        return self._inputs[place]

    def _into(self, level: _Level, node: DrawnNode, slot: int, visited: _Visited, kind: Any = None) -> _Found:
        """What an input is given. ``kind`` is the type that is wanted, where it is not the input's own."""
        step = (level.id_of(node), "in", slot)
        if step in visited:
            raise NotDrawn(f"the links of node {step[0]} form a circle through nodes that are bypassed or only drawn")
        visited |= {step}
        inputs = self._inputs_of(level, node)
        wire = inputs[slot].wire if slot < len(inputs) else None
        if wire is None:
            return None
        if wire.origin == INPUT_NODE and level.above is not None and level.host is not None:
            outer = self._inputs_of(level.above, level.host)
            if wire.origin_slot >= len(outer):
                return None
            if outer[wire.origin_slot].wire is not None:
                return self._into(level.above, level.host, wire.origin_slot, visited)
            return self._held_by_host(level.above, level.host, outer[wire.origin_slot].name)
        origin = level.drawing.nodes.get(wire.origin)
        if origin is None:
            return None
        return self._out_of(level, origin, wire.origin_slot, inputs[slot].type if kind is None else kind, visited)

    def _held_by_host(self, level: _Level, host: DrawnNode, name: str) -> _Literal | None:
        above = self._put_from_above(level, host)
        held = self.values.held.get(level.place(host), {})
        if name in above:
            return _Literal(above[name])
        return _Literal(held[name]) if name in held else None

    def _out_of(self, level: _Level, node: DrawnNode, slot: int, kind: Any, visited: _Visited) -> _Found:
        """What really comes out of an output."""
        step = (level.id_of(node), "out", slot)
        if step in visited:
            raise NotDrawn(f"the links of node {step[0]} form a circle through nodes that are bypassed or only drawn")
        visited |= {step}
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            at = _way_round(self._inputs_of(level, node), node, slot, kind)
            return None if at is None else self._into(level, node, at, visited)
        subgraph = self.workflow.subgraphs.get(node.type)
        if subgraph is not None:
            return self._out_of_subgraph(level, node, subgraph, slot, kind, visited)
        if node.type in (*ONLY_DRAWN, SETTER):
            return self._into(level, node, slot, visited, kind)
        if node.type == GETTER:
            return self._into(*self._setter(level, node), 0, visited, kind)
        return level.id_of(node), slot

    def _setter(self, level: _Level, getter: DrawnNode) -> tuple[_Level, DrawnNode]:
        """The node that sets what ``getter`` gets, in the same graph or one that it is in."""
        name = _first(getter)
        place: _Level | None = level
        while place is not None:
            for node in place.drawing.nodes.values():
                if node.type == SETTER and _first(node) == name:
                    return place, node
            place = place.above
        raise NotDrawn(f"node {level.id_of(getter)} gets {name!r}, which no SetNode sets")

    def _out_of_subgraph(
        self, level: _Level, node: DrawnNode, subgraph: Drawing, slot: int, kind: Any, visited: _Visited
    ) -> _Found:
        wire = subgraph.to_output(slot)
        if wire is None:
            return None
        if wire.origin == INPUT_NODE:
            return self._into(level, node, wire.origin_slot, visited)
        inner = subgraph.nodes.get(wire.origin)
        if inner is None:
            return None
        return self._out_of(self._inside(level, node, subgraph), inner, wire.origin_slot, kind, visited)

    def _dead_ends(
        self, prompt: Mapping[str, Mapping[str, Any]], exported: list[tuple[_Level, DrawnNode]]
    ) -> frozenset[str]:
        open_ended = {
            level.id_of(node)
            for level, node in exported
            if node.type not in self.definitions
            and not _saves(node)
            and (node.outputs or not any(socket.link for socket in node.inputs))  # else it saves or shows something
        }
        parents = {
            name: [value[0] for value in entry["inputs"].values() if isinstance(value, list)]
            for name, entry in prompt.items()
        }
        readers = Counter(parent for given in parents.values() for parent in given)
        dead = [name for name in prompt if name in open_ended and not readers[name]]
        for name in dead:  # which grows
            for parent in parents[name]:
                readers[parent] -= 1
                if not readers[parent] and parent in open_ended:
                    dead.append(parent)
        return frozenset(dead)


def _first(node: DrawnNode) -> Any:
    return node.values[0] if isinstance(node.values, list) and node.values else None


def _saves(node: DrawnNode) -> bool:
    """Whether a node of an unknown class seems to write files, so that a run without it would be a lie."""
    named = [socket.widget for socket in node.inputs if socket.widget]
    names = [*named, *(node.values if isinstance(node.values, Mapping) else ()), *(node.named or ())]
    return bool(SAVES.search(node.type)) or any(name == "filename_prefix" or SAVES.match(name) for name in names)


def _leads_somewhere(value: Any, prompt: Mapping[str, Any]) -> bool:
    return not isinstance(value, list) or value[0] in prompt


def _wrapped(value: Any) -> Any:
    """A list is wrapped, so that nobody takes it for a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _way_round(inputs: list[_Input], node: DrawnNode, slot: int, kind: Any) -> int | None:
    """The input of a bypassed node that takes the place of its output ``slot``, for a target of type ``kind``."""
    if kind in ("*", ""):
        return (slot if slot < len(inputs) else 0) if inputs else None
    given = node.outputs[slot].type if slot < len(node.outputs) else "*"

    def fits(one: _Input) -> bool:
        return _compatible(one.type, given) and _compatible(one.type, kind)

    if slot < len(inputs) and fits(inputs[slot]):
        return slot
    exact = (at for at, one in enumerate(inputs) if one.type == kind)
    return next(exact, next((at for at, one in enumerate(inputs) if fits(one)), None))


def _compatible(one: Any, other: Any) -> bool:
    """Whether two types may be linked: "A,B" is a union and "*" anything."""
    if one in ("", "*", 0, None) or other in ("", "*", 0, None) or one == other:
        return True
    ours, theirs = (str(kind).lower().split(",") for kind in (one, other))
    return any(mine in ("", "*") or its in ("", "*") or mine == its for mine in ours for its in theirs)
