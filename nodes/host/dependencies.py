"""The oldest packages that the pack works with, and what to do about older ones. Before money moves, not after."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Iterator
from functools import cache

from ..errors import OldDependency

log = logging.getLogger(__name__)

MINIMUMS = {
    "SQLAlchemy": "2.0",
    "aiohttp": "3.11.8",
    "alembic": "1.8",
    "filelock": "3.12",
    "httpx": "0.27",
    "numpy": "1.25",
    "Pillow": "10.1",
    "pydantic": "2.4",
    "tenacity": "8.2",
}
"""Of each package, by its name in the registry. requirements.txt and pyproject.toml say the same; a test compares them.
torch is ComfyUI's.
"""

PYTHON = (3, 10)
"""ComfyUI installs packs without looking at what pyproject.toml says of it, and ran on 3.9 when 0.3.64 was new."""

ABSENT = "(not installed)"

_MODULES = {"Pillow": "PIL", "SQLAlchemy": "sqlalchemy"}


def require() -> None:
    """Raise OldDependency where Python is too old, or packages are missing or too old, all of them at once."""
    if sys.version_info < PYTHON:
        wanted = ".".join(map(str, PYTHON))
        raise OldDependency(
            f"Python {'.'.join(map(str, sys.version_info[:3]))} is too old for this pack.",
            hint=f"Run ComfyUI with Python {wanted} or newer.",
        )
    old = lacking()
    if old:
        wanted = " ".join(f'"{name}>={MINIMUMS[name]}"' for name in old)
        raise OldDependency(
            f"Missing or too old for this pack: {', '.join(f'{name} {found}' for name, found in old.items())}.",
            hint=f"Run pip install -U {wanted} in ComfyUI's Python, then start ComfyUI again.",
        )


def tell() -> None:
    """Write what is lacking to the log, while there is time to mend it. Never raises: the nodes must not vanish."""
    try:
        require()
    except OldDependency as error:
        log.warning("Lumenfall: %s %s", error.message, error.hint)
    except Exception:
        log.warning("Lumenfall: the installed packages could not be looked at", exc_info=True)


@contextlib.contextmanager
def blamed() -> Iterator[None]:
    """Where the block cannot import what it wants, and a package is lacking or broken, raise OldDependency instead:
    a host shows the last line of what a pack fails with.
    """
    try:
        yield
    except Exception as error:
        try:
            require()
        except OldDependency as reason:
            raise reason from None
        broken = _package_of(error)
        if broken is None:
            raise
        wanted = f'"{broken}>={MINIMUMS[broken]}"'
        raise OldDependency(
            f"The package {broken} cannot be used as it is installed ({error}).",
            # Of what seems to be there, pip installs nothing without being told to.
            hint=f"Run pip install --force-reinstall {wanted} in ComfyUI's Python, then start ComfyUI again.",
        ) from error


def _package_of(error: Exception) -> str | None:
    """Which of the packages an import failed in, as one does of which an upgrade that broke off has left half."""
    module = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    return next((name for name in MINIMUMS if module == _MODULES.get(name, name)), None)


@cache
def lacking() -> dict[str, str]:
    """The packages that are missing or too old, each with its version or ABSENT. What was loaded once
    stays until the process ends, so this is found out once.
    """
    folders = _folders()
    found = {name: _version(name, folders.get(_normal(name), "")) for name in MINIMUMS}
    return {name: version for name, version in found.items() if _is_too_old(name, version)}


def _folders() -> dict[str, str]:
    """What pip has installed, by the names of its folders: to read what is in them takes ten times as long."""
    found: dict[str, str] = {}
    for path in sys.path:
        with contextlib.suppress(OSError):
            for folder in os.listdir(path or "."):
                if folder.endswith(".dist-info"):
                    name, _, version = folder.removesuffix(".dist-info").partition("-")
                    found.setdefault(_normal(name), version)
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _version(name: str, folder: str) -> str:
    """Of what is loaded, since an upgrade counts only after a restart; else of what is installed. ``folder`` is the
    version in its folder's name, which is believed where it is new enough.
    """
    module = _MODULES.get(name, name)
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    if _release(folder) is not None and not _is_too_old(name, folder) and sys.modules.get(module, module) is not None:
        return folder
    from importlib.metadata import version

    # Some systems install packages without saying so, or leave half of what they say behind.
    with contextlib.suppress(Exception):
        told: object = version(name)
        if isinstance(told, str):
            return told
    with contextlib.suppress(ImportError, ValueError):
        if importlib.util.find_spec(module) is None:
            return ABSENT
    return "of unknown version"


def _is_too_old(name: str, version: str) -> bool:
    """What has no readable version is taken for new enough."""
    release = _release(version)
    return version == ABSENT or (release is not None and release < (_release(MINIMUMS[name]) or ()))


def _release(version: str) -> tuple[int, ...] | None:
    """The numbers of a version, without zeros at the end; those of pre-releases count as the release's."""
    numbers = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    if numbers is None:
        return None
    parts = [int(part) for part in numbers[1].split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
