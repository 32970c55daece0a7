"""Answers and pictures exactly as the server sent them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import InputError


@dataclass(frozen=True)
class AnswerFolder:
    """The folder of one answer: ``answer.json`` until each of its pictures is a file beside it."""

    path: Path
    root: Path

    def keep_answer(self, body: bytes) -> None:
        """Write the raw answer, durably. Raises OSError."""
        _write(self.path / "answer.json", body)

    def keep_picture(self, number: int, content: bytes, extension: str) -> str:
        """Write one picture's bytes, durably, and return its name in reports. Raises OSError."""
        path = self.path / f"{number}{extension}"
        _write(path, content)
        return self.name(path)

    def download_path(self, number: int) -> Path:
        """Where to download picture ``number`` to, while its format is not known yet."""
        return self.path / f"{number}.image"

    def name_download(self, number: int, extension: str) -> str:
        """Give a downloaded picture its extension and return its name in reports."""
        path = self.download_path(number)
        # Another program may hold the new file open; the name it has will do.
        with contextlib.suppress(OSError):
            path = path.replace(path.with_suffix(extension))
        return self.name(path)

    def name(self, path: Path) -> str:
        """``path`` as it is named in reports: below the folder of originals, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def complete(self) -> None:
        """All pictures are files of their own: the raw answer is no longer needed."""
        with contextlib.suppress(OSError):
            (self.path / "answer.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class Originals:
    """A folder a day, in it a folder an answer, named after the server's request id."""

    root: Path

    def check_writable(self) -> None:
        """Raise InputError where nothing can be kept, before anything is paid for."""
        probe = self.root / f".writable-{secrets.token_hex(4)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # About the size of a picture, so that a full disk is noticed.
            _write(probe, bytes(2**20))
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"Pictures cannot be kept in {self.root} ({error.strerror or error}), so none is ordered.",
                code="NOT_WRITABLE",
                hint="Make room there, or make the folder writable.",
            ) from None

    def open(self, request_id: str | None) -> AnswerFolder:
        """A new, empty folder for one answer. Raises OSError."""
        name = re.sub(r"[^A-Za-z0-9_-]", "", request_id or "")[:80] or "answer"
        day = self.root / datetime.now().strftime("%Y-%m-%d")
        try:
            (day / name).mkdir(parents=True)
        except FileExistsError:
            name = f"{name}-{secrets.token_hex(4)}"
            (day / name).mkdir(parents=True)
        return AnswerFolder(day / name, self.root)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
