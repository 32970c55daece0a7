"""Keys that nodes for texts hand on, or put together of pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...graph.links import link_of
from .keys import is_secret, keys

OF_TEXTS = re.compile(r"primitive|string|text|concat|join", re.IGNORECASE)
"""How the classes are called that only hand on texts, and join them."""

ORDER = ("string_a", "delimiter", "string_b")
"""The inputs of StringConcatenate as they come one after another."""

MOST_PIECES = 1000
"""What is joined of more is no key."""


def joined_secrets(graph: Mapping[str, Any]) -> Iterator[str]:
    """Texts in nodes of ``graph``, in API format, that are a secret for where they go, or pieces of a key."""
    for node_id, node in graph.items():
        if OF_TEXTS.search(node["class_type"]):
            yield from _pieces_of_keys(_pieces(graph, node_id))
        for name, value in node["inputs"].items():
            link = link_of(value, graph)
            if link is not None and is_secret(name, "0123abcd"):
                pieces = _pieces(graph, link.node)
                if is_secret(name, "".join(pieces)) or len(pieces) == 1:
                    yield from (piece for piece in pieces if is_secret(name, piece) or len(piece.strip()) > 3)


def _pieces_of_keys(pieces: list[str]) -> Iterator[str]:
    if len(pieces) < 2:
        return
    found = keys("".join(pieces))
    at = 0
    for piece in pieces:
        end = at + len(piece)
        # A key that stands in one piece alone is cut out there.
        if any(match.start < end and match.end > at and not at <= match.start <= match.end <= end for match in found):
            yield piece
        at = end


def _pieces(graph: Mapping[str, Any], node_id: str) -> list[str]:
    """The texts that a node gives, one after another; nothing of a node that is none for texts."""
    pieces: list[str] = []
    pending: list[str | tuple[str]] = [(node_id,)]
    while pending and len(pieces) < MOST_PIECES:
        part = pending.pop()
        if isinstance(part, str):
            pieces.append(part)
            continue
        node = graph[part[0]]
        if not OF_TEXTS.search(node["class_type"]):
            continue
        inputs = node["inputs"]
        names = [*(name for name in ORDER if name in inputs), *(name for name in inputs if name not in ORDER)]
        for name in reversed(names):
            link = link_of(inputs[name], graph)
            if link is not None and len(pending) < MOST_PIECES:
                pending.append((link.node,))
            elif isinstance(inputs[name], str) and inputs[name]:
                pending.append(inputs[name])
    return pieces
