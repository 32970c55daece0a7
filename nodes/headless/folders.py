"""The three folders that the core nodes read and write, and how files in them are named."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError


@dataclass(frozen=True)
class Folders:
    """``input`` is read, ``output`` and ``temp`` are written and made when first needed. ``named`` are files that the
    person at the command line has named, wherever they lie.
    """

    input: Path
    output: Path
    temp: Path
    named: Mapping[str, Path] = field(default_factory=dict)

    def source(self, name: str) -> Path:
        """The file behind the name in a LoadImage, which may end in ``[input]``, ``[output]`` or ``[temp]``.

        Raises InputError for a name that leads out of its folder.
        """
        if name in self.named:
            return self.named[name]
        folder = self.input
        for label, labelled in (("[input]", self.input), ("[output]", self.output), ("[temp]", self.temp)):
            if name.endswith(label):
                name, folder = name[: -len(label)].rstrip(), labelled
        path = folder / name
        if not within(folder, path):
            raise InputError(f"{name!r} is outside the folder {folder}.")
        return path

    def locate(self, image: Mapping[str, str]) -> Path:
        """The absolute path of a picture that a node reported as {"filename", "subfolder", "type"}."""
        folder = {"input": self.input, "output": self.output, "temp": self.temp}[image["type"]]
        return (folder / image.get("subfolder", "") / image["filename"]).resolve()


def destination(folder: Path, prefix: str) -> tuple[Path, str]:
    """Directory and file stem that ``prefix`` stands for; raises InputError if it leads out of ``folder``."""
    subfolder, stem = os.path.split(os.path.normpath(prefix))
    if not within(folder, folder / subfolder):
        raise InputError(f"The filename prefix {prefix!r} leads out of the output folder.")
    if os.path.isabs(subfolder):
        subfolder = os.path.relpath(os.path.realpath(subfolder), os.path.realpath(folder))
    return folder / subfolder, stem


def filled(prefix: str, width: int, height: int) -> str:
    """``prefix`` with ``%width%``, ``%height%`` in pixels, and ``%year%`` to ``%second%`` of now filled in."""
    now = time.localtime()
    known = {"width": str(width), "height": str(height), "year": str(now.tm_year), "month": f"{now.tm_mon:02}"}
    known |= {"day": f"{now.tm_mday:02}", "hour": f"{now.tm_hour:02}"}
    known |= {"minute": f"{now.tm_min:02}", "second": f"{now.tm_sec:02}"}
    for variable, value in known.items():
        prefix = prefix.replace(f"%{variable}%", value)
    return prefix


def next_name(folder: Path, prefix: str, width: int, height: int) -> tuple[Path, str, int]:
    """Where a SaveImage with this prefix goes on: directory (made if missing), file stem and first free number.

    ``prefix`` may name subfolders, and what :func:`filled` fills in. Raises InputError if it leads out of ``folder``.
    """
    directory, stem = destination(folder, filled(prefix, width, height))
    directory.mkdir(parents=True, exist_ok=True)
    taken = [_number(path.name, stem) for path in directory.iterdir()]
    return directory, stem, max(taken, default=0) + 1


def _number(name: str, stem: str) -> int:
    """The counter in ``<stem>_<counter>_.png``; 0 for every other name."""
    start, rest = name[: len(stem) + 1], name[len(stem) + 1 :]
    digits = rest.split(".")[0].split("_")[0]
    matches = os.path.normcase(start) == os.path.normcase(stem + "_")
    return int(digits) if matches and digits.isdecimal() else 0


def within(folder: Path, path: Path) -> bool:
    """Whether ``path``, with links followed, lies in ``folder``."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except ValueError:  # an embedded null byte
        return False
