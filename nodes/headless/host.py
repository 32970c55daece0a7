"""The host of the command line: overridable environment, progress by node, and Stop."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ..host import Interrupted, Place
from ..host.bare import Bare

running_node: ContextVar[str | None] = ContextVar("lumenfall_running_node", default=None)
"""The id of the node that runs in this task. The executor sets it."""


def sandboxed(base_url: str, data_dir: str) -> dict[str, str | None]:
    """The overrides for a run on the sandbox: its key is nobody's, and what it bills is no spend."""
    return {
        "LUMENFALL_BASE_URL": base_url,
        "LUMENFALL_API_KEY": None,
        "LUMENFALL_DATA_DIR": data_dir,
        "LUMENFALL_DATABASE": None,
    }


class Headless(Bare):
    """A plain process whose nodes report progress and can be stopped.

    ``overrides`` are merged over ``os.environ``, which stays as it is; ``None`` removes a variable.
    ``on_progress`` receives the node id and one short line. ``workflow`` is its name in the ledger.
    ``free_nodes`` are the core nodes that an estimate may run.
    """

    def __init__(
        self,
        overrides: Mapping[str, str | None] | None = None,
        on_progress: Callable[[str, str], None] | None = None,
        workflow: str | None = None,
        free_nodes: Mapping[str, type[Any]] | None = None,
    ) -> None:
        self._run_id = uuid.uuid4().hex
        self._workflow = workflow
        self._free_nodes = dict(free_nodes or {})
        self._overrides = dict(overrides or {})
        self._on_progress = on_progress
        self._stopped = False

    def environ(self) -> Mapping[str, str]:
        merged = {**os.environ, **self._overrides}
        return {name: value for name, value in merged.items() if value is not None}

    def place(self) -> Place:
        return Place(self._run_id, running_node.get(), self._workflow)

    def progress(self, text: str) -> None:
        node_id = running_node.get()
        if self._on_progress is not None and node_id is not None:
            self._on_progress(node_id, text)

    def stop(self) -> None:
        """Ask the nodes to stop. They notice when they poll :meth:`interrupted`."""
        self._stopped = True

    def interrupted(self) -> bool:
        return self._stopped

    def interruption(self) -> BaseException:
        return Interrupted()

    def free_nodes(self) -> Mapping[str, type[Any]]:
        return self._free_nodes
