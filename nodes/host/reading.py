"""Files that may not be what their names say, whoever else writes to the same folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


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
