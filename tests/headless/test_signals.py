"""Signals, sent to real processes that have a paid call in the air."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal, State, newest
from tests.faults.world import LONGEST, Gate
from tests.headless.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its signals end a process at once")

ROOT = Path(__file__).parents[2]
INPUTS = {"prompt": "a cat", "model": "flux.2-pro", "size": "64x64", "n": 1, "seed": 0}
GRAPH = {
    "1": {"class_type": "LumenfallGenerate", "inputs": INPUTS},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
}
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]  # type: ignore[index]
WAITS = "Waiting for paid calls"


@pytest.fixture
def gate(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Holds the answer to the workflow ``w.json`` back."""
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    gate = Gate()
    sandbox.fail_next(gate.fault)
    yield gate
    gate.open()


@contextlib.contextmanager
def started(
    place: Path,
    *arguments: str,
    path: Path = ROOT,
    command: Sequence[str] = ("-m", "nodes.headless"),
    environ: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> Iterator[subprocess.Popen[str]]:
    environ = {**os.environ, **environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with subprocess.Popen(
        [sys.executable, *command, *arguments], cwd=place, env=environ, text=True, **pipes
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str], text: str) -> None:
    """Wait until it does."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr), f"it never said {text!r}"


def insist(process: subprocess.Popen[str], number: int) -> None:
    """Send it again and again until the process has left: what comes together with the first counts for nothing."""
    while process.poll() is None:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)


def test_sigterm_waits_for_the_call_and_the_next_run_has_its_picture_for_nothing(
    command: Command, tmp_path: Path, sandbox: Sandbox, gate: Gate
) -> None:
    with started(tmp_path, "run", "w.json", "--json") as process:
        gate.wait()
        process.terminate()
        says(process, WAITS)
        gate.open()
        out, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, json.loads(out)["status"], err) == (143, "interrupted", "")
    again = command("run", "w.json", "--json")
    assert (again.code, again.json["cost"], len(again.json["outputs"]["2"]["images"])) == (0, 0, 1)
    assert len(sandbox.bill) == 1


def test_a_closed_terminal_keeps_nothing_from_coming_home(
    journal: Journal, tmp_path: Path, sandbox: Sandbox, gate: Gate
) -> None:
    ours, its = os.openpty()
    terminal = {"stdin": its, "stdout": its, "stderr": its, "start_new_session": True}
    with started(tmp_path, "run", "w.json", **terminal) as process:
        gate.wait()
        os.close(its)
        os.close(ours)  # whatever is said from now on fails
        process.send_signal(signal.SIGHUP)
        gate.open()
        assert process.wait(LONGEST) == 129
    (call,) = newest(journal, 1)
    assert (call.state, len(sandbox.bill)) == (State.DONE, 1)


def test_the_second_signal_leaves_at_once_and_more_do_no_harm(journal: Journal, tmp_path: Path, gate: Gate) -> None:
    with started(tmp_path, "run", "w.json", "--json") as process:
        gate.wait()
        process.terminate()
        says(process, WAITS)
        insist(process, signal.SIGINT)
        out, err = process.communicate(timeout=LONGEST)
    # What comes when all is said ends the process on the spot.
    assert process.returncode in (143, -signal.SIGINT)
    assert json.loads(out)["status"] == "interrupted"
    assert "Traceback" not in err and "nothing is paid twice" in err
    (call,) = newest(journal, 1)
    assert call.state is State.SENT


def test_one_end_that_arrives_as_several_signals_is_one(
    journal: Journal, tmp_path: Path, sandbox: Sandbox, gate: Gate
) -> None:
    """As of a supervisor that tells the whole group, of which ``timeout`` passes it on; or a terminal and its shell."""
    with started(tmp_path, "run", "w.json", "--json") as process:
        gate.wait()
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        says(process, WAITS)
        process.send_signal(signal.SIGHUP)
        gate.open()
        process.communicate(timeout=LONGEST)
    assert process.returncode in (143, 129)
    (call,) = newest(journal, 1)
    assert (call.state, len(sandbox.bill)) == (State.DONE, 1)


# In the middle of an import: this module is one of torch's own.
SIGNALLING = """
import os, signal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == os.environ.get("SIGNAL_AT", "torch.fx"):
            os.kill(os.getpid(), int(os.environ.get("SIGNAL", signal.SIGTERM)))

sys.meta_path.insert(0, Finder)
"""


def test_a_signal_while_torch_is_imported_ends_it_in_order(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "sitecustomize.py").write_text(SIGNALLING)
    with started(tmp_path, "run", "w.json", "--json", path=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["status"], err) == (143, "interrupted", "")


# Of the first thing that is imported for a command to that command's own.
MOMENTS = ["asyncio", "typer", "pydantic", "httpx", "nodes.headless.cli", "nodes.headless.commands.run"]


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        *[(moment, signal.SIGINT, 130) for moment in MOMENTS],
        ("typer", signal.SIGTERM, 143),
        ("typer", signal.SIGHUP, 129),
    ],
)
def test_so_does_one_before_there_is_a_command_line(
    tmp_path: Path, sandbox: Sandbox, gate: Gate, moment: str, number: int, code: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SIGNALLING)
    environ = {"SIGNAL_AT": moment, "SIGNAL": str(int(number))}
    with started(tmp_path, "run", "w.json", path=tmp_path, environ=environ) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", "Interrupted before anything was sent.\n")
    assert not sandbox.requests


def test_who_reads_json_gets_its_object_of_that_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SIGNALLING)
    with started(tmp_path, "run", "w.json", "--json", path=tmp_path, environ={"SIGNAL_AT": "typer"}) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["status"], err) == (143, "interrupted", "")


def test_one_that_is_ignored_from_outside_stays_so(tmp_path: Path) -> None:
    """As nohup has it."""
    (tmp_path / "sitecustomize.py").write_text(f"import signal\nsignal.signal(1, signal.SIG_IGN)\n{SIGNALLING}")
    environ = {"SIGNAL_AT": "typer", "SIGNAL": "1"}
    with started(tmp_path, "--help", path=tmp_path, environ=environ) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "recover" in out


def test_the_console_script_is_the_entry_that_hears_them(tmp_path: Path) -> None:
    place = re.search(r'^lumenfall = "lumenfall_nodes\.(.+):(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert place is not None
    (tmp_path / "sitecustomize.py").write_text(SIGNALLING)
    script = ["-c", f"import sys; from nodes.{place[1]} import {place[2]}; sys.exit({place[2]}())"]
    with started(tmp_path, path=tmp_path, command=script, environ={"SIGNAL_AT": "typer"}) as process:
        process.communicate(timeout=60)
    assert process.returncode == 143


SLOW = ("torch", "pydantic", "rich", "asyncio", "PIL")
"""What takes longer to import than to say that a file is wrong."""


@pytest.mark.parametrize(
    ("arguments", "code", "said", "unneeded"),
    [
        (["--version"], 0, f"lumenfall {VERSION}\n", ("torch", "typer", "httpx")),
        (["--help"], 0, "--version", ("torch",)),
        (["run", "nowhere.json"], 2, "nowhere.json cannot be read", SLOW),
        (["run", "--set", "1.a=b", "nowhere.json", "--json"], 2, "nowhere.json cannot be read", SLOW),
        (["run", "nowhere.json", "--unknown"], 2, "No such option", ("torch",)),
        (["check", "sitecustomize.py", "--json", "--fix"], 2, "neither JSON nor a PNG", SLOW),
        (["convert", "nowhere.json", "--output", "x.json"], 2, "nowhere.json cannot be read", SLOW),
        (["estimate", "nowhere.json"], 2, "nowhere.json cannot be read", SLOW),
        (["runn"], 2, "No such command", ("torch",)),
    ],
)
def test_what_needs_no_torch_does_not_wait_for_it(
    tmp_path: Path, arguments: list[str], code: int, said: str, unneeded: tuple[str, ...]
) -> None:
    told = "import atexit, sys\natexit.register(lambda: open('imported', 'w').write(' '.join(sys.modules)))\n"
    (tmp_path / "sitecustomize.py").write_text(told)
    with started(tmp_path, *arguments, path=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == code and said in out + err
    assert not set(unneeded) & set((tmp_path / "imported").read_text().split())


def test_recovering_is_finished_too(
    command: Command, journal: Journal, tmp_path: Path, sandbox: Sandbox, gate: Gate
) -> None:
    gate.open()
    sandbox.fail_next("redirect-private")
    assert command("run", "w.json").code == 1
    second = Gate("media/")
    sandbox.fail_next(second.fault)
    with started(tmp_path, "recover", "--json") as process:
        second.wait()
        process.terminate()
        says(process, WAITS)
        second.open()
        out, _ = process.communicate(timeout=LONGEST)
    assert (process.returncode, json.loads(out)) == (143, {"error": None})
    (call,) = newest(journal, 1)
    assert (call.state, call.delivered_at) == (State.DONE, None)


@pytest.mark.parametrize("arguments", [("sandbox", "--port", "0"), ("playground", "--port", "0", "--sandbox")])
def test_a_server_of_ours_ends_cleanly(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with started(tmp_path, *arguments) as process:
        assert process.stdout is not None
        assert any("LUMENFALL_BASE_URL" in line or "Ctrl-C ends it" in line for line in process.stdout)
        process.terminate()
        _, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, err) == (0, "")


def test_who_reads_may_leave(tmp_path: Path) -> None:
    with started(tmp_path, "spend", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LONGEST) == 0
        assert process.stderr is not None and process.stderr.read() == ""
