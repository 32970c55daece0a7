"""Pictures of the store as files with readable names."""

from __future__ import annotations

import re
import time
from itertools import count
from pathlib import Path

from ...errors import InputError
from ...host.files import create
from ...spend import Call, Files, Stored

WORDS = 40
"""Letters of the prompt, and of the model, in a name."""


def make_folder(folder: Path) -> None:
    """Raises InputError where ``folder`` cannot be made or written to."""
    probe = folder / f".lumenfall-{time.time_ns()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise InputError(f"Pictures cannot be written to {folder}: {error.strerror or error}.") from error


def export(files: Files, call: Call, stored: Stored, folder: Path) -> Path | None:
    """Copy a picture, byte for byte, into ``folder``; its absolute path, or None where the store has lost the file.

    Nothing is overwritten: a file that is there already is left and named if it has the same bytes, and otherwise the
    picture gets another name. Raises InputError where it cannot be written.
    """
    try:
        content = files.get(stored)
    except OSError:
        return None
    stem = name(call, stored)
    for take in count(1):
        path = folder / f"{stem}{f'-{take}' if take > 1 else ''}{stored.extension}"
        try:
            if create(path, content) or path.read_bytes() == content:
                return path.resolve()
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    raise AssertionError("unreachable: the loop returns or raises")


def name(call: Call, stored: Stored) -> str:
    """Such as ``2026-11-23_214501_gpt-image-2_a-red-fox_1``; the time is local."""
    when = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(call.sent_at))
    model = re.sub(r"[^\w.-]+", "-", call.model)[:WORDS].strip("-.")
    return "_".join(part for part in (when, model, _words(call.parameters.get("prompt")), str(stored.number)) if part)


def _words(prompt: object) -> str:
    """The first words that fit."""
    words = "-".join(re.findall(r"[^\W_]+", str(prompt or "").lower()))
    if len(words) <= WORDS:
        return words
    whole, _, _ = words[: WORDS + 1].rpartition("-")
    return whole or words[:WORDS]
