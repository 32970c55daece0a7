"""Pictures exactly as they came, as files named after their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from ..host.files import read_file, write_durably
from .calls import Stored

LEFT_AFTER = 3600.0
"""Seconds after which a file that is being written belongs to a process that was killed."""


LARGEST = 2**30
"""Bytes; no answer is as large. A file that is was made so by something else, and is not to cost all the others their
place."""


class DamagedFile(OSError):
    """A file whose content is not what its name says."""


_SETTLED = 3 * 10**9
"""Nanoseconds after which a folder's time of change would tell of a further one; the coarsest file systems count in
two seconds."""


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
            if path.is_dir() and not path.is_symlink():
                # It may hold somebody's things.
                path.replace(path.with_name(f"{path.name}.{secrets.token_hex(4)}.aside"))
            write_durably(path, content)
        return stored

    def get(self, stored: Stored) -> bytes:
        """The bytes of a picture. Raises OSError where the file is gone; DamagedFile where it was changed since."""
        try:
            content = read_file(self.path(stored), stored.size)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DamagedFile(f"{self.name(stored)} cannot be read ({error.strerror or error})") from error
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
        """Whether there is anything under its name, in whatever state; so it is where nobody can look."""
        try:
            self.path(stored).lstat()
        except FileNotFoundError:
            return False
        except OSError:
            pass
        return True

    def has(self, stored: Stored) -> bool:
        """Whether the file is there, in its full length."""
        try:
            found = self.path(stored).stat()
            return stat.S_ISREG(found.st_mode) and found.st_size == stored.size
        except OSError:
            return False

    def total(self) -> int:
        """Bytes of all files. What a folder held is believed as long as nothing was added to it or removed."""
        known = self._known_sizes()
        sizes: dict[str, list[int]] = {}
        for folder in sorted(self.root.glob("??")):
            with contextlib.suppress(OSError):
                changed = folder.stat().st_mtime_ns
                if known.get(folder.name, [0])[0] != changed:
                    # A clock may be too coarse to show what happens right now.
                    is_settled = time.time_ns() - changed > _SETTLED
                    known[folder.name] = [changed if is_settled else 0, _size(folder)]
                sizes[folder.name] = known[folder.name]
        if sizes != self._known_sizes():
            with contextlib.suppress(OSError):
                write_durably(self._sizes, json.dumps(sizes).encode())
        return sum(size for _, size in sizes.values())

    @property
    def _sizes(self) -> Path:
        return self.root.with_name("store-sizes.json")

    def _known_sizes(self) -> dict[str, list[int]]:
        """Folder -> when it changed last, and the bytes in it; nothing where that cannot be read."""
        try:
            found = json.loads(self._sizes.read_bytes())
            return {name: [int(changed), int(size)] for name, (changed, size) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

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


def _size(folder: Path) -> int:
    size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat()
                if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
                    size += found.st_size
    return size
