"""A workflow as a graph that is known to be runnable.

Everything that can be told before money moves is told here, all at once: unknown classes, links to nowhere,
cycles, missing inputs, types, ranges, choices, and what the nodes' own VALIDATE_INPUTS object to. As in ComfyUI,
only nodes that some output node needs are held to this; unlike ComfyUI, one bad branch keeps all from running.
"""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..graph.call import is_output_node
from ..graph.fields import Field, Misfit, declared
from ..graph.links import Link, link_of, title_of, upstream
from ..graph.validation import Validator
from .foresight import known_values, objections_of_paid
from .node import Node
from .problems import NeedsComfyUI, Problem, WorkflowError
from .reading import Prompt
from .workflow import override, packs_of

log = logging.getLogger(__name__)

NO_OUTPUTS = Problem("prompt_no_outputs", "The workflow has no output node; add a SaveImage or a PreviewImage.")


@dataclass(frozen=True)
class Graph:
    """``nodes`` are those that output nodes need, parents first; ``prompt`` is the workflow as it is run."""

    prompt: Prompt
    nodes: Mapping[str, Node]

    async def bound(self, table: Mapping[str, type[Any]]) -> Graph:
        """The same graph, to be run by the classes of another ``table``, which take the same inputs. Raises
        WorkflowError where a file that a node names is gone by now.
        """
        reading = [node_id for node_id, node in self.nodes.items() if getattr(node.node_class, "READS_FILES", False)]
        checks = [_Check(node_id, self.prompt, table) for node_id in reading]
        for check in checks:
            await check.run()
        if problems := [problem for check in checks for problem in check.problems]:
            raise WorkflowError(problems)
        nodes = {node_id: replace(node, node_class=table[node.class_type]) for node_id, node in self.nodes.items()}
        return Graph(copy.deepcopy(self.prompt), nodes)


async def build(
    prompt: Prompt,
    table: Mapping[str, type[Any]],
    settings: Sequence[str] = (),
    targets: Collection[str] | None = None,
    dead_ends: Collection[str] = (),
    seen: dict[str, _Check] | None = None,
) -> Graph:
    """Check ``prompt``, with ``settings`` (see :func:`.workflow.override`) written in, against the node ``table``.

    ``targets`` are the ids of the output nodes that are wanted, None for all of them; ``dead_ends`` nodes of unknown
    classes that are known to be none. ``seen`` keeps what is found of each node, for graphs of which only some differ,
    and those in nothing but their inputs. Raises NeedsComfyUI for classes outside the table that some output needs, or
    that may be outputs themselves, else WorkflowError with every problem.
    """
    outputs = [
        node_id
        for node_id, node in prompt.items()
        if is_output_node(table.get(node["class_type"])) and (targets is None or node_id in targets)
    ]
    unknown = {node_id: node["class_type"] for node_id, node in prompt.items() if node["class_type"] not in table}
    ends = [node_id for node_id in _ends(prompt, unknown) if node_id not in dead_ends] if targets is None else []
    wanted = upstream(prompt, *outputs, *ends) if outputs else prompt
    unknown = {node_id: class_type for node_id, class_type in unknown.items() if node_id in wanted}
    if unknown:
        raise NeedsComfyUI(unknown, packs_of(prompt))
    prompt = override(prompt, table, settings)
    if not outputs:
        raise WorkflowError([NO_OUTPUTS])

    outputs = await _without_idle(outputs, prompt, table)
    needed = upstream(prompt, *outputs)
    seen = {} if seen is None else seen
    checks = [await _checked(node_id, prompt, table, seen) for node_id in prompt if node_id in needed]
    nodes = {check.node_id: await check.run() for check in checks}
    problems = [problem for check in checks for problem in check.problems]
    problems += _circle(needed)
    if not problems:
        order = list(TopologicalSorter({node.id: node.parents for node in nodes.values()}).static_order())
        problems = await _problems_of_linked(checks, [nodes[node_id] for node_id in order])
    if problems:
        raise WorkflowError(problems)
    return Graph(prompt, {node_id: nodes[node_id] for node_id in order})


