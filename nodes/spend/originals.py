"""Answers and pictures exactly as the server sent them."""

from __future__ import annotations

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
        """Write the raw answer, durably."""
        _write(self.path / "answer.json", body)

    def keep_picture(self, number: int, content: bytes, extension: str) -> Path:
        """Write one picture's bytes, durably, and return its path."""
        path = self.path / f"{number}{extension}"
        _write(path, content)
        return path

    def picture_path(self, number: int) -> Path:
        """Where to put picture ``number`` while its format is not known yet."""
        return self.path / f"{number}.image"

    def name(self, path: Path) -> str:
        """``path`` as it is named in reports: below the folder of originals, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def complete(self) -> None:
        """All pictures are files of their own: the raw answer is no longer needed."""
        (self.path / "answer.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class Originals:
    """A folder a day, in it a folder an answer, named after the server's request id."""

    root: Path

    def check_writable(self) -> None:
        """Raise InputError where nothing can be kept, before anything is paid for."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _write(self.root / ".writable", b"")
        except OSError as error:
            raise InputError(
                f"Pictures cannot be kept on disk ({error.strerror or error}), so none is ordered.",
                code="NOT_WRITABLE",
                hint="Make room, or make the pack's folder below ComfyUI's user folder writable.",
            ) from None

    def open(self, request_id: str | None) -> AnswerFolder:
        """A new, empty folder for one answer."""
        name = re.sub(r"[^A-Za-z0-9_-]", "", request_id or "") or "answer"
        day = self.root / datetime.now().strftime("%Y-%m-%d")
        path = day / name[:80]
        if path.exists():
            path = day / f"{name[:80]}-{secrets.token_hex(4)}"
        path.mkdir(parents=True)
        return AnswerFolder(path, self.root)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
