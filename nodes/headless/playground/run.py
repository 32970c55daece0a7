"""One run of a graph, told to the browser as ComfyUI tells it."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any

from PIL import Image

from ...errors import LumenfallError
from ...graph.call import is_output_node
from ...graph.links import Link
from ..checks import Graph
from ..executor import Event
from ..executor import execute as execute_graph
from ..host import Headless
from ..node import Node
from .messages import Messages

log = logging.getLogger(__name__)

Outcome = dict[str, Any]
"""outputs, meta and status of ComfyUI's /history."""


class Run:
    """Runs ``graph`` once, for ``client``, or for nobody. ``texts`` go into the PNGs."""

    def __init__(
        self, run_id: str, graph: Graph, client: str | None, texts: Mapping[str, Any], messages: Messages
    ) -> None:
        self.current: str | None = None
        """The node that started last."""
        self.outputs = [node.id for node in graph.nodes.values() if is_output_node(node.node_class)]
        self._run_id = run_id
        self._graph = graph
        self._client = client
        self._texts = texts
        self._messages = messages
        self._told: list[tuple[str, dict[str, Any]]] = []
        self._states: dict[str, str] = {}
        self._shown: dict[str, Mapping[str, Any]] = {}
        self._failures: list[Event] = []
        self._stopped: Event | None = None

    def execute(self, host: Headless) -> Outcome:
        """Blocks until it is over. What a node does wrong becomes part of the outcome."""
        self._tell("execution_start", {})
        # Nothing is kept from run to run: what was paid for is replayed by the pack's own store.
        self._tell("execution_cached", {"nodes": []})
        try:
            asyncio.run(execute_graph(self._graph, host, texts=self._texts, notify=self._notice))
        except Exception as error:
            log.exception("This is a bug of the playground")
            node = next(iter(self._graph.nodes.values()))
            self._failures.append(Event(node, "failed", raised=error))
        succeeded = not self._failures and self._stopped is None
        if self._failures:
            self._tell("execution_error", self._error(*self._failures))
        elif self._stopped is not None:
            self._tell("execution_interrupted", self._about(self._stopped.node))
        else:
            self._tell("execution_success", {})
        return {
            "outputs": self._shown,
            "meta": {
                node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
                for node_id in self._shown
            },
            "status": {
                "status_str": "success" if succeeded else "error",
                "completed": succeeded,
                "messages": self._told,
            },
        }

    def show_progress(self, node_id: str, text: str) -> None:
        """Progress of a node."""
        self._post("lumenfall.progress", {"node": node_id, "text": text})

    def show_failure(self, node_id: str, error: Mapping[str, Any], link: str | None) -> None:
        """An error of a node of the pack."""
        self._post("lumenfall.error", {"node": node_id, "error": error, "link": link})

    def show_preview(self, node_id: str, picture: Image.Image) -> None:
        """A preview on a node."""
        if self._client is not None:
            self._messages.post_preview(self._names(node_id), picture, self._client)

    def _notice(self, event: Event) -> None:
        """Called by the executor."""
        node_id = event.node.id
        if event.state == "running":
            self.current = node_id
            self._states[node_id] = "running"
            self._post_states()
            self._post("executing", {"node": node_id, "display_node": node_id})
        elif event.state == "done":
            self._states[node_id] = "finished"
            if event.ui:
                self._shown[node_id] = event.ui
                self._post("executed", {"node": node_id, "display_node": node_id, "output": event.ui})
            self._post_states()
        elif event.state == "failed":
            self._states[node_id] = "error"
            self._failures.append(event)
            self._post_states()
        elif event.state == "stopped" and (self._stopped is None or node_id in self._states):
            self._stopped = event

    def _post_states(self) -> None:
        nodes = {
            node_id: {"value": float(state != "running"), "max": 1.0, "state": state, **self._names(node_id)}
            for node_id, state in self._states.items()
        }
        self._post("progress_state", {"nodes": nodes})

    def _names(self, node_id: str) -> dict[str, Any]:
        # Nodes inside of a subgraph have ids such as "3:1" already, so all names are the same.
        names = {"node_id": node_id, "display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        return {**names, "prompt_id": self._run_id}

    def _about(self, node: Node) -> dict[str, Any]:
        executed = [node_id for node_id, state in self._states.items() if state == "finished"]
        return {"node_id": node.id, "node_type": node.class_type, "executed": executed}

    def _error(self, failure: Event, *others: Event) -> dict[str, Any]:
        """The browser shows one error for a run; the other branches' are added to its text."""
        lines = [_message(failure)]
        lines += [f"Also failed: node {other.node.id} ({other.node.title}): {_message(other)}" for other in others]
        inputs = {name: [_shown(value)] for name, value in failure.node.inputs.items() if not isinstance(value, Link)}
        return {
            **self._about(failure.node),
            "exception_message": "".join(f"{line}\n" for line in lines),
            "exception_type": _type_name(failure.raised),
            "traceback": traceback.format_tb(failure.raised.__traceback__) if failure.raised else [],
            "current_inputs": inputs,
            "current_outputs": list(self._shown),
        }

    def _tell(self, event: str, data: dict[str, Any]) -> None:
        """Post what the history keeps, too."""
        data = {"prompt_id": self._run_id, **data, "timestamp": int(time.time() * 1000)}
        self._told.append((event, data))
        self._post(event, data)

    def _post(self, event: str, data: Mapping[str, Any]) -> None:
        if self._client is not None:
            self._messages.post(event, {**data, "prompt_id": self._run_id}, self._client)


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _message(failure: Event) -> str:
    if failure.error is None or isinstance(failure.raised, LumenfallError):
        return str(failure.raised)
    return str(failure.error["message"])


def _type_name(error: BaseException | None) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
