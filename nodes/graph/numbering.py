"""Ids of nodes that are each there once in a workflow and all its subgraphs, given as the browser gives them.

Older files count anew in each subgraph. A newer browser renumbers what is there twice when it opens them, and what it
exports has the new ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .drawing import PROMOTED, Drawing, DrawnNode, DrawnWorkflow


def renumbered(workflow: DrawnWorkflow) -> DrawnWorkflow:
    """``workflow`` with new ids where those of a subgraph's nodes are taken: above ``last_id``, in the file's order."""
    used = set(workflow.root.nodes)
    last = workflow.last_id
    changes: dict[str, dict[str, str]] = {}
    for name, drawing in workflow.subgraphs.items():
        changed = changes[name] = {}
        for node_id in drawing.nodes:
            new = node_id
            if node_id in used:
                while (new := str(last + 1)) in used:
                    last += 1
                changed[node_id] = new
            used.add(new)
            last = max(last, _number(new))
    if not any(changes.values()):
        return workflow
    subgraphs = {name: _changed(drawing, changes[name], changes) for name, drawing in workflow.subgraphs.items()}
    return replace(workflow, root=_changed(workflow.root, {}, changes), subgraphs=subgraphs)


def _number(node_id: str) -> int:
    return int(node_id) if node_id.isascii() and node_id.isdecimal() else 0


def _changed(drawing: Drawing, new: Mapping[str, str], changes: Mapping[str, Mapping[str, str]]) -> Drawing:
    nodes = [_node(node, new, changes) for node in drawing.nodes.values()]
    wires = {
        number: replace(wire, origin=new.get(wire.origin, wire.origin), target=new.get(wire.target, wire.target))
        for number, wire in drawing.wires.items()
    }
    return replace(drawing, nodes={node.id: node for node in nodes}, wires=wires)


def _node(node: DrawnNode, new: Mapping[str, str], changes: Mapping[str, Mapping[str, str]]) -> DrawnNode:
    inner = changes.get(node.type, {})
    properties: Mapping[str, Any] = node.properties
    promoted = properties.get(PROMOTED)
    if inner and isinstance(promoted, list):
        patched = [
            [inner.get(str(entry[0]), entry[0]), *entry[1:]] if isinstance(entry, list) and entry else entry
            for entry in promoted
        ]
        properties = {**properties, PROMOTED: patched}
    return replace(node, id=new.get(node.id, node.id), properties=properties)
