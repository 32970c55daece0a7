"""What was sent, by its key, beside the database: what the database does not find any more is not bought again."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..host.files import read_file
from .calls import Call

_DIGITS = 3
"""Of a key, that a file's name has: of a million calls each file holds some 250."""

_MOST = 2000
"""Lines of one key that are looked at, the last ones: it may have been refused again and again."""


@dataclass(frozen=True)
class Bought:
    """``<root>/bought/<first digits of the key>``, each a list of lines ``<key> <record below root>``, where that lies
    once it is put away. It only grows, and says nothing of whether the record is still there.
    """

    root: Path

    def add(self, call: Call, record: Path) -> None:
        """``call`` is about to be sent, or put away. Best effort, and not at once on the disk: it is a second
        witness.
        """
        for key in (call.key, *call.further_keys):
            with contextlib.suppress(OSError):
                self._append(self._path(key), f"{key} {record.relative_to(self.root).as_posix()}\n".encode())

    def names(self, call: Call) -> bool:
        """Whether it was added, be its record put away or not."""
        return any(path.stem == call.id for path in self._listed(call.key))

    def _append(self, path: Path, line: bytes) -> None:
        # In one piece, as several processes may be at it. A pipe in its place would keep its writer waiting.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            file = os.open(path, flags, 0o666)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, flags, 0o666)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def _path(self, key: str) -> Path:
        return self.root / "bought" / key[:_DIGITS]

    def calls(self, keys: Sequence[str], leave_out: Container[str]) -> list[Call]:
        """The calls with one of ``keys`` that were added, but for some ids, as their records tell them; the earliest
        first.
        """
        paths = {path for key in keys for path in self._listed(key) if path.stem not in leave_out}
        return sorted((call for path in paths for call in self._read(path, keys)), key=lambda call: call.sent_at)

    def _listed(self, key: str) -> Iterator[Path]:
        try:
            content = read_file(self._path(key))
        except OSError:
            return
        # Not by lines: after what was written in part, a line has no beginning.
        for name in re.findall(rb"%b (\S+?\.json)" % key.encode(), content)[-_MOST:]:
            yield self.root / os.fsdecode(name)

    def _read(self, path: Path, keys: Container[str]) -> Iterator[Call]:
        """The call in a record that is still there, and is of one of ``keys``."""
        # In this order, as it may just be put away.
        for record in (self.root / "open" / path.name, path):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                call = Call.from_dict(json.loads(read_file(record)))
                if any(key in keys for key in (call.key, *call.further_keys)):
                    yield call
                    return
