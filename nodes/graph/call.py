"""How a node of ComfyUI's V1 contract is called, and what its answers add up to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any


async def call(node_class: type[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run the node once. Its answer with the outputs under ``result``, and under ``ui`` what it shows, if anything."""
    answer = getattr(node_class(), node_class.FUNCTION)(**arguments)
    answer = await answer if inspect.isawaitable(answer) else answer
    return answer if isinstance(answer, dict) else {"result": answer}


async def call_each(node_class: type[Any], arguments: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Run the node once for each item of the longest list among ``arguments``, where the last items of the others are
    repeated, or once with whole lists where it asks for them (INPUT_IS_LIST). As in ComfyUI, every value is a list.
    """
    if getattr(node_class, "INPUT_IS_LIST", False):
        return [await call(node_class, arguments)]
    turns = max((len(values) for values in arguments.values()), default=1)
    return [
        await call(node_class, {name: values[min(turn, len(values) - 1)] for name, values in arguments.items()})
        for turn in range(turns)
    ]


def gives_lists(node_class: type[Any]) -> bool:
    """Whether what follows the node runs once for each item of some output, however many there will be."""
    return True in getattr(node_class, "OUTPUT_IS_LIST", ())


def is_output_node(node_class: type[Any] | None) -> bool:
    """Whether a graph is run for this node's sake; False for a class that is not known."""
    return getattr(node_class, "OUTPUT_NODE", False) is True


def first_items(node_class: type[Any], answer: Mapping[str, Any]) -> tuple[Any, ...]:
    """The outputs of one call of a node, the first item of those that are lists."""
    return tuple(items[0] for items in collected(node_class, [answer]))


def collected(node_class: type[Any], answers: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The outputs of all calls of a node, slot by slot, those that are lists (OUTPUT_IS_LIST) end to end."""
    results = [tuple(answer.get("result") or ()) for answer in answers]
    slots = max((len(result) for result in results), default=0)
    is_list = (*getattr(node_class, "OUTPUT_IS_LIST", ()), *(False,) * slots)
    return [
        [item for result in results for item in (result[slot] if is_list[slot] else (result[slot],))]
        for slot in range(slots)
    ]


def merged(shown: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What the calls of a node show, each kind of it end to end."""
    if len(shown) == 1:
        return dict(shown[0])
    return {
        name: [item for part in shown for item in part.get(name, ())]
        for name in {name for part in shown for name in part}
    }
