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
        name: [item for one in shown for item in one.get(name, ())] for name in {key for one in shown for key in one}
    }
