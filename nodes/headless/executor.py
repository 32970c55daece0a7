"""Runs a checked graph.

Independent nodes run at the same time: asynchronous ones truly, synchronous ones in line, as in ComfyUI. Unlike
there, a failing node takes only its own descendants with it: what other branches pay for is finished and saved.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from ..errors import LumenfallError, let_go
from ..graph.call import call_each, collected, merged
from ..graph.fields import hidden
from ..graph.links import Link
from ..host import Interrupted, use
from ..purchase import consent
from ..purchase.plan import added, reported_costs
from ..purchase.session import session_of
from ..purchase.slots import most
from .checks import Graph
from .host import Headless, running_node
from .memory import give_back
from .node import Node

log = logging.getLogger(__name__)

State = Literal["running", "done", "failed", "skipped", "stopped"]


@dataclass(frozen=True)
class Event:
    """A node changed its state. ``ui`` comes with "done", ``error`` with "failed", and ``raised`` is its exception."""

    node: Node
    state: State
    ui: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    raised: BaseException | None = None


@dataclass(frozen=True)
class Result:
    """What a run left behind, by node id. ``errors`` are in the shape of ``LumenfallError.as_dict()``."""

    status: Literal["success", "error", "interrupted"]
    ui: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, Mapping[str, Any]]
    seconds: float

    @property
    def images(self) -> dict[str, list[Mapping[str, str]]]:
        """Written pictures as {"filename", "subfolder", "type"}; see :meth:`.folders.Folders.locate`."""
        return {node_id: list(ui["images"]) for node_id, ui in self.ui.items() if ui.get("images")}

    @property
    def reports(self) -> dict[str, Mapping[str, Any]]:
        """The report of each node of this pack that finished."""
        return {node_id: ui["lumenfall"][0] for node_id, ui in self.ui.items() if ui.get("lumenfall")}

    @property
    def costs(self) -> dict[str, float]:
        """The known costs, by their currency."""
        return added(map(reported_costs, self.reports.values()))

    @property
    def currency(self) -> str | None:
        """The one currency of all known costs, else None."""
        return next(iter(self.costs)) if len(self.costs) == 1 else None

    @property
    def cost(self) -> float | None:
        """The sum of the costs that are known; None if none is, or if they cannot be added."""
        return self.costs[self.currency] if self.currency else None


async def execute(
    graph: Graph,
    host: Headless,
    *,
    workflow: Mapping[str, Any] | None = None,
    texts: Mapping[str, Any] | None = None,
    notify: Callable[[Event], None] | None = None,
) -> Result:
    """Run every node of ``graph``. One at a time in a thread: PyTorch's inference mode belongs to the thread.

    ``workflow`` is the browser's form of the graph, for the nodes that ask for EXTRA_PNGINFO, and ``texts`` is what
    else they get there. ``notify`` is called in the loop for every change of a node's state. A node's failure is part
    of the result and never raised.
    """
    png_info = {**(texts or {}), **({} if workflow is None else {"workflow": workflow})}
    with torch.inference_mode(), use(host):
        await asyncio.to_thread(consent.begin, host)
        return await _Run(graph, host, png_info, notify or (lambda event: None)).finish()


SPARE = 2
"""Nodes that may run beyond those that have a request in the air, so that the next one leaves while one is saved."""


def _most_running(host: Headless) -> int:
    """How many nodes may run at once: the more there are, the more of their pictures are in memory."""
    try:
        return most(session_of(host).settings) + SPARE
    except LumenfallError:
        return SPARE  # what is wrong is told by the node that needs it


class _Run:
    """What comes next is what follows the node that ended last: so what it made is let go of soonest."""

    def __init__(self, graph: Graph, host: Headless, png_info: dict[str, Any], notify: Callable[[Event], None]) -> None:
        self._host = host
        # Paid nodes leave their receipts in the dict, and SaveImage writes it.
        self._hidden = {"PROMPT": graph.prompt, "EXTRA_PNGINFO": png_info}
        self._notify = notify
        self._most = _most_running(host)
        nodes = list(graph.nodes.values())
        self._readers: dict[str, list[Node]] = {node.id: [] for node in nodes}
        for node in nodes:
            for parent in node.parents:
                self._readers[parent].append(node)
        self._to_read = {node_id: len(readers) for node_id, readers in self._readers.items()}
        """How many readers of each node have not ended yet."""
        self._missing = {node.id: len(node.parents) for node in nodes}
        """How many parents of each node have not ended yet."""
        self._ready = [node for node in reversed(nodes) if not node.parents]
        self._done: set[str] = set()
        self._values: dict[str, list[list[Any]]] = {}
        self._ui: dict[str, Mapping[str, Any]] = {}
        self._errors: dict[str, Mapping[str, Any]] = {}
        self._stopped = False
        self._closing = False

    async def finish(self) -> Result:
        started = time.perf_counter()
        running: set[asyncio.Task[None]] = set()
        bugs: list[BaseException] = []
        try:
            while self._ready or running:
                while self._ready and len(running) < self._most:
                    running.add(asyncio.create_task(self._node(self._ready.pop())))
                ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                bugs += filter(None, (task.exception() for task in ended))
        finally:
            self._closing = True
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if bugs:
            raise bugs[0]
        status: Literal["success", "error", "interrupted"] = "error" if self._errors else "success"
        if self._stopped:
            status = "interrupted"
        return Result(status, self._ui, self._errors, time.perf_counter() - started)

    async def _node(self, node: Node) -> None:
        try:
            if self._host.interrupted():
                self._stop(node)
            elif not node.parents <= self._done:
                self._notify(Event(node, "skipped"))
            else:
                running_node.set(node.id)
                self._notify(Event(node, "running"))
                await self._attempt(node)
        finally:
            self._end(node)

    def _end(self, node: Node) -> None:
        """Let go of what nobody reads any more, and of the nodes that have waited for this one."""
        for parent in node.parents:
            self._to_read[parent] -= 1
            if not self._to_read[parent]:
                self._values.pop(parent, None)
        give_back()
        for reader in self._readers[node.id]:
            self._missing[reader.id] -= 1
            if not self._missing[reader.id]:
                self._ready.append(reader)

    async def _attempt(self, node: Node) -> None:
        try:
            answers = await self._call(node)
        except Interrupted:
            self._stop(node)
        except LumenfallError as error:
            self._fail(node, error.as_dict(), error)
        except asyncio.CancelledError as error:
            if self._closing:
                raise
            # Nobody cancelled this task: the node let out a cancellation of something of its own.
            message = "The node gave up: something it was waiting for was cancelled."
            self._fail(node, _generic("NODE_CANCELLED", message), error)
        except Exception as error:
            log.error("Node %s (%s) failed", node.id, node.class_type, exc_info=error)
            self._fail(node, _generic("NODE_FAILED", f"{type(error).__name__}: {error}"), error)
        else:
            self._done.add(node.id)
            if self._to_read[node.id]:
                self._values[node.id] = collected(node.node_class, answers)
            ui = merged([answer.get("ui") or {} for answer in answers])
            if ui:
                self._ui[node.id] = ui
            self._notify(Event(node, "done", ui))

    async def _call(self, node: Node) -> list[dict[str, Any]]:
        arguments = {name: self._resolved(value) for name, value in node.inputs.items()}
        for name, kind in hidden(node.node_class).items():
            if kind == "UNIQUE_ID":
                arguments[name] = [node.id]
            elif kind in self._hidden:
                arguments[name] = [self._hidden[kind]]
        return await call_each(node.node_class, arguments)

    def _resolved(self, value: Any) -> list[Any]:
        if not isinstance(value, Link):
            return [value]
        values = self._values[value.node]
        # A node may leave trailing outputs out; ComfyUI hands None on.
        return values[value.slot] if value.slot < len(values) else [None]

    def _stop(self, node: Node) -> None:
        self._stopped = True
        self._notify(Event(node, "stopped"))

    def _fail(self, node: Node, error: Mapping[str, Any], raised: BaseException) -> None:
        self._errors[node.id] = error
        self._notify(Event(node, "failed", error=error, raised=raised))
        # Who keeps it would keep all pictures that were at hand where it was raised.
        let_go(raised)


def _generic(code: str, message: str) -> dict[str, Any]:
    # `charged` is None: an error outside the pack's tree says nothing about money.
    return {"code": code, "message": message, "hint": "", "request_id": None, "status": None, "charged": None}
