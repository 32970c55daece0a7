"""Files that are whole or not there, whoever else writes to the same folder, and whenever the process dies; and files
that may not be what their names say.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write ``path``, over what is there, and onto the disk. Raises OSError."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with _written(partial, content, mode):
        partial.replace(path)
        sync_folder(path.parent)


def write_hint(path: Path, content: bytes) -> None:
    """Write ``path``, over what is there, whenever the system gets to it: what the end of the machine may lose, and
    nobody misses. Raises OSError.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with _written(partial, content, durably=False):
        partial.replace(path)


def create(path: Path, content: bytes) -> bool:
    """Write ``path`` where that name is free; whether it was. Of two that want it at the same time one gets it.

    Raises OSError.
    """
    if os.path.lexists(path):
        return False
    _tidy(path.parent)
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
        return _move_in_turn(source, path)
    source.unlink()
    return True


CLAIM_LIFE = 10.0
"""Seconds after which the claim to a name is of a process that was killed: a file is renamed in far less."""


def _move_in_turn(source: Path, path: Path) -> bool:
    """:func:`move` on a disk without links. The name is claimed by a hidden file beside it, so that it is never that of
    an empty one, not even after a crash.
    """
    claim = path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.tmp")
    started = time.monotonic()
    while True:
        try:
            claim.touch(exist_ok=False)
            break
        except FileExistsError:
            with contextlib.suppress(OSError):
                # By the disk's own clock, which may be another machine's.
                age = source.stat().st_mtime - claim.stat().st_mtime
                if max(age, time.monotonic() - started) > CLAIM_LIFE:
                    claim.unlink()
            time.sleep(0.01)
    try:
        if os.path.lexists(path):
            return False
        source.replace(path)
        return True
    finally:
        with contextlib.suppress(OSError):
            claim.unlink()


LEFT_AFTER = 3600.0
"""Seconds after which a hidden file that was being written is of a process that was killed."""

_LEFT = re.compile(r"\.[0-9a-f]{16}\.tmp")
_tidied: set[Path] = set()


def _tidy(folder: Path) -> None:
    """Remove what killed processes have left in ``folder``; once a process, for folders may be large."""
    if folder in _tidied:
        return
    _tidied.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFT.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > LEFT_AFTER:
                os.unlink(entry.path)


@contextlib.contextmanager
def _written(partial: Path, content: bytes, mode: int = 0o666, *, durably: bool = True) -> Iterator[None]:
    """``partial`` exists inside the block only."""
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durably:
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


def read_file(path: Path, most: int | None = None) -> bytes:
    """All of a file, of at most ``most`` bytes. Raises OSError, also where it is larger, and for what is no file: a
    pipe would keep its reader waiting, and a device may have no end.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        content = file.read() if most is None else file.read(most + 1 if found.st_size <= most else 0)
    if most is not None and max(found.st_size, len(content)) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content
