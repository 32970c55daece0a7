"""What running a graph would cost: its paid nodes, quoted one after the other.

Inputs are resolved as ComfyUI would. What only a real run could tell, such as the picture of a local model, is
replaced by a stand-in of its type, and everything after it is marked as approximate.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from .. import host
from ..contract.nodes import FreeNode, PaidNode
from ..errors import InputError, LumenfallError, sentences
from ..graph.call import call, first_items, gives_lists
from ..graph.fields import Field, declared, literal
from ..graph.links import link_of, title_of
from ..purchase.plan import carry_out
from ..purchase.quote import STAND_IN_SIDE, PricedRequest, Quote, Source, grey
from ..purchase.session import Session
from .result import Estimate, Line

TEXT = "placeholder"
"""Stands in for a prompt that another node writes."""


async def estimate_graph(graph: Mapping[str, Any], ordered: set[str] | None = None) -> Estimate:
    """What the paid nodes of ``graph``, in API format, would cost on the current host. Sends dry runs and
    orders nothing. ``ordered`` are the keys that graphs before it would order, and takes this one's. What is wrong with
    a node becomes the error of its line. Stop raises the host's interruption.
    """
    here = host.current()
    classes = {name: node for name, node in here.node_classes().items() if isinstance(node, type)}
    paid = {name: node for name, node in classes.items() if issubclass(node, PaidNode)}
    free = {name: node for name, node in classes.items() if issubclass(node, FreeNode)}
    with host.use(host.Quiet(here)):
        walk = _Walk(graph, {**here.free_nodes(), **free}, paid, set() if ordered is None else ordered)
        return Estimate(tuple([await walk.line(node_id) for node_id in graph if walk.class_of(node_id) in paid]))


def _parents_first(graph: Mapping[str, Any], node_id: str, made: Collection[str]) -> list[str]:
    """What leads to a node and is not ``made`` yet, parents first; of what lies in a circle nothing."""
    order: list[str] = []
    path: dict[str, Iterator[str]] = {node_id: _parents(graph, node_id)}
    seen = {node_id}
    while path:
        name, parents = next(reversed(path.items()))
        parent = next((each for each in parents if each not in seen and each not in made), None)
        if parent is None:
            del path[name]
            order.append(name)
        else:
            seen.add(parent)
            path[parent] = _parents(graph, parent)
    return order[:-1]


def _parents(graph: Mapping[str, Any], node_id: str) -> Iterator[str]:
    inputs = graph[node_id].get("inputs") if isinstance(graph[node_id], Mapping) else None
    links = (link_of(value) for value in (inputs.values() if isinstance(inputs, Mapping) else ()))
    return (link.node for link in links if link is not None and link.node in graph)


@dataclass(frozen=True)
class _Made:
    """What a node gives; with ``known`` false at least partly stand-ins."""

    values: tuple[Any, ...]
    known: bool


class _Walk:
    def __init__(
        self, graph: Mapping[str, Any], free: Mapping[str, type], paid: Mapping[str, type], ordered: set[str]
    ) -> None:
        self._graph = graph
        self._free = free
        self._paid = paid
        self._lines: dict[str, Line] = {}
        self._made: dict[str, _Made | LumenfallError] = {}
        self._ordered = ordered
        self._path: list[str] = []
        self._session = Session(host.current())
        self._seen: set[str] = set()
        self._read_by_others = {
            parent
            for node_id in graph
            if self.class_of(node_id) in paid or self.class_of(node_id) in free
            for parent in _parents(graph, node_id)
        }

    def class_of(self, node_id: str) -> str:
        return str(self._graph[node_id].get("class_type"))

    async def line(self, node_id: str) -> Line:
        """The line of a paid node; afterwards what it gives is known too."""
        if node_id not in self._lines:
            if not self._path:
                # One after another: a long chain would be too deep for one within another.
                for parent in _parents_first(self._graph, node_id, self._seen):
                    self._seen.add(parent)
                    with contextlib.suppress(LumenfallError):
                        await self._outputs(parent)
            self._lines[node_id] = await self._quoted(node_id)
        return self._lines[node_id]

    async def _quoted(self, node_id: str) -> Line:
        quote, error, inputs, refused = None, None, _Inputs({}, ()), False
        node_class = self._paid[self.class_of(node_id)]
        try:
            inputs = await self._inputs(node_id, node_class)
            quote = Quote(self._ordered, inputs_known=not inputs.guessed)
            outputs = await carry_out(node_class().plan(**inputs.values), quote.answer)
            values = first_items(node_class, outputs)
            # What is fed by a list would run once for each of its pictures; how many there will be is not known.
            known = quote.outputs_known and not gives_lists(node_class)
            # Pictures that nobody here is given would only take memory.
            self._made[node_id] = _Made(values if node_id in self._read_by_others else (), known)
        except Exception as caught:
            error = _explained(caught, inputs)
            # What is wrong with a stand-in need not be wrong with what takes its place.
            refused = isinstance(caught, InputError) and not inputs.guessed
        requests, notes = (quote.requests, quote.notes) if quote else ([], [])
        line = _line(node_id, self._title(node_id), requests, notes, inputs, error)
        return replace(line, refused=refused)

    async def _outputs(self, node_id: str) -> _Made | None:
        """What a node gives, None where only a run could tell. Raises LumenfallError where a run would fail here."""
        if node_id not in self._graph:
            raise _impossible(f"A link leads to node {node_id}, which does not exist.")
        if node_id in self._path:
            raise _impossible(f"The links form a cycle: {' -> '.join([*self._path, node_id])}.")
        kind = self.class_of(node_id)
        if kind in self._paid:
            await self.line(node_id)
        elif kind in self._free and node_id not in self._made:
            self._made[node_id] = await self._evaluated(node_id, self._free[kind])
        made = self._made.get(node_id)
        if isinstance(made, LumenfallError):
            raise made
        return made

    async def _evaluated(self, node_id: str, node_class: type[Any]) -> _Made | LumenfallError:
        inputs = _Inputs({}, ())
        try:
            inputs = await self._inputs(node_id, node_class)
            return _Made(first_items(node_class, await call(node_class, inputs.values)), not inputs.guessed)
        except Exception as caught:
            reason = _explained(caught, inputs)
            return _impossible(f"{self._title(node_id)} (node {node_id}): {reason.message}", reason.hint)

    async def _inputs(self, node_id: str, node_class: type[Any]) -> _Inputs:
        """The arguments of a node. Raises LumenfallError for what can be neither known nor guessed."""
        given = self._graph[node_id].get("inputs", {})
        values: dict[str, Any] = {}
        guessed = []
        self._path.append(node_id)
        try:
            for name, declaration in declared(node_class).items():
                if name not in given:
                    if declaration.required and declaration.default is None:
                        raise InputError(f"Its {name} is missing.")
                    if declaration.required:
                        values[name] = declaration.default
                elif (link := link_of(given[name])) is not None:
                    made = await self._outputs(link.node)
                    if made is not None and not 0 <= link.slot < len(made.values):
                        raise _impossible(f"Its {name} comes from output {link.slot} of node {link.node}: it has none.")
                    values[name] = (
                        self._stand_in(name, declaration, link.node) if made is None else made.values[link.slot]
                    )
                    if made is None or not made.known:
                        guessed.append(link.node)
                else:
                    values[name] = _read(name, given[name], declaration.kind)
        finally:
            self._path.pop()
        return _Inputs(values, tuple(guessed))

    def _stand_in(self, name: str, declaration: Field, source: str) -> Any:
        """A value for input ``name`` in place of what node ``source`` will give."""
        kind, options = declaration.kind, declaration.options
        default = options.get("default")
        if kind == "IMAGE":
            return grey()
        if kind in ("MASK", "IMAGE,MASK"):
            # All but a band, so that what is left is no empty mask when it is inverted.
            mask = torch.ones(1, STAND_IN_SIDE, STAND_IN_SIDE)
            mask[:, : STAND_IN_SIDE // 8] = 0.0
            return mask
        if kind == "STRING" and (default or options.get("multiline")):
            return default or TEXT
        if kind == "INT":
            return STAND_IN_SIDE if default is None else default  # only sides of pictures have no default
        if kind in ("FLOAT", "BOOLEAN") and default is not None:
            return default
        giver = f"{self._title(source)} (node {source})"
        raise _impossible(f"Its {name} comes from {giver}, and what that gives is not known before it has run.")

    def _title(self, node_id: str) -> str:
        # Estimates are shown and sent around; some paste the key into a title.
        return self._session.without_key(str(title_of(self._graph[node_id])))


@dataclass(frozen=True)
class _Inputs:
    """The arguments of a node, and the ids of the nodes for which stand-ins are among them."""

    values: Mapping[str, Any]
    guessed: tuple[str, ...]


def _line(
    node_id: str,
    title: str,
    requests: list[PricedRequest],
    notes: list[str],
    inputs: _Inputs,
    error: LumenfallError | None,
) -> Line:
    error = error or next((request.error for request in requests if request.error), None)
    sources: list[Source] = [request.source for request in requests if not request.error]
    currency = next((request.currency for request in requests if request.currency), None)
    comparable = [request for request in requests if request.currency in (None, currency)]
    if len(comparable) < len(requests):
        # Two currencies are never added up.
        sources.append("unknown")
    return Line(
        node_id,
        title,
        model=", ".join(sorted({request.model for request in requests})) or None,
        requests=len(requests),
        pictures=sum(request.pictures for request in requests),
        replayed=sum(request.pictures for request in requests if request.source == "store"),
        shared=sum(request.pictures for request in requests if request.is_shared),
        price=round(math.fsum(request.price for request in comparable), 9),
        currency=currency,
        source=max(sources, key=_DOUBT.index, default="unknown"),
        approximate=bool(inputs.guessed),
        notes=tuple(dict.fromkeys([*notes, *(request.note for request in requests if request.note)])),
        error=None if error is None else error.as_dict(),
    )


_DOUBT: tuple[Source, ...] = ("store", "dry run", "your figure", "list price", "unknown")
"""Sources, the most certain first."""


def _explained(error: Exception, inputs: _Inputs) -> LumenfallError:
    """``error`` as what keeps a node from being estimated. Raises it where it is the host's interruption."""
    if isinstance(error, type(host.current().interruption())):
        raise error
    if not isinstance(error, LumenfallError):
        error = _impossible(f"{type(error).__name__}: {error}")
    if inputs.guessed:
        guessed = f"Estimated with a stand-in for what node {', '.join(dict.fromkeys(inputs.guessed))} will give."
        return error.replaced(hint=sentences(error.hint, guessed))
    return error


def _read(name: str, value: Any, kind: Any) -> Any:
    try:
        return literal(value, kind)
    except (TypeError, ValueError, OverflowError):
        raise _impossible(f"Its {name} is {value!r}, which does not read as {kind}.") from None


def _impossible(message: str, hint: str = "") -> LumenfallError:
    return LumenfallError(message, hint=hint, code="NOT_ESTIMATED")
