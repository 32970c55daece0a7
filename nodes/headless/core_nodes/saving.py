"""Files in the output folder: their names, what they say of the run, and what is told where they cannot be written."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import Charged, InputError, LumenfallError, StoreError, sentences
from ...host import Bare, current
from ...host.files import create
from ...purchase.origin import run_of
from ...purchase.receipts import of_run
from ...purchase.session import Session
from ..folders import next_name
from .prefixes import check, without_keys

SAVE_FAILED = "SAVE_FAILED"

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on this disk is used up",
    errno.EFBIG: "the file is larger than it may be here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
}


def save(
    folder: Path,
    prefix: str,
    contents: Iterable[bytes],
    ending: str,
    extra: Mapping[str, Any] | None,
    *,
    width: int = 1,
    height: int = 1,
) -> list[dict[str, str]]:
    """Write each of ``contents`` as ``<prefix>_<counter><ending>``, counted on from what is there; their names.

    ``extra`` is EXTRA_PNGINFO, with the receipts of what this run bought. Raises InputError for a prefix that cannot be
    used and LumenfallError where a file cannot be written; both say how to get at what was paid for.
    """
    try:
        check(folder, prefix)
        directory, stem, number = next_name(folder, prefix, width, height)
        subfolder = directory.relative_to(folder).as_posix()
        written = []
        for index, content in enumerate(contents):
            start = stem.replace("%batch_num%", str(index))
            # Another process may count in the same folder.
            while not create(directory / f"{start}_{number:05}{ending}", content):
                number += 1
            name = f"{start}_{number:05}{ending}"
            written.append({"filename": name, "subfolder": "" if subfolder == "." else subfolder})
            number += 1
    except InputError as error:
        charged, hint = _kept(extra)
        raise error.replaced(hint=sentences(error.hint, hint), charged=charged) from error
    except OSError as error:
        charged, hint = _kept(extra)
        reason = REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
        advice = "Make room there, or choose another folder."
        message = f"The file could not be saved in {folder}: {reason}."
        raise LumenfallError(message, code=SAVE_FAILED, hint=sentences(advice, hint), charged=charged) from error
    return written


def facts(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a file says of the run that made it, by name, where nobody finds the key."""
    return without_keys({**({} if prompt is None else {"prompt": prompt}), **(extra or {})})


def texts(prompt: Any, extra: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """:func:`facts`, each as its name and JSON."""
    for name, value in facts(prompt, extra).items():
        yield name, json.dumps(value)


def _kept(extra: Mapping[str, Any] | None) -> tuple[Charged, str]:
    """Whether this run has paid, and where that is now."""
    host = current()
    receipts = of_run(host.place().run_id)
    if not receipts:
        return Charged.NO, ""
    session = Session(host)
    names = list(dict.fromkeys(receipt["request_id"] for receipt in receipts if receipt["request_id"]))
    ways = []
    if session.settings.replay:
        ways.append("run the same again with the same seed, which takes it from there for nothing")
    if host.data_dir() == Bare().data_dir():
        ways += [f"`lumenfall recover {name} --output DIR`" for name in names[:MOST_NAMED]]
        ways += ["`lumenfall store export DIR`"] if len(names) != 1 else []
    paid_now = any(_run_of(session, name) == run_of(host.place()) for name in names)
    how = f"To get it: {', or '.join(ways)}." if ways else ""
    return Charged.YES if paid_now else Charged.NO, sentences("What was paid for is safe in the store.", how)


def _run_of(session: Session, request_id: str) -> str | None:
    """The run that ordered it."""
    try:
        call = session.journal.find(request_id)
    except StoreError:
        return None
    return call.run_id if call else None


MOST_NAMED = 3
"""Requests that an error names."""
