"""The version of this pack."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def sentence() -> str:
    """What ``lumenfall --version`` says."""
    return f"lumenfall {_version()}"


def _version() -> str:
    """Of the checkout, which an installation from it may not have noticed; else of the installed package."""
    with contextlib.suppress(OSError):
        project = _PROJECT.read_text(encoding="utf-8")
        found = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
        if found and 'name = "lumenfall"' in project:
            return found[1]
    from importlib.metadata import version

    return version("lumenfall")