async def objections(
    prompt: Prompt, table: Mapping[str, type[Any]], node_ids: Iterable[str], dead_ends: Collection[str] = ()
) -> list[Problem]:
    """What :func:`build` would have against the graph as a whole, and against these nodes, whose classes are in
    ``table``; against links between them and nodes of unknown classes nothing.
    """
    outputs = [node_id for node_id, node in prompt.items() if is_output_node(table.get(node["class_type"]))]
    unknown = [node_id for node_id, node in prompt.items() if node["class_type"] not in table]
    ends = [node_id for node_id in _ends(prompt, unknown) if node_id not in dead_ends]
    if not outputs and not ends:
        return [NO_OUTPUTS]
    outputs = await _without_idle(outputs, prompt, table, told=False)
    needed = upstream(prompt, *outputs, *ends)
    circle = _circle(needed)
    checks = [_Check(node_id, prompt, table) for node_id in node_ids if node_id in needed]
    nodes = {check.node_id: await check.run() for check in checks}
    problems = [*circle, *(problem for check in checks for problem in check.problems)]
    if not problems:
        parents = {node.id: node.parents & nodes.keys() for node in nodes.values()}
        with contextlib.suppress(CycleError):
            order = TopologicalSorter(parents).static_order()
            problems = await _problems_of_linked(checks, [nodes[node_id] for node_id in order])
    return problems


