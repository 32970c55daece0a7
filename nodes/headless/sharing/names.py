"""Prefixes of saved files: personal names in them, and what other systems cannot take."""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Iterable
from pathlib import Path

from ..core_nodes.prefixes import FORBIDDEN

PREFIX = re.compile(r"prefix|file_?name|(output|save|sub)_?(path|dir|folder)|folder")
"""The names of inputs that say how files are called and where they go."""

NOBODY = frozenset(
    (
        *("root", "user", "users", "admin", "administrator", "ubuntu", "debian", "guest", "public", "default", "app"),
        *("home", "shared", "comfy", "comfyui", "runner", "worker", "docker", "nobody", "jovyan", "vscode", "output"),
    )
)
"""Logins and folders that are no person's name."""

DATE = "%date:"

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


def portable(prefix: str) -> str:
    """``prefix`` as a file system of any kind takes it. What the browser fills in stays, but for the form of a date."""
    parts = re.split(r"(%[^%]*%)", prefix)
    made = []
    for at, part in enumerate(parts):
        is_filled = at % 2 == 1
        head = DATE if part.startswith(DATE) else ""
        made.append(part if is_filled and not head else head + FORBIDDEN.sub("-", part[len(head) :]))
    names = "".join(made).split("/")
    return "/".join(name if name in (".", "..") else name.rstrip(". ") for name in names)


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
