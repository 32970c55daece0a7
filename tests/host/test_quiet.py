"""The host of nodes that are only asked what they would do."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nodes.host import Host, Quiet

SILENT = {"progress", "failure", "preview", "shown_dir"}
ASKED = {name for name, _ in inspect.getmembers(Host, inspect.isfunction) if not name.startswith("_")} - SILENT


class Loud(Host):
    """Notes which of its methods are called, and what they give."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def environ(self) -> Mapping[str, str]:
        return {}

    def data_dir(self) -> Path:
        return Path()

    def __getattribute__(self, name: str) -> Any:
        if name not in SILENT | ASKED:
            return super().__getattribute__(name)

        def method(*_: object) -> str:
            self.called.append(name)
            return f"the {name} of the whole"

        return method


def test_nothing_is_shown() -> None:
    loud = Loud()
    quiet = Quiet(loud)
    quiet.progress("sending")
    quiet.failure({}, None)
    quiet.preview(Image.new("RGB", (1, 1)))
    assert quiet.shown_dir() is None and not loud.called


@pytest.mark.parametrize("name", sorted(ASKED))
def test_all_else_is_the_whole_hosts(name: str) -> None:
    """A method that were forgotten would be answered by the base class, as where there is nobody."""
    loud = Loud()
    arguments = [lambda *_: None for _ in inspect.signature(getattr(Host, name)).parameters][1:]
    answer = getattr(Quiet(loud), name)(*arguments)
    assert loud.called == [name]
    assert answer in (f"the {name} of the whole", None)


def test_a_stop_that_is_meant_for_others_is_not_heeded() -> None:
    stopped = Loud()
    assert Quiet(stopped).interrupted()
    assert not Quiet(stopped, stoppable=False).interrupted()
    assert not Quiet(Quiet(stopped, stoppable=False)).interrupted()