def _circle(prompt: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """The circle that the links form, where they do."""
    links = {
        node_id: {link.node for value in node["inputs"].values() if (link := link_of(value, prompt)) is not None}
        for node_id, node in prompt.items()
    }
    try:
        TopologicalSorter(links).prepare()
    except CycleError as error:
        path = " -> ".join(f"{node_id} ({prompt[node_id]['class_type']})" for node_id in error.args[1])
        return [Problem("dependency_cycle", f"The links form a cycle: {path}")]
    return []


async def _problems_of_linked(checks: Iterable[_Check], nodes: Sequence[Node]) -> list[Problem]:
    """What the nodes' own checks have against linked values that are known before anything runs. ``nodes`` are good in
    all else, parents first.
    """
    known, found = await known_values(nodes)
    by_id = {check.node_id: check for check in checks}
    for node in nodes:
        if any(value in known for value in node.inputs.values() if isinstance(value, Link)):
            found += await by_id[node.id].again(node, known)
    return found or objections_of_paid(nodes, known)


async def _without_idle(
    outputs: list[str], prompt: Prompt, table: Mapping[str, type[Any]], *, told: bool = True
) -> list[str]:
    """``outputs`` without faulty nodes that would only show something: they keep nothing else from running."""
    for node_id in [*outputs]:
        only_shows = getattr(table[prompt[node_id]["class_type"]], "ONLY_SHOWS", False)
        if not only_shows or outputs == [node_id]:
            continue
        check = _Check(node_id, prompt, table)
        await check.run()
        if not check.problems:
            continue
        others = [output for output in outputs if output != node_id]
        if node_id not in upstream(prompt, *others):
            if told:
                log.warning("Left out, as it would only show something: %s", check.problems[0])
            outputs = others
    return outputs


def _ends(prompt: Prompt, unknown: Collection[str]) -> list[str]:
    """The nodes of unknown classes that may be there for their own sake: nobody is given what they make."""
    links = (link_of(value, prompt) for node in prompt.values() for value in node["inputs"].values())
    given = {link.node for link in links if link is not None}
    return [node_id for node_id in unknown if node_id not in given]


async def _checked(node_id: str, prompt: Prompt, table: Mapping[str, type[Any]], seen: dict[str, _Check]) -> _Check:
    known = seen.get(node_id)
    if known is None or known.prompt[node_id] is not prompt[node_id]:
        known = seen[node_id] = _Check(node_id, prompt, table)
        await known.run()
    # What is said of a graph as a whole is not said of the next.
    return replace(known, prompt=prompt, problems=[*known.problems])


@dataclass
class _Check:
    """The examination of one node."""

    node_id: str
    prompt: Prompt
    table: Mapping[str, type[Any]]
    problems: list[Problem] = field(default_factory=list)
    linked: dict[str, Any] = field(default_factory=dict)
    """The types that its linked inputs are given."""
    node: Node | None = None
    """What :meth:`run` has made."""

    async def run(self) -> Node:
        self.node = self.node or await self._run()
        return self.node

    async def _run(self) -> Node:
        raw = self.prompt[self.node_id]
        node_class = self.table[raw["class_type"]]
        validator = Validator.of(node_class)
        inputs: dict[str, Any] = {}
        for name, declaration in declared(node_class).items():
            if name not in raw["inputs"]:
                if declaration.required:
                    self._report("required_input_missing", "required, but missing", name)
                continue
            value = raw["inputs"][name]
            try:
                if isinstance(value, list):
                    inputs[name], self.linked[name] = self._linked(value, declaration, any_type=validator.takes_types)
                elif value is None and declaration.choices is not None:
                    # A node's own check takes it for a linked value, and waives ours.
                    raise Misfit("value_not_in_list", "nothing is chosen; choose one of its list")
                else:
                    inputs[name] = declaration.coerced(value)
                    if not validator.waives(name):
                        declaration.check(inputs[name])
            except Misfit as misfit:
                self._report(misfit.code, str(misfit), name)
        await self._validate(validator, inputs)
        return Node(self.node_id, title_of(raw) or raw["class_type"], node_class, raw["class_type"], inputs)

    async def again(self, node: Node, known: Mapping[Link, Any]) -> list[Problem]:
        """What the node itself has against it, now that some links have values."""
        validator = Validator.of(node.node_class)
        inputs = {
            name: known.get(value, value) if isinstance(value, Link) else value for name, value in node.inputs.items()
        }
        await self._validate(validator, inputs)
        return self.problems

    def _linked(self, value: list[Any], declaration: Field, *, any_type: bool) -> tuple[Link, Any]:
        link = link_of(value)
        if link is None:
            raise Misfit("bad_linked_input", f'{value!r} is not a link; a link is ["node id", slot]')
        if link.node not in self.prompt:
            raise Misfit("dangling_link", f"linked to node {link.node}, which does not exist")
        source = self.table.get(self.prompt[link.node]["class_type"])
        if source is None:
            return link, "*"
        if not 0 <= link.slot < len(source.RETURN_TYPES):
            last = f"it has {len(source.RETURN_TYPES)}, counted from 0"
            raise Misfit("slot_out_of_range", f"node {link.node} has no output {link.slot}; {last}")
        received = source.RETURN_TYPES[link.slot]
        if not any_type and not declaration.accepts(received):
            kind = "a choice from its list" if declaration.choices is not None else declaration.kind
            raise Misfit("return_type_mismatch", f"needs {kind}, but node {link.node} gives {received}")
        return link, received

    async def _validate(self, validator: Validator, inputs: Mapping[str, Any]) -> None:
        taken = [name for name in inputs if validator.waives(name)]
        faulty = any(problem.input is not None and validator.waives(problem.input) for problem in self.problems)
        if not validator.checks or faulty:
            return
        # As in ComfyUI, a linked value is not known yet and arrives as None.
        arguments = {name: None if isinstance(inputs[name], Link) else inputs[name] for name in taken}
        if validator.takes_types:
            arguments["input_types"] = dict(self.linked)
        objection = await validator.objection(arguments)
        if objection is not None:
            self._report("custom_validation_failed", objection, taken[0] if len(taken) == 1 else None)

    def _report(self, code: str, message: str, name: str | None) -> None:
        raw = self.prompt[self.node_id]
        self.problems.append(
            Problem(code, message, self.node_id, title_of(raw) or raw["class_type"], raw["class_type"], name)
        )
