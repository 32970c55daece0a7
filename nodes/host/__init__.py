"""Where the nodes run: inside ComfyUI, or under the pack's own command line.

The only room that touches ComfyUI. Nothing here imports it; it is used when it is already there.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from .base import SVG, Bare, Batch, Host, Interrupted, Place, Prepare, show_failure, show_preview, show_progress
from .quiet import Quiet

__all__ = [
    "SVG",
    "Bare",
    "Batch",
    "Host",
    "Interrupted",
    "Place",
    "Prepare",
    "Quiet",
    "current",
    "show_failure",
    "show_preview",
    "show_progress",
    "use",
]

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
    return Bare()
