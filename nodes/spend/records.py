"""Each call as a small file beside the database, so that neither a locked nor a damaged database loses one.

``calls/open`` holds what is unfinished, and what the database may have missed: ``<id>.json`` the call, ``<id>.answer``
the raw answer, ``<id>.<n>.part`` a picture that is being fetched. The record of a call that is finished, and entered in
the database, moves to ``calls/<year>-<month>``.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..host.files import read_file, sync_folder, write_durably
from ..host.forking import in_child
from .bought import Bought
from .calls import Call

log = logging.getLogger(__name__)

NEWEST = "newest"
"""The folder in ``calls`` whose empty files are named after what was put away last, one for each process that did so. A
backup that is laid over it brings its own, and takes none away.
"""

_ID = re.compile(r"[0-9a-f]{32}")
_MONTH = re.compile(r"[1-9]\d{3}-(0[1-9]|1[0-2])")

_noted: dict[Path, str] = {}
"""What this process has put away last, by the root of the records."""


@dataclass(frozen=True)
class Records:
    """The records below ``root``. Writing raises OSError; nothing half-written ever has its final name."""

    root: Path

    @property
    def bought(self) -> Bought:
        """Their keys."""
        return Bought(self.root)

    @property
    def _open(self) -> Path:
        return self.root / "open"

    def make_folder(self) -> None:
        """Where the first record will be written. Raises OSError."""
        self._open.mkdir(parents=True, exist_ok=True)

    def prepare(self, call: Call) -> None:
        """Write down a call that is not sent yet; it counts for nothing until it is confirmed."""
        _in_hand[call.id] = os.getpid()
        self._keep(self._prepared(call), _content(call))
        self.bought.add(call, self._finished(call))

    def confirm(self, call: Call) -> None:
        """Let the record of :meth:`prepare` count. Needs no room on the disk."""
        self._prepared(call).replace(self._record(call))
        sync_folder(self._open)

    def write(self, call: Call) -> None:
        """Write down how far ``call`` has come, durably. What the disk refuses is tried again with the next record, at
        the next opening, and at the end of the process.
        """
        path, content = self._record(call), _content(call)
        # What is owed of it may just be on its way to the disk, and is older.
        with _paying if path in _owed else contextlib.nullcontext():
            try:
                self._keep(path, content)
            except OSError:
                _owed[path] = content
                raise
            _owed.pop(path, None)
        if _owed:
            self._write_owed()

    def _write_owed(self) -> None:
        """What this process knows, and the disk has refused. Best effort."""
        for path in list(_owed):
            if path.parent == self._open:
                self._pay(path)

    def _pay(self, path: Path) -> bool:
        """Whether nothing is owed of this record any more."""
        with _paying:
            content = _owed.get(path)
            try:
                if content is not None:
                    self._keep(path, content)
            except OSError:
                return False
            _owed.pop(path, None)
            return True

    def archive(self, call: Call) -> None:
        """Put away the record of a finished call. Best effort: where it stays does no harm."""
        self.let_go(call)
        record, finished = self._record(call), self._finished(call)
        if record in _owed and not self._pay(record):
            return  # what lies there tells less, and would be all that a database written anew hears of it
        with contextlib.suppress(OSError):
            # Before it is put away: who is killed in between leaves a note too many, not one too few. What was put away
            # before and is only told better, as what was cleaned, is not new to an older database.
            if not finished.exists():
                if not self.bought.names(call):
                    self.bought.add(call, finished)
                self._note(call.id)
        with contextlib.suppress(OSError):
            try:
                record.replace(finished)
            except FileNotFoundError:
                finished.parent.mkdir(parents=True, exist_ok=True)
                record.replace(finished)

    def _note(self, call_id: str) -> None:
        """Of what was put away, this is the newest: a database that does not know it is an older one, or another."""
        self._add_note(call_id)
        before = _noted.get(self.root)
        _noted[self.root] = call_id
        if before not in (None, call_id):
            (self.root / NEWEST / str(before)).unlink(missing_ok=True)

    def _add_note(self, call_id: str) -> None:
        folder = self.root / NEWEST
        try:
            (folder / call_id).touch()
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / call_id).touch()

    def newest(self) -> list[str]:
        """The ids of what was put away last, the newest first; none where nobody knows."""
        times: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self.root / NEWEST) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    times |= {entry.name: entry.stat().st_mtime_ns} if _ID.fullmatch(entry.name) else {}
        return sorted(times, key=lambda name: -times[name])

    def last_month(self) -> tuple[str, int]:
        """The last month, as its folder is called, from which anything was put away, and how many records that is."""
        with contextlib.suppress(OSError, ValueError):
            month = max(filter(_MONTH.fullmatch, os.listdir(self.root)))
            return month, sum(name.endswith(".json") for name in os.listdir(self.root / month))
        return "", 0

    def keep_newest(self, noted: Sequence[str], known: Container[str], last: str | None) -> None:
        """Of what :meth:`newest` has ``noted``, keep the first that the database has ``known``, and the one that it was
        told of ``last``, noted or not: a clock that was set back makes the times lie. What was noted meanwhile stays.
        Best effort.
        """
        kept = {next((name for name in noted if name in known), last), last}
        with contextlib.suppress(OSError):
            if last is not None and last not in noted:
                self._add_note(last)
            for name in noted:
                if name not in kept:
                    (self.root / NEWEST / name).unlink(missing_ok=True)

    def remove(self, call: Call) -> None:
        """Forget a call that cost nothing."""
        self.let_go(call)
        with _paying:
            _owed.pop(self._record(call), None)
        for path in (self._finished(call), *self._of(call)):
            with contextlib.suppress(OSError):
                path.unlink()

    def keep_answer(self, call: Call, body: bytes) -> None:
        self._keep(self._answer(call), body)

    def _keep(self, path: Path, content: bytes) -> None:
        try:
            write_durably(path, content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)

    def answer(self, call: Call) -> bytes:
        """The raw answer. Raises OSError where it is gone, or was never here."""
        return read_file(self._answer(call))

    def answers(self) -> dict[str, int]:
        """Bytes of each raw answer that is kept, by the id of its call."""
        sizes: dict[str, int] = {}
        for path in self._open.glob("*.answer"):
            with contextlib.suppress(OSError):
                sizes[path.stem] = path.stat().st_size
        return sizes

    def answer_size(self, call: Call) -> int:
        """Bytes of the raw answer; 0 where there is none."""
        try:
            return self._answer(call).stat().st_size
        except OSError:
            return 0

    def has(self, call: Call) -> bool:
        """Whether ``call`` is unfinished, and was begun in this folder."""
        return self._record(call).exists()

    def knows(self, call: Call) -> bool:
        """Whether ``call`` was begun in this folder."""
        return self.has(call) or self._finished(call).exists()

    def answer_name(self, call: Call) -> str | None:
        """The raw answer as errors name it: below the pack's private folder; None where there is none."""
        path = self._answer(call)
        return path.relative_to(self.root.parent).as_posix() if path.exists() else None

    def partial(self, call: Call, number: int) -> Path:
        """Where picture ``number`` is fetched to."""
        with contextlib.suppress(OSError):
            self._open.mkdir(parents=True, exist_ok=True)
        return self._open / f"{call.id}.{number}.part"

    def drop_partial(self, call: Call, number: int) -> None:
        with contextlib.suppress(OSError):
            self.partial(call, number).unlink()

    def tidy(self, call: Call) -> None:
        """Each picture is a file: remove the raw answer and what is left of downloads."""
        for path in self._of(call):
            if path.suffix != ".json":
                with contextlib.suppress(OSError):
                    path.unlink()

    def _of(self, call: Call) -> list[Path]:
        """What is there of an unfinished call. A list of names: a pattern takes many times as long."""
        folder = self._open
        try:
            return [folder / name for name in os.listdir(folder) if name.startswith(f"{call.id}.")]
        except OSError:
            return []

    def let_go(self, call: Call) -> None:
        """From now on its record says what the database may have missed."""
        _in_hand.pop(call.id, None)

    def unfinished(self) -> Iterator[Call]:
        self._write_owed()
        yield from self._read(self._open)

    def left_behind(self) -> Iterator[Call]:
        """Those that are unfinished, without those that this process is at work on: the database follows them."""
        self._write_owed()
        yield from self._read(self._open, {call_id for call_id, pid in [*_in_hand.items()] if pid == os.getpid()})

    def finished(self, leave_out: Container[str] = ()) -> Iterator[Call]:
        """Those that were put away, but for some ids."""
        for folder in sorted(self.root.glob("*")):
            if folder != self._open:
                yield from self._read(folder, leave_out)

    def _read(self, folder: Path, leave_out: Container[str] = ()) -> Iterator[Call]:
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
        except OSError:
            return
        for name in names:
            if name.removesuffix(".json") in leave_out:
                continue
            path = folder / name
            try:
                yield Call.from_dict(json.loads(read_file(path)))
            except FileNotFoundError:
                continue  # finished meanwhile
            except (OSError, ValueError, KeyError, TypeError):
                log.warning("The record %s cannot be read", path.name)

    def _prepared(self, call: Call) -> Path:
        return self._open / f"{call.id}.begin"

    def _record(self, call: Call) -> Path:
        return self._open / f"{call.id}.json"

    def _answer(self, call: Call) -> Path:
        return self._open / f"{call.id}.answer"

    def _finished(self, call: Call) -> Path:
        return self.root / time.strftime("%Y-%m", time.gmtime(call.sent_at)) / f"{call.id}.json"


_in_hand: dict[str, int] = {}
"""The calls that this process has begun, and is at work on. A forked child is another process."""


_owed: dict[Path, bytes] = {}
"""Records that the disk has refused, as a full one does, of calls that may not be in the database either."""

_paying = threading.Lock()
"""Held while what is owed is written."""


PATIENCE_AT_END = 5.0
"""Seconds for which the end of the process waits for room on the disk."""


@atexit.register
def _write_at_end() -> None:
    """The last chance: after what waits for paid calls, which registers itself later."""
    ends_at = time.monotonic() + PATIENCE_AT_END
    while not all([Records(path.parent.parent)._pay(path) for path in list(_owed)]) and time.monotonic() < ends_at:
        time.sleep(0.1)


@in_child
def _owe_nothing() -> None:
    """What its parent owes to the disk, the parent pays."""
    global _paying
    _paying = threading.Lock()
    _owed.clear()


def _content(call: Call) -> bytes:
    return json.dumps(call.as_dict(), ensure_ascii=True).encode()
