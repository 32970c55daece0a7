"""A download that is under way: in memory, and as long as the disk goes along, in a file that outlives the process."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO


class Partial:
    """The beginning of a file, with what an earlier process left of it.

    No method raises OSError: a disk that fails is left alone, with a shorter beginning on it.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """``limit``: bytes above which an earlier beginning is not taken up."""
        self.content = bytearray()
        self.etag: str | None = None
        """Names the version of the file on the server, where this process was told."""
        self._path = path
        self._file: BinaryIO | None = None
        self._disk_works = True
        try:
            if path.is_file() and path.stat().st_size <= limit:
                self.content += path.read_bytes()
        except OSError:
            self._disk_works = False

    def append(self, chunk: bytes) -> None:
        place = len(self.content)
        self.content += chunk
        if not self._disk_works:
            return
        try:
            if self._file is None:
                # Unbuffered, so that a killed process leaves all that came.
                self._file = self._path.open("r+b" if place else "wb", buffering=0)
                self._file.seek(place)
            # A full disk may take less than it is given; going on would leave a hole.
            self._disk_works = self._file.write(chunk) == len(chunk)
        except OSError:
            self._disk_works = False

    def start_over(self) -> None:
        """Forget everything; the file is emptied by the next byte."""
        self.close()
        self.content.clear()
        self.etag = None

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
