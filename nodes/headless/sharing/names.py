"""Personal names in the prefixes of saved files: the user's login and the owners of home folders."""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Iterable
from pathlib import Path

PREFIX = re.compile(r"prefix|file_?name|(output|save|sub)_?(path|dir|folder)|folder")
"""The names of inputs that say how files are called and where they go."""

NOBODY = frozenset(
    (
        *("root", "user", "users", "admin", "administrator", "ubuntu", "debian", "guest", "public", "default", "app"),
        *("home", "shared", "comfy", "comfyui", "runner", "worker", "docker", "nobody", "jovyan", "vscode", "output"),
    )
)
"""Logins and folders that are no person's name."""

EMPTY = "ComfyUI"
"""The prefix that ComfyUI has where nobody wrote one."""


def personal_names(owners: Iterable[str]) -> frozenset[str]:
    """The names that no prefix should have, ``owners`` of home folders among them."""
    names = [*owners]
    # Some users have no name or no home.
    with contextlib.suppress(OSError, KeyError, RuntimeError, ImportError):
        names += [getpass.getuser(), Path.home().name]
    return frozenset(name.casefold() for name in names if len(name) > 2 and name.casefold() not in NOBODY)


def is_prefix(name: str) -> bool:
    return bool(PREFIX.search(name.lower()))


def cut_names(prefix: str, names: Iterable[str]) -> str:
    """``prefix`` without the names that stand in it as words of their own."""
    parts = re.split(r"([\\/])", prefix)
    cut = [part if part in "\\/" else _cut(part, names) for part in parts]
    if cut == parts:
        return prefix
    kept = [part for part in cut[::2] if part]
    return "/".join(kept) or EMPTY


def _cut(part: str, names: Iterable[str]) -> str:
    left = part
    for name in names:
        left = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", "", left, flags=re.IGNORECASE)
    if left == part:
        return part
    return re.sub(r"([ _.-])[ _.-]+", r"\1", left).strip(" _.-")
