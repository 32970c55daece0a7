"""The widgets of subgraph nodes: what a node that stands for a subgraph gives to the widgets inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .drawing import INPUT_NODE, PROMOTED, Drawing, DrawnNode, DrawnWorkflow
from .widgets import Widgets, widgets_of

Source = tuple[str, str]
"""A widget, by the id of its node and its own name."""

Place = tuple[str | None, str]
"""A node, by the id of the definition that it lies in and its own. A definition is shared by all that stand for it."""


class Values:
    """What every widget holds, with what promoted widgets and primitives put into them."""

    def __init__(self, workflow: DrawnWorkflow, definitions: Mapping[str, Any]) -> None:
        self._workflow = workflow
        self._widgets: dict[Place, Widgets] = {}
        self.held: dict[Place, dict[str, Any]] = {}
        """By node, then by widget; for a node that stands for a subgraph, by the subgraph's input."""
        self.promoted: dict[Place, dict[Source, Any]] = {}
        """By node that stands for a subgraph: values for (node, widget) inside, of widgets that no input leads to."""
        for drawing in (*workflow.subgraphs.values(), workflow.root):
            for node in drawing.nodes.values():
                if node.type not in workflow.subgraphs:
                    widgets = widgets_of(node, definitions.get(node.type))
                    self._widgets[drawing.id, node.id] = widgets
                    self.held[drawing.id, node.id] = dict(widgets.values)
        for drawing in (*workflow.subgraphs.values(), workflow.root):
            for node in drawing.nodes.values():
                if node.type in workflow.subgraphs:
                    self._host(drawing, node, ())

    def widgets(self, place: Place) -> Widgets:
        return self._widgets[place]

    def _host(self, drawing: Drawing, node: DrawnNode, above: tuple[str, ...]) -> dict[str, Any]:
        """The values of a node that stands for a subgraph."""
        place = (drawing.id, node.id)
        if place in self.held or node.type in above:
            return self.held.get(place, {})
        inner = self._workflow.subgraphs[node.type]
        sources = {}
        for slot, socket in enumerate(inner.inputs):
            source = self._source(inner, slot, (*above, node.type))
            if source is not None:
                sources[socket.name] = source
        saved = node.values if isinstance(node.values, list) else []
        held = {name: self.held[inner.id, source_id][widget] for name, (source_id, widget) in sources.items()}
        held.update((name, value) for name, value in zip(sources, saved, strict=False) if value is not None)
        self.held[place] = held
        self.promoted[place] = {}
        for index, (source_id, widget) in enumerate(_proxies(node)):
            value = saved[index] if index < len(saved) else None
            self._migrate(place, inner, sources, (source_id, widget), value)
        return held

    def _source(self, inner: Drawing, slot: int, above: tuple[str, ...]) -> Source | None:
        """The first widget that an input of a subgraph leads to: the node inside, and the widget's name."""
        for wire in inner.from_input(slot):
            target = inner.nodes.get(wire.target)
            if target is None:
                continue
            if target.type in self._workflow.subgraphs:
                promoted = self._input_name(target, wire.target_slot)
                if promoted in self._host(inner, target, above):
                    return target.id, promoted
            else:
                name = widget_at(target, wire, inner, self._widgets[inner.id, target.id])
                if name is not None and name in self.held[inner.id, target.id]:
                    return target.id, name
        return None

    def _input_name(self, node: DrawnNode, slot: int) -> str:
        return node.inputs[slot].name if slot < len(node.inputs) else ""

    def _migrate(self, place: Place, inner: Drawing, sources: Mapping[str, Source], proxy: Source, value: Any) -> None:
        """What a frontend before 1.5x promoted by the property ``proxyWidgets``, with its value in the same order."""
        source_id, widget = proxy
        linked = next((name for name, source in sources.items() if source == proxy), None)
        if linked is None and source_id in ("-1", INPUT_NODE):
            linked = widget if widget in self.held[place] else None
        if linked is not None:
            if value is not None:
                self.held[place][linked] = value
            return
        target = inner.nodes.get(source_id)
        if target is None or value is None:
            return
        if target.type == "PrimitiveNode":
            for wire in inner.wires_from.get(target.id, ()):
                end = inner.nodes.get(wire.target)
                if end is not None and (inner.id, end.id) in self._widgets:
                    name = widget_at(end, wire, inner, self._widgets[inner.id, end.id])
                    if name is not None:
                        self.promoted[place][end.id, name] = value
        else:
            stripped = _without_prefixes(widget, self.held.get((inner.id, source_id), {}))
            if stripped in self.held.get((inner.id, source_id), {}):
                self.promoted[place][source_id, stripped] = value


def widget_at(node: DrawnNode, wire: Any, drawing: Drawing, widgets: Widgets) -> str | None:
    """The widget whose socket a link leads to."""
    for socket in widgets.sockets:
        if socket.link is not None and drawing.wires.get(socket.link) is wire:
            return socket.widget
    return node.inputs[wire.target_slot].widget if wire.target_slot < len(node.inputs) else None


def _proxies(node: DrawnNode) -> Iterator[tuple[str, str]]:
    promoted = node.properties.get(PROMOTED)
    for entry in promoted if isinstance(promoted, list) else ():
        if isinstance(entry, list) and len(entry) >= 2:
            yield str(entry[0]), str(entry[1])


def _without_prefixes(name: str, known: Mapping[str, Any]) -> str:
    while name not in known and (match := re.match(r"\s*\d+\s*:\s*(.+)$", name)):
        name = match[1]
    return name
