"""What can be told of a graph before anything of it runs: values that are known by then, and what paid nodes would
refuse once it is their turn, when others may have been paid.

Pictures are known by their size alone; in place of their pixels there is nothing (PyTorch's device "meta").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError, sentences
from ..graph.call import call_each, collected
from ..graph.fields import declared
from ..graph.links import Link
from .node import Node
from .problems import Problem

if TYPE_CHECKING:
    import torch

MAX_TEXT = 2**20
"""Letters of a text that is known ahead."""

STAND_INS = ((64, 64), (160, 96))
"""Heights and widths of two pictures, so that what is said of both has nothing to do with the picture."""


async def known_values(nodes: Iterable[Node]) -> tuple[dict[Link, Any], list[Problem]]:
    """What outputs will give, as far as that is known, and what nodes have against known inputs. ``nodes`` are good in
    all that can be told of one alone, parents first.
    """
    known: dict[Link, Any] = {}
    problems = []
    for node in nodes:
        if any(value not in known for value in node.inputs.values() if isinstance(value, Link)):
            continue
        values = {name: known[value] if isinstance(value, Link) else value for name, value in node.inputs.items()}
        try:
            outputs = await _outputs(node.node_class, values)
        except InputError as error:
            problems.append(_problem(node, error))
            continue
        except Exception:
            continue  # it needs pixels, or is told when the node runs
        for slot, value in enumerate(outputs):
            if not isinstance(value, str) or _is_told(value, values):
                known[Link(node.id, slot)] = value
    return known, problems


def _is_told(text: str, made_of: Mapping[str, Any]) -> bool:
    """How a text tells of pixels is not known without them; one that is doubled again and again has no end."""
    import torch

    return len(text) <= MAX_TEXT and not any(isinstance(value, torch.Tensor) for value in made_of.values())


async def _outputs(node_class: type[Any], values: Mapping[str, Any]) -> list[Any]:
    import torch

    if hasattr(node_class, "shapes"):
        shapes = node_class.shapes(**values)
        return [torch.empty(shape, device="meta") for shape in shapes]
    if not getattr(node_class, "IS_CONSTANT", False):
        return []
    with torch.device("meta"):
        answers = await call_each(node_class, {name: [value] for name, value in values.items()})
    return [output[0] for output in collected(node_class, answers)]


def objections_of_paid(nodes: Iterable[Node], known: Mapping[Link, Any]) -> list[Problem]:
    """What paid nodes have against their inputs, whatever their pictures will be."""
    problems = []
    for node in nodes:
        if hasattr(node.node_class, "plan"):
            first, second = (_objection(node, known, size) for size in STAND_INS)
            if first is not None and first == second:
                problems.append(first)
    return problems


def _objection(node: Node, known: Mapping[Link, Any], size: tuple[int, int]) -> Problem | None:
    fields = declared(node.node_class)
    values = {}
    for name, value in node.inputs.items():
        kind = fields[name].kind
        if kind in ("IMAGE", "MASK") and value is not None:
            values[name] = _stand_in(kind, size)
        elif isinstance(value, Link) and value not in known:
            return None
        else:
            values[name] = known[value] if isinstance(value, Link) else value
    try:
        node.node_class().plan(**values)
    except InputError as error:
        return _problem(node, error)
    except Exception:
        return None  # nothing that a person can change: it is told when the node runs
    return None


def _problem(node: Node, error: InputError) -> Problem:
    message = sentences(error.message, error.hint)
    return Problem(error.code.lower(), message, node.id, node.title, node.class_type)


def _stand_in(kind: str, size: tuple[int, int]) -> torch.Tensor:
    import torch

    if kind == "IMAGE":
        return torch.full((1, *size, 3), 0.5)
    mask = torch.ones(1, *size)
    mask[:, : size[0] // 8] = 0.0  # so that it is not empty either way round
    return mask
