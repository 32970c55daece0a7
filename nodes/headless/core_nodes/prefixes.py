"""Whether files can be saved under a filename prefix, told before anything is paid for."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TypeVar

from ...errors import InputError, sentences
from ...host import Bare, current
from ...purchase.session import session_of
from ..folders import destination, filled

T = TypeVar("T")

WINDOWS = os.name == "nt"

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""Names of devices on Windows, which no file or folder may have there."""

FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
"""Characters that Windows takes in no name."""

LEFT_OVER = re.compile(r"%[^%\s](?:[^%]*[^%\s])?%")

LONGEST_COUNTER = "_00001_.json"
WIDEST = 16384

AT_LEAST = 64 * 1024
"""Bytes for which there must be room."""


def check(folder: Path, prefix: str) -> None:
    """Raise InputError where ``prefix`` can never become a file in ``folder``, whatever the size of the picture."""
    if without_keys(prefix) != prefix:
        raise InputError("The name of the file would show your API key.", hint="Take it out of the filename prefix.")
    text = filled(prefix, WIDEST, WIDEST).replace("%batch_num%", "0000")
    left = LEFT_OVER.search(text)
    if left:
        raise _wrong(
            prefix,
            f"has {left.group()}, which is not known here",
            "Known are %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second% and %batch_num%; "
            "the browser fills in others. Write another prefix.",
        )
    directory, stem = destination(folder, text)
    if stem in ("", ".", ".."):
        raise _wrong(prefix, "has no name for the file", "Write a name, such as ComfyUI or portraits/fox.")
    names = [*directory.parts[len(folder.parts) :], stem]
    for name in names:
        _check_name(prefix, name)
    ground = _ground(folder, directory)
    # The folder itself is looked at where a run begins; an estimate writes nothing.
    is_below = folder in ground.parents
    if is_below and not ground.is_dir():
        raise _wrong(prefix, f"leads through {ground}, which is a file and no folder", "Write another prefix.")
    _check_lengths(prefix, ground, directory, [*names[:-1], stem + LONGEST_COUNTER])
    if is_below:
        make_writable(ground)


def without_keys(content: T) -> T:
    """``content`` without the key of this run, nor that of whoever runs it."""
    # A run on the sandbox has no key, but whoever tries it has one.
    for host in (current(), Bare()):
        content = session_of(host).without_key(content)
    return content


def objection(folder: Path, prefix: str | None) -> str | None:
    """What :func:`check` has against a prefix; nothing against one that is linked, and so not known yet."""
    if prefix is None:
        return None
    try:
        check(folder, prefix)
    except InputError as error:
        return sentences(error.message, error.hint)
    return None


def make_writable(folder: Path) -> None:
    """Make ``folder`` where it is missing. Raises InputError where that cannot be, or nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            if file.write(bytes(AT_LEAST)) < AT_LEAST:
                raise InputError(f"There is no room in the output folder {folder}.")
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"Pictures cannot be written to the output folder {folder}: {reason}.") from error


def _check_name(prefix: str, name: str) -> None:
    if RESERVED.fullmatch(name.split(".")[0].rstrip()):
        advice = "Write another prefix, so that the files can be kept everywhere."
        raise _wrong(prefix, f"has the name {name}, which Windows keeps for a device", advice)
    if "\0" in name:
        raise _wrong(prefix, "has a null character, which no file's name can have", "Leave it out.")
    if not WINDOWS:
        return
    character = FORBIDDEN.search(name)
    if character:
        raise _wrong(prefix, f"has {character.group()!r}, which Windows takes in no name", "Leave it out.")
    if name.endswith((".", " ")):
        raise _wrong(prefix, f"has the name {name!r}, which Windows takes without its last character", "Leave it out.")


def _check_lengths(prefix: str, ground: Path, directory: Path, names: list[str]) -> None:
    longest_name, longest_path = _limits(ground)
    try:
        sizes = [_size(name) for name in names]
        whole = _size(str(directory.absolute())) + 1 + sizes[-1]
    except UnicodeEncodeError:
        raise _wrong(prefix, "has a character that no file's name can have", "Write another prefix.") from None
    if max(sizes) > longest_name or whole >= longest_path:
        limit = f"a name may have {longest_name} bytes here with its counter, a path {longest_path - 1}"
        raise _wrong(prefix, f"is too long: {limit}", "Shorten it.")


def _limits(folder: Path) -> tuple[int, int]:
    """How many bytes, on Windows characters, a name and a whole path may have. The path's include the end mark."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX"), os.pathconf(folder, "PC_PATH_MAX")
    except (AttributeError, OSError, ValueError):
        # Long paths are an option of Windows; what it refuses all the same is told when it is written.
        return 255, 32767


def _size(name: str) -> int:
    return len(name.encode("utf-16-le")) // 2 if WINDOWS else len(os.fsencode(name))


def _ground(folder: Path, directory: Path) -> Path:
    """What exists already of the way from ``folder`` to ``directory``."""
    ground = directory
    while not os.path.lexists(ground) and ground != ground.parent and ground != folder:
        ground = ground.parent
    while not ground.exists() and ground != ground.parent:
        ground = ground.parent
    return ground


def _wrong(prefix: str, reason: str, advice: str) -> InputError:
    shown = prefix if len(prefix) <= 80 else f"{prefix[:77]}..."
    return InputError(f"The filename prefix {shown!r} {reason}.", hint=advice)
