"""The commands about paid calls, run in this process on a journal of their own."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nodes.headless import cli
from nodes.headless.host import Headless
from nodes.headless.signals import SIGNALS
from nodes.spend import Journal
from tests.spend.conftest import forget_databases


@dataclass(frozen=True)
class Printed:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Printed]


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """A command that was asked to end leaves its process to the next signal."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Command]:
    """Runs ``lumenfall`` with these arguments in the test's folder."""

    def lumenfall(*arguments: str) -> Printed:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["lumenfall", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Printed(stop.value.code, out, err)

    yield lumenfall
    forget_databases()


@pytest.fixture
def journal(command: Command) -> Journal:
    """The journal that ``command`` reads."""
    return Journal(Headless().data_dir())
