"""The host of the command line: overridable environment, progress by node, and Stop."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..host import Bare, Batch, Place

if TYPE_CHECKING:
    from PIL import Image

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
    ``on_progress`` receives the node id and one short line, ``on_preview`` the node id and a picture,
    ``on_failure`` the node id and what Host.failure takes. ``workflow`` is its name in the ledger, ``run_id`` the
    run's. ``nodes`` are all that its graphs may hold, ``free_nodes`` the core nodes that an estimate may run.
    ``sends_again`` and ``batch`` are what Place says of them.
    """

    def __init__(
        self,
        overrides: Mapping[str, str | None] | None = None,
        on_progress: Callable[[str, str], None] | None = None,
        workflow: str | None = None,
        free_nodes: Mapping[str, type[Any]] | None = None,
        on_preview: Callable[[str, Image.Image], None] | None = None,
        on_failure: Callable[[str, Mapping[str, Any], str | None], None] | None = None,
        run_id: str | None = None,
        nodes: Mapping[str, type[Any]] | None = None,
        *,
        sends_again: bool = False,
        batch: Batch | None = None,
    ) -> None:
        self._run_id = run_id or uuid.uuid4().hex
        self._workflow = workflow
        self._sends_again = sends_again
        self._batch = batch
        self._nodes = dict(nodes or {})
        self._free_nodes = dict(free_nodes or {})
        self._overrides = dict(overrides or {})
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._on_failure = on_failure
        self._stopped = False

    def environ(self) -> Mapping[str, str]:
        merged = {**os.environ, **self._overrides}
        return {name: value for name, value in merged.items() if value is not None}

    def place(self) -> Place:
        return Place(self._run_id, running_node.get(), self._workflow, self._sends_again, self._batch)

    def progress(self, text: str) -> None:
        node_id = running_node.get()
        if self._on_progress is not None and node_id is not None:
            self._on_progress(node_id, text)

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        node_id = running_node.get()
        if self._on_failure is not None and node_id is not None:
            self._on_failure(node_id, error, link)

    def preview(self, picture: Image.Image) -> None:
        node_id = running_node.get()
        if self._on_preview is not None and node_id is not None:
            self._on_preview(node_id, picture)

    def stop(self) -> None:
        """Ask the nodes to stop. They notice when they poll :meth:`interrupted`."""
        self._stopped = True

    def interrupted(self) -> bool:
        return self._stopped

    def node_classes(self) -> Mapping[str, type[Any]]:
        return self._nodes

    def free_nodes(self) -> Mapping[str, type[Any]]:
        return self._free_nodes


class RowHost(Headless):
    """That of one row. All rows have one environment, that of their beginning: to decode it for each question would be
    a good part of a row.
    """

    is_of_one_run = True
    poll_seconds = 0.5  # whoever stops all rows waits for what is in the air anyway

    def __init__(self, environ: Mapping[str, str], **others: Any) -> None:
        super().__init__(**others)
        self._environ = environ

    def environ(self) -> Mapping[str, str]:
        return self._environ
