"""What running a graph would cost: its paid nodes, run in quoting mode one after the other.

Inputs are resolved as ComfyUI would. What only a real run could tell, such as the picture of a local model, is
replaced by a stand-in of its type, and everything after it is marked as approximate.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

from . import host
from .errors import LumenfallError
from .quoting import STAND_IN_SIDE, Quotation, Quoted, Source, grey, quoting

TEXT = "placeholder"
"""Stands in for a prompt that another node writes."""


@dataclass(frozen=True)
class Line:
    """One paid node. ``price`` is the sum of its known prices, in ``currency``; ``source`` that of the least certain.

    ``pictures`` counts those that would come, ``replayed`` those of them that the store has. ``approximate``: its
    inputs are not known yet. ``error``, in the shape of LumenfallError.as_dict(), says why it cannot be estimated.
    """

    node_id: str
    title: str
    model: str | None = None
    requests: int = 0
    pictures: int = 0
    replayed: int = 0
    price: float = 0.0
    currency: str | None = None
    source: Source = "unknown"
    approximate: bool = False
    notes: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None

    @property
    def is_known(self) -> bool:
        """Whether ``price`` is all that the node would cost."""
        return self.error is None and self.source != "unknown"


@dataclass(frozen=True)
class Quote:
    """The estimate of a graph."""

    lines: tuple[Line, ...]

    @property
    def currency(self) -> str:
        """The currency of ``total``."""
        return next((line.currency for line in self.lines if line.currency), "USD")

    @property
    def total(self) -> float:
        """The sum of the known prices."""
        return round(math.fsum(line.price for line in self.lines if line.currency in (None, self.currency)), 9)

    @property
    def unknown(self) -> int:
        """How many nodes cost more than ``total`` says, or cannot be estimated."""
        return sum(not line.is_known or line.currency not in (None, self.currency) for line in self.lines)

    @property
    def approximate(self) -> bool:
        return any(line.approximate for line in self.lines)

    @property
    def summary(self) -> str:
        """One short line, such as ``about 0.16 USD for 4 pictures, 1 replayed``."""
        pictures, replayed = (sum(getattr(line, name) for line in self.lines) for name in ("pictures", "replayed"))
        parts = [f"about {_money(self.total, self.currency)} for {_counted(pictures, 'picture')}"]
        parts += [f"{replayed} replayed"] if replayed else []
        parts += [f"{_counted(self.unknown, 'node')} not known"] if self.unknown else []
        return ", ".join(parts)

    @property
    def text(self) -> str:
        """A table for people: a row for each paid node, and the total."""
        rows = [_row(line) for line in self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        remarks = [f"{line.title}: {remark}" for line in self.lines for remark in _remarks(line)]
        return "\n".join([*table, *remarks, f"Total: {self.summary}"])

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        names = ("total", "currency", "unknown", "approximate", "summary")
        lines = [{**vars(line), "notes": list(line.notes)} for line in self.lines]
        return {**{name: getattr(self, name) for name in names}, "lines": lines}


async def quote_graph(prompt: Mapping[str, Any], free: Mapping[str, type[Any]], paid: Mapping[str, type[Any]]) -> Quote:
    """What the nodes of ``paid`` in ``prompt``, a graph in API format, would cost. Sends dry runs and orders nothing.

    ``free`` are the classes that may be run to learn what they give; both map ids to classes of the V1 contract. What
    is wrong with a node becomes the error of its line. Stop raises the host's interruption.
    """
    with host.use(cast(host.Host, _Quiet(host.current()))):
        walk = _Walk(prompt, free, paid)
        return Quote(tuple([await walk.line(node_id) for node_id in prompt if walk.class_of(node_id) in paid]))


class _Quiet:
    """The current host, but for what nodes say of themselves: they are not running."""

    def __init__(self, surroundings: host.Host) -> None:
        self._surroundings = surroundings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._surroundings, name)

    def progress(self, text: str) -> None:
        return None

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        return None


@dataclass(frozen=True)
class _Made:
    """What a node gives; with ``known`` false at least partly stand-ins."""

    values: tuple[Any, ...]
    known: bool


class _Walk:
    def __init__(self, prompt: Mapping[str, Any], free: Mapping[str, type], paid: Mapping[str, type]) -> None:
        self._prompt = prompt
        self._free = free
        self._paid = paid
        self._lines: dict[str, Line] = {}
        self._made: dict[str, _Made | LumenfallError] = {}
        self._ordered: set[str] = set()
        self._path: list[str] = []

    def class_of(self, node_id: str) -> str:
        return str(self._prompt[node_id].get("class_type"))

    async def line(self, node_id: str) -> Line:
        """The line of a paid node; afterwards what it gives is known too."""
        if node_id not in self._lines:
            self._lines[node_id] = await self._quoted(node_id)
        return self._lines[node_id]

    async def _quoted(self, node_id: str) -> Line:
        quotation, error, inputs = None, None, _Inputs({}, ())
        node_class = self._paid[self.class_of(node_id)]
        try:
            inputs = await self._inputs(node_id, node_class)
            quotation = Quotation(self._ordered, inputs_known=not inputs.guessed)
            with quoting(quotation):
                values = await _called(node_class, inputs.values)
            # What is fed by a list would run once for each of its pictures; how many there will be is not known.
            known = quotation.outputs_known and True not in getattr(node_class, "OUTPUT_IS_LIST", ())
            self._made[node_id] = _Made(values, known)
        except Exception as caught:
            error = _explained(caught, inputs)
        requests, notes = (quotation.requests, quotation.notes) if quotation else ([], [])
        return _line(node_id, self._title(node_id), requests, notes, inputs, error)

    async def _outputs(self, node_id: str) -> _Made | None:
        """What a node gives, None where only a run could tell. Raises LumenfallError where a run would fail here."""
        if node_id not in self._prompt:
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
            return _Made(await _called(node_class, inputs.values), not inputs.guessed)
        except Exception as caught:
            reason = _explained(caught, inputs)
            return _impossible(f"{self._title(node_id)} (node {node_id}): {reason.message}", reason.hint)

    async def _inputs(self, node_id: str, node_class: type[Any]) -> _Inputs:
        """The arguments of a node. Raises LumenfallError for what can be neither known nor guessed."""
        given = self._prompt[node_id].get("inputs", {})
        values: dict[str, Any] = {}
        guessed = []
        self._path.append(node_id)
        try:
            for name, kind, options, required in _declared(node_class):
                if name not in given:
                    if required:
                        values[name] = _default(name, kind, options)
                elif _is_link(given[name]):
                    source, slot = given[name]
                    made = await self._outputs(source)
                    values[name] = self._stand_in(name, kind, options, source) if made is None else made.values[slot]
                    if made is None or not made.known:
                        guessed.append(source)
                else:
                    values[name] = _coerced(given[name], kind)
        finally:
            self._path.pop()
        return _Inputs(values, tuple(guessed))

    def _stand_in(self, name: str, kind: Any, options: Mapping[str, Any], source: str) -> Any:
        """A value for input ``name`` in place of what node ``source`` will give."""
        default = options.get("default")
        if kind == "IMAGE":
            return grey()
        if kind == "MASK":
            return torch.ones(1, STAND_IN_SIDE, STAND_IN_SIDE)
        if kind == "STRING" and (default or options.get("multiline")):
            return default or TEXT
        if kind == "INT":
            return STAND_IN_SIDE if default is None else default  # only sides of pictures have no default
        if kind in ("FLOAT", "BOOLEAN") and default is not None:
            return default
        giver = f"{self._title(source)} (node {source})"
        raise _impossible(f"Its {name} comes from {giver}, and what that gives is not known before it has run.")

    def _title(self, node_id: str) -> str:
        node = self._prompt[node_id]
        return str(node.get("_meta", {}).get("title") or node.get("class_type"))


@dataclass(frozen=True)
class _Inputs:
    """The arguments of a node, and the ids of the nodes for which stand-ins are among them."""

    values: Mapping[str, Any]
    guessed: tuple[str, ...]


def _line(
    node_id: str,
    title: str,
    requests: list[Quoted],
    notes: list[str],
    inputs: _Inputs,
    error: LumenfallError | None,
) -> Line:
    error = error or next((one.error for one in requests if one.error), None)
    sources: list[Source] = [one.source for one in requests if not one.error]
    return Line(
        node_id,
        title,
        model=requests[0].model if requests else None,
        requests=len(requests),
        pictures=sum(one.pictures for one in requests),
        replayed=sum(one.pictures for one in requests if one.source == "store"),
        price=round(math.fsum(one.price for one in requests), 9),
        currency=next((one.currency for one in requests if one.currency), None),
        source=max(sources, key=_DOUBT.index, default="unknown"),
        approximate=bool(inputs.guessed),
        notes=tuple(dict.fromkeys([*notes, *(one.note for one in requests if one.note)])),
        error=None if error is None else error.as_dict(),
    )


_DOUBT: tuple[Source, ...] = ("store", "dry run", "your figure", "list price", "unknown")
"""Sources, the most certain first."""


def _declared(node_class: type[Any]) -> Iterator[tuple[str, Any, Mapping[str, Any], bool]]:
    """Name, type and options of each input of a node class, and whether it is required."""
    types = node_class.INPUT_TYPES()
    for group in ("required", "optional"):
        for name, (kind, *more) in types.get(group, {}).items():
            yield name, kind, more[0] if more else {}, group == "required"


async def _called(node_class: type[Any], arguments: Mapping[str, Any]) -> tuple[Any, ...]:
    answer = getattr(node_class(), node_class.FUNCTION)(**arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    values = tuple((answer.get("result") or ()) if isinstance(answer, dict) else answer)
    is_list = (*getattr(node_class, "OUTPUT_IS_LIST", ()), *(False,) * len(values))
    return tuple(value[0] if listed else value for value, listed in zip(values, is_list, strict=False))


_COERCIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def _coerced(value: Any, kind: Any) -> Any:
    """A literal as ComfyUI hands it on."""
    if isinstance(value, Mapping) and "__value__" in value:
        value = value["__value__"]
    return _COERCIONS[kind](value) if isinstance(kind, str) and kind in _COERCIONS else value


def _default(name: str, kind: Any, options: Mapping[str, Any]) -> Any:
    if "default" in options:
        return options["default"]
    choices = kind if isinstance(kind, list) else options.get("options")
    if choices:
        return choices[0]
    raise _impossible(f"Its {name} is missing.")


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _explained(error: Exception, inputs: _Inputs) -> LumenfallError:
    """``error`` as what keeps a node from being estimated. Raises it where it is the host's interruption."""
    if isinstance(error, type(host.current().interruption())):
        raise error
    if not isinstance(error, LumenfallError):
        error = _impossible(f"{type(error).__name__}: {error}")
    if inputs.guessed:
        guessed = f"Estimated with a stand-in for what node {', '.join(dict.fromkeys(inputs.guessed))} will give."
        error.hint = f"{error.hint} {guessed}".strip()
    return error


def _impossible(message: str, hint: str = "") -> LumenfallError:
    return LumenfallError(message, hint=hint, code="NOT_ESTIMATED")


def _row(line: Line) -> tuple[str, ...]:
    known = _money(line.price, line.currency or "USD") if line.is_known or line.price else "not known"
    source = f"{line.source}, approximate" if line.approximate else line.source
    pictures = _counted(line.pictures, "picture") + (f", {line.replayed} replayed" if line.replayed else "")
    return line.node_id, line.title, line.model or "-", pictures, known, source


def _remarks(line: Line) -> list[str]:
    if line.error is None:
        return list(line.notes)
    return [*line.notes, f"{line.error['message']} {line.error['hint']}".strip()]


def _money(amount: float, currency: str) -> str:
    """Up to six decimals, without idle zeros."""
    return f"{amount:.6f}".rstrip("0").rstrip(".") + f" {currency}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
