"""Where the nodes run: inside ComfyUI, or under the pack's own command line.

The only room that touches ComfyUI. Nothing here imports it; it is used when it is already there.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The user pressed Stop. Inside ComfyUI its own exception is raised instead."""


class Host(Protocol):
    """What a node needs from its surroundings."""

    def environ(self) -> Mapping[str, str]:
        """The environment variables that settings are read from."""

    def data_dir(self) -> Path:
        """The pack's private folder: settings, model list, pictures as they arrived. May not exist yet."""

    def progress(self, text: str) -> None:
        """Show one short line on the node that is running in this task."""

    def interrupted(self) -> bool:
        """Whether the user asked to stop. Polled; must be cheap."""

    def interruption(self) -> BaseException:
        """The exception by which this host knows that a node was stopped."""


def say(host: Host, text: str) -> None:
    """Show ``text`` on the node. Never raises: what is said must not cost what is done."""
    try:
        host.progress(text)
    except Exception:
        log.debug("Progress could not be shown", exc_info=True)


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
