"""A host for nodes that do not run, but are asked what they would do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from .base import Host, Place, Prepare


class Quiet(Host):
    """``whole``, but that nothing is shown on its nodes. With ``stoppable`` false its Stop is not heeded either: that
    of ComfyUI is meant for its runs, and stays pressed until the next one begins.
    """

    def __init__(self, whole: Host, *, stoppable: bool = True) -> None:
        self._whole = whole
        self._stoppable = stoppable

    def environ(self) -> Mapping[str, str]:
        return self._whole.environ()

    def data_dir(self) -> Path:
        return self._whole.data_dir()

    def place(self) -> Place:
        return self._whole.place()

    def before_each_run(self, prepare: Prepare) -> None:
        self._whole.before_each_run(prepare)

    def running_ids(self) -> Collection[str]:
        return self._whole.running_ids()

    def interrupted(self) -> bool:
        return self._stoppable and self._whole.interrupted()

    def interruption(self) -> BaseException:
        return self._whole.interruption()

    def in_main_thread(self, task: Callable[[], None]) -> None:
        self._whole.in_main_thread(task)

    def node_classes(self) -> Mapping[str, type[Any]]:
        return self._whole.node_classes()

    def svg_class(self) -> Callable[[list[BytesIO]], Any] | None:
        return self._whole.svg_class()

    def free_nodes(self) -> Mapping[str, type[Any]]:
        return self._whole.free_nodes()
