"""What a playground is made of: its folders, its nodes, and the hosts that they run on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ...table import NODE_CLASS_MAPPINGS
from ..core_nodes import free, table
from ..host import Headless
from .folders import PlaygroundFolders, find_frontend
from .messages import Messages
from .queue import Queue


class _Host(Headless):
    """One of several that share a queue."""

    def __init__(self, queue: Queue, temp: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue = queue
        self._temp = temp

    def shown_dir(self) -> Path:
        return self._temp / "lumenfall"

    def running_ids(self) -> Collection[str]:
        job = self._queue.running
        return () if job is None else (job.id,)


class Playground:
    """``root`` is the folder for pictures, settings and saved workflows; ``frontend`` that of a frontend other than
    the installed one. ``overrides`` change environment variables for the nodes; None removes one. Raises InputError
    if there is no frontend.
    """

    def __init__(self, root: Path, frontend: Path | None = None) -> None:
        self.folders = PlaygroundFolders(root.resolve(), find_frontend(frontend))
        self.core_nodes = table(self.folders.of_nodes)
        self.messages = Messages()
        self.queue = Queue(self.messages)
        self.url = ""
        """Such as ``http://127.0.0.1:8188``, while it runs."""
        self.overrides: Mapping[str, str | None] = {}

    @property
    def nodes(self) -> dict[str, type[Any]]:
        return {**self.core_nodes, **NODE_CLASS_MAPPINGS}

    def host(
        self,
        run_id: str | None = None,
        on_progress: Callable[[str, str], None] | None = None,
        on_preview: Callable[[str, Image.Image], None] | None = None,
        on_failure: Callable[[str, Mapping[str, Any], str | None], None] | None = None,
    ) -> Headless:
        """What nodes see around them, in the run ``run_id`` or outside of any."""
        return _Host(
            self.queue,
            self.folders.of_nodes.temp,
            self.overrides,
            on_progress,
            nodes=self.nodes,
            free_nodes=free(self.core_nodes),
            on_preview=on_preview,
            on_failure=on_failure,
            run_id=run_id,
        )
