"""stdout and stderr that outlive whoever reads them."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from typing import Any

GONE = (errno.EPIPE, errno.EIO)
"""What a closed pipe, and a closed terminal, answer."""


class _Forgiving(io.FileIO):
    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in GONE or stat.S_ISREG(os.fstat(self.fileno()).st_mode):
                raise
            return memoryview(content).nbytes


def forgive() -> None:
    """Let what is said to a terminal or a program that is gone be lost, and nothing else with it."""
    sys.stdout, sys.stderr = _forgiving(sys.stdout), _forgiving(sys.stderr)


def _forgiving(stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="replace")  # a title may have letters that the console has not
    # Not a console of Windows, which is a file of another kind.
    if type(getattr(stream.buffer, "raw", stream.buffer)) is not io.FileIO:
        return stream
    stream.flush()
    raw = _Forgiving(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        stream.encoding,
        "replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
