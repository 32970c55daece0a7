"""Pictures exactly as they came, as files named after their content."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from ..host.writing import write_durably
from .calls import Stored

LEFT_AFTER = 3600.0
"""Seconds after which a file that is being written belongs to a process that was killed."""


class DamagedFile(OSError):
    """A file whose content is not what its name says."""


@dataclass(frozen=True)
class Files:
    """``<root>/<first two digits>/<SHA-256><extension>``; equal pictures share a file."""

    root: Path

    def put(self, number: int, content: bytes, extension: str) -> Stored:
        """Write picture ``number`` of a call, durably. Raises OSError."""
        stored = Stored(number, hashlib.sha256(content).hexdigest(), extension, len(content))
        path = self.path(stored)
        if not self.is_intact(stored):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        return stored

    def get(self, stored: Stored) -> bytes:
        """The bytes of a picture. Raises OSError where the file is gone; DamagedFile where it was changed since."""
        content = self.path(stored).read_bytes()
        if hashlib.sha256(content).hexdigest() != stored.sha256:
            raise DamagedFile(f"{self.name(stored)} is damaged")
        return content

    def is_intact(self, stored: Stored) -> bool:
        """Whether every byte is there. Reads the file."""
        try:
            self.get(stored)
        except OSError:
            return False
        return True

    def is_there(self, stored: Stored) -> bool:
        """Whether there is a file, in whatever state."""
        return self.path(stored).is_file()

    def has(self, stored: Stored) -> bool:
        """Whether the file is there, in its full length."""
        try:
            return self.path(stored).stat().st_size == stored.size
        except OSError:
            return False

    def total(self) -> int:
        """Bytes of all files."""
        sizes = 0
        for path in self.root.glob("??/*"):
            with contextlib.suppress(OSError):
                sizes += path.stat().st_size
        return sizes

    def tidy(self) -> None:
        """Remove what killed processes left behind while they wrote."""
        for path in self.root.glob("??/*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFT_AFTER:
                    path.unlink()

    def remove(self, stored: Stored) -> None:
        with contextlib.suppress(OSError):
            self.path(stored).unlink()

    def path(self, stored: Stored) -> Path:
        return self.root / stored.sha256[:2] / f"{stored.sha256}{stored.extension}"

    def name(self, stored: Stored) -> str:
        """The file as reports name it: below the pack's private folder, with forward slashes."""
        return f"{self.root.name}/{stored.sha256[:2]}/{stored.sha256}{stored.extension}"
