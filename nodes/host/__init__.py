"""Where the nodes run: inside ComfyUI, or under the pack's own command line.

The only room that touches ComfyUI. Nothing here imports it; it is used when it is already there.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The user pressed Stop. Inside ComfyUI its own exception is raised instead."""


Prepare = Callable[[Mapping[str, Any], dict[str, Any]], None]
"""Receives a graph in API format and the texts for the PNGs that it will save, which it may add to."""


@dataclass(frozen=True)
class Place:
    """Where a node runs: the prompt that is being run, the node's id in it, the workflow's name; None if unknown."""

    run_id: str | None = None
    node_id: str | None = None
    workflow: str | None = None


class Host(Protocol):
    """What a node needs from its surroundings."""

    def environ(self) -> Mapping[str, str]:
        """The environment variables that settings are read from."""

    def data_dir(self) -> Path:
        """The pack's private folder: settings, model list, pictures as they arrived. May not exist yet."""

    def place(self) -> Place:
        """Which node runs in this task."""

    def before_each_run(self, prepare: Prepare) -> None:
        """From now on, call ``prepare`` for every graph that is about to run; once, however often it is handed in.
        Only a host that keeps results from one run to the next has to.
        """

    def progress(self, text: str) -> None:
        """Show one short line on the node that is running in this task."""

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        """Show why the node that is running in this task failed: ``error`` in the shape of LumenfallError.as_dict(),
        ``link`` the page where the request can be looked up.
        """

    def preview(self, picture: Image.Image) -> None:
        """Show a picture on the node that is running in this task, until it ends."""

    def interrupted(self) -> bool:
        """Whether the user asked to stop. Polled; must be cheap."""

    def interruption(self) -> BaseException:
        """The exception by which this host knows that a node was stopped."""

    def in_main_thread(self, task: Callable[[], None]) -> None:
        """Call ``task`` soon in the main thread, where signals are set up. Only a host that leaves them as it found
        them has to.
        """

    def node_classes(self) -> Mapping[str, type[Any]]:
        """Class id -> class of all nodes that the graphs of this host may hold."""

    def free_nodes(self) -> Mapping[str, type[Any]]:
        """Class id -> class of the host's own nodes that may be run at any time: they cost, write and show nothing."""


def say(host: Host, text: str) -> None:
    """Show ``text`` on the node. Never raises: what is said must not cost what is done."""
    try:
        host.progress(text)
    except Exception:
        log.debug("Progress could not be shown", exc_info=True)


def complain(host: Host, error: Mapping[str, Any], link: str | None) -> None:
    """Show an error where the user looks. Never raises: the error itself is what counts."""
    try:
        host.failure(error, link)
    except Exception:
        log.debug("The error could not be shown", exc_info=True)


def show(host: Host, draw: Callable[[], Image.Image]) -> None:
    """Show on the node what ``draw`` gives. Never raises."""
    try:
        host.preview(draw())
    except Exception:
        log.debug("The preview could not be shown", exc_info=True)


_chosen: ContextVar[Host | None] = ContextVar("lumenfall_host", default=None)


@contextlib.contextmanager
def use(host: Host) -> Iterator[None]:
    """Make ``host`` the current one for the tasks started inside the block."""
    token = _chosen.set(host)
    try:
        yield
    finally:
        _chosen.reset(token)


def current() -> Host:
    """The host chosen with :func:`use`, else ComfyUI where it is running, else the bare interpreter."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    if hasattr(sys.modules.get("server"), "PromptServer"):
        from .comfyui import ComfyUI

        return ComfyUI()
    from .bare import Bare

    return Bare()
