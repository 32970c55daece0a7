"""Files that are whole or not there, whoever else writes to the same folder, and whenever the process dies."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write ``path``, over what is there, and onto the disk. Raises OSError."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with _written(partial, content, mode):
        partial.replace(path)
        sync_folder(path.parent)


def create(path: Path, content: bytes) -> bool:
    """Write ``path`` where that name is free; whether it was. Of two that want it at the same time one gets it.

    Raises OSError.
    """
    if os.path.lexists(path):
        return False
    # Hidden, and no longer than the name may be.
    partial = path.with_name(f".{secrets.token_hex(8)}.tmp")
    with _written(partial, content):
        return move(partial, path)


def move(source: Path, path: Path) -> bool:
    """Rename a file where the new name is free; whether it was. Raises OSError."""
    try:
        if os.name == "nt":
            source.rename(path)  # which overwrites nothing there
            return True
        os.link(source, path)
    except FileExistsError:
        return False
    except OSError:
        # No links on this disk. The name is taken first, so for a moment, or after a crash, it is an empty file.
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        try:
            source.replace(path)
        except BaseException:
            path.unlink()
            raise
        return True
    source.unlink()
    return True


@contextlib.contextmanager
def _written(partial: Path, content: bytes, mode: int = 0o666) -> Iterator[None]:
    """``partial`` exists inside the block only."""
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make new names in it durable, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
