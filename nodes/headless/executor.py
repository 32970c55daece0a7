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

from ..errors import LumenfallError
from ..graph.call import call_each, collected, merged
from ..graph.fields import hidden
from ..graph.links import Link
from ..host import Interrupted, use
from ..purchase import consent
from ..purchase.plan import added, reported_costs
from .checks import Graph, Node
from .host import Headless, running_node

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


class _Run:
    def __init__(self, graph: Graph, host: Headless, png_info: dict[str, Any], notify: Callable[[Event], None]) -> None:
        self._graph = graph
        self._host = host
        # Paid nodes leave their receipts in the dict, and SaveImage writes it.
        self._hidden = {"PROMPT": graph.prompt, "EXTRA_PNGINFO": png_info}
        self._notify = notify
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._values: dict[str, list[list[Any]]] = {}
        self._ui: dict[str, Mapping[str, Any]] = {}
        self._errors: dict[str, Mapping[str, Any]] = {}
        self._stopped = False
        self._closing = False

    async def finish(self) -> Result:
        started = time.perf_counter()
        self._tasks = {node.id: asyncio.create_task(self._node(node)) for node in self._graph.nodes.values()}
        try:
            await asyncio.wait(self._tasks.values())
        finally:
            self._closing = True
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for task in self._tasks.values():
            task.result()
        status: Literal["success", "error", "interrupted"] = "error" if self._errors else "success"
        if self._stopped:
            status = "interrupted"
        return Result(status, self._ui, self._errors, time.perf_counter() - started)

    async def _node(self, node: Node) -> None:
        if node.parents:
            await asyncio.wait([self._tasks[parent] for parent in node.parents])
        if self._host.interrupted():
            self._stop(node)
        elif not node.parents <= self._values.keys():
            self._notify(Event(node, "skipped"))
        else:
            running_node.set(node.id)
            self._notify(Event(node, "running"))
            await self._attempt(node)

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


def _generic(code: str, message: str) -> dict[str, Any]:
    # `charged` is None: an error outside the pack's tree says nothing about money.
    return {"code": code, "message": message, "hint": "", "request_id": None, "status": None, "charged": None}
