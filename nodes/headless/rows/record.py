"""What is known of each row, kept so that a kill at any moment loses nothing.

``.rows/log.jsonl`` in the output folder grows by a line for each step of a row: that it was begun, and how it ended,
with the names of its files. Only then do the files leave ``.rows/<key>``, where the row has written them. So a row
without an end is run again from the start, and one with an end has at most its files still to be moved.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ...host.files import move, sync_folder

State = Literal["waiting", "running", "done", "failed"]
"""``running`` is also what a kill has left."""

FOLDER, LOG, FILES = ".rows", "log.jsonl", "output"

_COUNTED = re.compile(r"(.*)_\d{5,}(_?)", re.DOTALL)
"""As saving nodes name their files."""


@dataclass
class Outcome:
    """What became of a row. ``files`` are those in the output folder, by the names under which the row wrote them;
    ``cost`` in ``currency`` is what all its attempts have cost, None where nobody knows.
    """

    state: State = "waiting"
    files: dict[str, str] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    cost: float | None = None
    currency: str | None = None
    charged: str | None = None
    seconds: float | None = None
    request_ids: list[str] = field(default_factory=list)
    error: str | None = None
    code: str | None = None


def read_outcomes(output: Path) -> dict[str, Outcome]:
    """What is known of the rows of ``output``, by key; nothing is written."""
    record = Record(output)
    with contextlib.suppress(OSError):
        record.read()
    return record.outcomes


class Record:
    """The outcomes of all rows that were ever begun in ``output``, by key. One process at a time has it."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output / FOLDER
        self.outcomes: dict[str, Outcome] = {}
        self.batch_id = ""
        """Hex digits, the same at every start."""
        self._lock = contextlib.ExitStack()
        self._taken: set[str] = set()
        self._before: dict[str, set[str]] = {}
        """The files that rows had in the output folder when they were last begun, by key."""

    def __enter__(self) -> Record:
        """Take up what an earlier start has left. Raises InputError where another process has it, or for the disk."""
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.enter_context(FileLock(self.folder / "lock", timeout=0))
            self._take_up()
        except Timeout:
            message = f"Another command is at work on rows in {self.output}."
            raise InputError(message, hint="Wait for it, or take another folder.") from None
        except OSError as error:
            self._lock.close()
            raise InputError(f"What is known of the rows cannot be kept in {self.folder}: {error.strerror}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def _take_up(self) -> None:
        path = self.folder / LOG
        known = self.read() if path.exists() else b""
        # Without a buffer: of what a full disk has refused, nothing is written later.
        self._file = self._lock.enter_context(path.open("ab", buffering=0))
        self._is_torn = bool(known) and not known.endswith(b"\n")
        if not self.batch_id:
            self.batch_id = secrets.token_hex(5)
            # By it all is found again that the rows have cost.
            self._write({"batch": self.batch_id}, durably=True)
            sync_folder(self.folder)
        self._taken.update(name for outcome in self.outcomes.values() for name in outcome.files.values())
        for key, outcome in self.outcomes.items():
            if outcome.state != "running":
                self._publish(key, outcome)

    def read(self) -> bytes:
        """Take in the log; what it says. Raises OSError."""
        known = (self.folder / LOG).read_bytes()
        for line in known.split(b"\n"):
            # A kill may have left half of one.
            with contextlib.suppress(ValueError, TypeError):
                self._take_in(json.loads(line))
        return known

    def _take_in(self, line: Any) -> None:
        if "batch" in line:
            self.batch_id = line["batch"]
        elif "key" in line:
            names = {each.name for each in fields(Outcome)}
            outcome = Outcome(**{name: line[name] for name in names & line.keys()})
            self.outcomes[line["key"]] = outcome
            if outcome.state == "running":
                self._before[line["key"]] = set(outcome.files.values())

    def begin(self, key: str) -> Path:
        """A row begins: the empty folder that is its own, with one for its files in it. Raises OSError."""
        outcome = self.outcomes.setdefault(key, Outcome())
        outcome.state = "running"
        self._before[key] = set(outcome.files.values())
        self._write({"key": key, **asdict(outcome)})
        place = self.folder / key
        shutil.rmtree(place, ignore_errors=True)
        (place / FILES).mkdir(parents=True)
        return place

    def put_off(self, key: str, reason: str, code: str) -> None:
        """Nothing was sent for a row; it waits again."""
        outcome = self.outcomes[key]
        outcome.state, outcome.error, outcome.code = "waiting", reason, code
        self._write({"key": key, **asdict(outcome)})
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def end(self, key: str, number: int, outcome: Outcome) -> None:
        """A row has ended, or waits again with what it has brought. Its files get names that tell its ``number``, or
        those that they had when it was run before. Raises OSError.
        """
        files = self.folder / key / FILES
        written = sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file())
        before = self.outcomes[key].files
        # What is done has written all anew; under another name where that tells the time.
        kept = {} if outcome.state == "done" else before
        outcome.files = {**kept, **{name: before.get(name) or self._name(name, number) for name in written}}
        self._write({"key": key, **asdict(outcome)}, durably=True)
        self.outcomes[key] = outcome
        self._publish(key, outcome)

    def _name(self, written: str, number: int) -> str:
        """A free name in the output folder: where a saving node counts, the row's number."""
        path = Path(written)
        counted = _COUNTED.fullmatch(path.stem)
        stem, rest = counted.groups() if counted else (path.stem, "")
        return self._free(path, f"{stem}_{number:05}", rest)

    def _free(self, path: Path, stem: str, rest: str = "") -> str:
        again = 1
        while True:
            copy = f"-{again}" if again > 1 else ""
            name = path.with_name(f"{stem}{copy}{rest}{path.suffix}").as_posix()
            if name not in self._taken and not os.path.lexists(self.output / name):
                self._taken.add(name)
                return name
            again += 1

    def _publish(self, key: str, outcome: Outcome) -> None:
        place = self.folder / key
        if not place.is_dir():
            return
        before = self._before.get(key, set())
        for written, name in outcome.files.items():
            source = place / FILES / written
            if source.exists():
                (self.output / name).parent.mkdir(parents=True, exist_ok=True)
                self._move(source, key, written)
        if outcome.state == "done":
            for name in before.difference(outcome.files.values()):
                (self.output / name).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)

    def _move(self, source: Path, key: str, written: str) -> None:
        outcome = self.outcomes[key]
        name = outcome.files[written]
        while not move(source, self.output / name):
            if name in self._before.get(key, ()) or source.samefile(self.output / name):
                source.replace(self.output / name)  # what an earlier attempt of this row, or a kill, has left
                return
            # Another program has taken the name since.
            name = outcome.files[written] = self._free(Path(name), Path(name).stem)
            self._write({"key": key, **asdict(outcome)}, durably=True)

    def _write(self, line: Mapping[str, Any], *, durably: bool = False) -> None:
        content = (b"\n" if self._is_torn else b"") + json.dumps(line).encode() + b"\n"
        self._is_torn = True
        if self._file.write(content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / LOG))
        self._is_torn = False
        if durably:
            os.fsync(self._file.fileno())
