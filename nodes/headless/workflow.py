"""A workflow in API format, whatever it was read from, and the values that ``--set`` writes into it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..graph import drawing
from ..graph.converting import Converted, to_api
from ..graph.drawing import Malformed, NotDrawn, is_drawing
from ..graph.fields import COERCIONS, Field, declared
from ..graph.links import title_of
from .problems import NoWorkflow, Problem, WorkflowError
from .reading import Content, Prompt

MALFORMED = "malformed_workflow"
"""The code of the problem of a file that no browser has saved."""


def load(content: Content, table: Mapping[str, type[Any]], titles: Mapping[str, str]) -> Converted:
    """``content`` in API format: what really ran where the file tells, else what the browser would export now.

    ``table`` has the classes whose saved values can be told apart by their place, ``titles`` how they are called.
    Raises WorkflowError.
    """
    if content.prompt is not None:
        return Converted(content.prompt)
    try:
        workflow = drawing.read(content.drawn or {})
        used = {node.type for node in workflow.every_node()}
        known = {name: node for name, node in table.items() if name in used}
        made = to_api(workflow, definitions(known, titles), datetime.now())
    except NotDrawn as error:
        code = MALFORMED if isinstance(error, Malformed) else "invalid_workflow"
        problem = Problem(code, f"The workflow cannot be exported: {error}.")
        raise WorkflowError([problem]) from error
    if not made.prompt:
        raise NoWorkflow("The workflow has no node that runs.")
    return made


def definitions(table: Mapping[str, type[Any]], titles: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What ComfyUI's /object_info would say of the classes, as far as reading a graph needs it."""
    return {name: {"input": node.INPUT_TYPES(), "display_name": titles.get(name)} for name, node in table.items()}


def browser_form(path: Path) -> dict[str, Any] | None:
    """The same workflow as the browser saves it, if it lies one folder up under the same name, as the examples do.

    Saved pictures carry it, so that dropping one on ComfyUI's canvas brings the graph back as it was laid out.
    """
    try:
        content = json.loads((path.resolve().parent.parent / path.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if is_drawing(content) else None


def shows(drawn: Mapping[str, Any], prompt: Prompt, table: Mapping[str, type[Any]], titles: Mapping[str, str]) -> bool:
    """Whether ``drawn`` is the very graph ``prompt``, but for titles, rather than another of the same name."""
    try:
        exported = load(Content(None, dict(drawn)), table, titles).prompt
    except WorkflowError:
        return False
    first, second = (
        {node_id: (node["class_type"], node["inputs"]) for node_id, node in graph.items()}
        for graph in (exported, prompt)
    )
    return first == second


def packs_of(prompt: Prompt) -> dict[str, str]:
    """What newer browsers write of the pack that a node comes from."""
    facts = {node_id: node.get("_meta", {}) for node_id, node in prompt.items()}
    named = {node_id: meta.get("cnr_id") or meta.get("aux_id") for node_id, meta in facts.items()}
    return {node_id: str(pack) for node_id, pack in named.items() if pack and pack != "comfy-core"}


def override(prompt: Prompt, table: Mapping[str, type[Any]], settings: Sequence[str]) -> Prompt:
    """``prompt``, or a copy of it, with each ``NODE.INPUT=VALUE`` written in.

    NODE is an id, else a title, else a class, whichever names exactly one node. VALUE is read as JSON where the
    input is a number or a boolean, else taken as text; ``@FILE`` is the text in that file, and ``@@`` stands for an @.
    Only nodes of ``table`` can be changed. Raises WorkflowError.
    """
    if not settings:
        return prompt
    changed = copy.deepcopy(prompt)
    problems: list[Problem] = []
    for setting in settings:
        try:
            node_id, name, value = _parsed(changed, table, setting)
        except ValueError as error:
            problems.append(Problem("invalid_setting", f"--set {setting}: {error}"))
        else:
            changed[node_id]["inputs"][name] = value
    if problems:
        raise WorkflowError(problems)
    return changed


def _parsed(prompt: Prompt, table: Mapping[str, type[Any]], setting: str) -> tuple[str, str, Any]:
    address, equals, text = setting.partition("=")
    if not equals:
        raise ValueError("expected NODE.INPUT=VALUE")
    target = target_of(prompt, table, address)
    return target.node_id, target.name, target.value(text)


@dataclass(frozen=True)
class Target:
    """An input that can be set: ``name`` of the node ``node_id``."""

    node_id: str
    name: str
    field: Field

    def value(self, text: str, folder: Path = Path()) -> Any:
        """What ``text`` means here; ``@FILE`` is looked for in ``folder``. Raises ValueError."""
        return _value(self.field, text, folder)


def target_of(prompt: Prompt, table: Mapping[str, type[Any]], address: str) -> Target:
    """The input that ``address``, ``NODE.INPUT``, names. Raises ValueError where there is none."""
    place, dot, name = address.rpartition(".")
    if not (dot and place and name):
        raise ValueError("expected NODE.INPUT=VALUE")
    node_id, name = _addressed(prompt, place, name)
    kind = prompt[node_id]["class_type"]
    if kind not in table:
        raise ValueError(f"node {node_id} is a {kind}, which only ComfyUI knows")
    fields = declared(table[kind])
    if name not in fields:
        raise ValueError(f"node {node_id} has no input {name!r}; it has: {', '.join(fields)}")
    return Target(node_id, name, fields[name])


def _addressed(prompt: Prompt, place: str, name: str) -> tuple[str, str]:
    """Id and input. A title may have dots, and so has the name of an input that belongs to another one's choice."""
    try:
        return _found(prompt, place), name
    except ValueError:
        wider, dot, first = place.rpartition(".")
        if dot and wider in (*prompt, *map(title_of, prompt.values()), *(it["class_type"] for it in prompt.values())):
            return _found(prompt, wider), f"{first}.{name}"
        raise


def _found(prompt: Prompt, place: str) -> str:
    if place in prompt:
        return place
    by_title = [node_id for node_id, node in prompt.items() if title_of(node) == place]
    matches = by_title or [node_id for node_id, node in prompt.items() if node["class_type"] == place]
    if len(matches) == 1:
        return matches[0]
    choices = [f"{node_id} ({title_of(prompt[node_id])})" for node_id in matches or prompt]
    reason = "names several nodes, use an id" if matches else "names no node"
    raise ValueError(f"{place!r} {reason}: {', '.join(choices)}")


def _value(field: Field, text: str, folder: Path) -> Any:
    if field.choices is not None:
        # Choices need not be text; the one that reads the same is meant.
        return next((choice for choice in field.choices if str(choice) == text), text)
    if field.kind not in COERCIONS:
        raise ValueError(f"{field.kind} comes over a link and cannot be set from the command line")
    if field.kind == "STRING":
        return _text(text, folder)
    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError(f"{text!r} does not read as {field.kind}") from None
    if isinstance(value, bool) is not (field.kind == "BOOLEAN") or not isinstance(value, (int, float)):
        raise ValueError(f"{text!r} does not read as {field.kind}")
    if not math.isfinite(value) or (field.kind == "INT" and value != int(value)):
        raise ValueError(f"{text!r} does not read as {field.kind}")
    return value


def _text(text: str, folder: Path) -> str:
    if not text.startswith("@"):
        return text
    if text.startswith("@@"):
        return text[1:]
    try:
        return (folder / text[1:]).read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        advice = "to begin a text with @, write @@"
        raise ValueError(f"the file {text[1:]!r} cannot be read: {reason}; {advice}") from None
