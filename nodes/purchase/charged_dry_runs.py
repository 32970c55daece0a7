"""Servers that took a dry run for an order: one is enough, for all processes that share the data folder."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from ..api import canonical
from ..host.files import write_durably

log = logging.getLogger(__name__)


def has_charged_dry_run(folder: Path, base_url: str) -> bool:
    """Whether the server at ``base_url`` must be sent no dry runs. Blocks."""
    mark = _mark(folder, base_url)
    return mark in _marked or mark.exists()


def remember_charged_dry_run(folder: Path, base_url: str) -> None:
    """Let no process send a dry run there again; this one at least, where the folder cannot be written. Blocks."""
    mark = _mark(folder, base_url)
    _marked.add(mark)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_durably(mark, f"{canonical(base_url)}\n".encode())
    except OSError as error:
        log.warning("That dry runs cost money there could not be noted (%s)", error.strerror or error)


_marked: set[Path] = set()


def _mark(folder: Path, base_url: str) -> Path:
    """A file for each server, so that none is lost where two processes write at once."""
    return folder / "no-dry-runs" / hashlib.sha256(canonical(base_url).encode()).hexdigest()[:32]
