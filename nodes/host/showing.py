"""What is shown on the running node. Nothing here raises: what is shown must not cost what is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from .base import Host

log = logging.getLogger(__name__)


def show_progress(host: Host, text: str) -> None:
    """Show one short line."""
    try:
        host.progress(text)
    except Exception:
        log.debug("Progress could not be shown", exc_info=True)


def show_failure(host: Host, error: Mapping[str, Any], link: str | None) -> None:
    """Show an error, as :meth:`Host.failure` takes it, where the user looks."""
    try:
        host.failure(error, link)
    except Exception:
        log.debug("The error could not be shown", exc_info=True)


def show_preview(host: Host, draw: Callable[[], Image.Image]) -> None:
    """Show the picture that ``draw`` gives."""
    try:
        host.preview(draw())
    except Exception:
        log.debug("The preview could not be shown", exc_info=True)
