"""stdout and stderr that outlive whoever reads them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

GONE = (errno.EPIPE, errno.EIO)
"""What a closed pipe, and a closed terminal, answer."""

LOST = 1
"""The exit code of a command that did its work, but could not say so."""


class _Forgiving(io.FileIO):
    failure: OSError | None = None

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in GONE or stat.S_ISREG(os.fstat(self.fileno()).st_mode):
                # Told once, at the end: what was begun, and may be paid, goes on.
                self.failure = self.failure or error
            return memoryview(content).nbytes


class _Closed(io.RawIOBase):
    """In place of a stdout that was closed before the command began."""

    failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self.failure = OSError(errno.EBADF, "it is closed")
        return memoryview(content).nbytes


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Inside the block, let what is said to a terminal or a program that is gone be lost, and nothing else with it.
    What stdout cannot take for another reason, such as a full disk, is told on stderr, and no exit code is 0 then.
    """
    sys.stdout, sys.stderr = _lasting(sys.stdout) or _closed(), _lasting(sys.stderr)
    code: Any = 0
    try:
        yield
    except SystemExit as stop:
        code = stop.code
        if code or failure() is None:
            _tell()
            raise
    if failure() is not None:
        _tell()
        sys.exit(code or LOST)


def failure() -> OSError | None:
    """What kept something that was printed from reaching stdout, None where all of it did."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return None
    sys.stdout.flush()
    return getattr(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer), "failure", None)


def _tell() -> None:
    error = failure()
    if error is not None:
        reason = error.strerror or error
        print(
            f"Not all of the output could be written to standard output: {reason}. "
            "Free some space, or send it to another file or program.",
            file=sys.stderr,
        )


def _closed() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(_Closed()), "utf-8", "replace")


def _lasting(stream: Any) -> Any:
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
