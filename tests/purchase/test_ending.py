"""How a host ends that does not know of paid calls, with one of them in the air."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.headless.sandbox import Sandbox
from nodes.purchase import background, ending
from nodes.spend import Journal, State, newest
from tests.faults.world import LONGEST, Gate
from tests.headless.test_signals import insist, says
from tests.spend.conftest import forget_databases

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its signals end a process at once")

INPUTS = {"prompt": "a cat", "model": "flux.2-pro", "size": "64x64", "n": 1, "seed": 0}
WAITS = "Waiting for paid calls"


@pytest.fixture
def gate(sandbox: Sandbox) -> Iterator[Gate]:
    gate = Gate()
    sandbox.fail_next(gate.fault)
    yield gate
    gate.open()


@contextlib.contextmanager
def host(place: Path, sandbox: Sandbox, *options: str) -> Iterator[subprocess.Popen[str]]:
    """One that has two pictures to buy, one after the other."""
    environ = {**os.environ, "LUMENFALL_BASE_URL": sandbox.base_url}
    prompts = [json.dumps({**INPUTS, "seed": seed}) for seed in (1, 2)]
    command = [sys.executable, str(Path(__file__).with_name("ending.py")), *options, *prompts]
    with subprocess.Popen(command, cwd=place, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def call(place: Path) -> State:
    (only,) = newest(Journal(place / "user" / "__lumenfall"), 9)
    forget_databases()
    return only.state


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_host_that_ends_waits_for_the_call_and_sends_no_other(
    tmp_path: Path, sandbox: Sandbox, gate: Gate, number: int, code: int
) -> None:
    with host(tmp_path, sandbox) as process:
        gate.wait()
        process.send_signal(number)
        says(process, WAITS)
        gate.open()
        _, err = process.communicate(timeout=LONGEST)
    # As it ends without us.
    assert (process.returncode, err if "Traceback" in err else "") == (code, "")
    assert (call(tmp_path), len(sandbox.bill)) == (State.DONE, 1)


def test_the_node_that_is_answered_while_a_slow_host_ends_is_finished(
    tmp_path: Path, sandbox: Sandbox, gate: Gate
) -> None:
    with host(tmp_path, sandbox, "--slow") as process:
        gate.wait()
        process.send_signal(signal.SIGINT)
        says(process, WAITS)
        gate.open()
        _, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, "Traceback" in err, err.count("interrupted")) == (0, False, 1), err
    assert (call(tmp_path), len(sandbox.bill)) == (State.DONE, 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_second_signal_leaves_at_once(tmp_path: Path, sandbox: Sandbox, gate: Gate, number: int, code: int) -> None:
    with host(tmp_path, sandbox) as process:
        gate.wait()
        process.send_signal(number)
        says(process, WAITS)
        if number == signal.SIGINT:  # is Python's own
            process.send_signal(number)
        else:
            insist(process, number)
        _, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, "Traceback" in err) == (code, False)
    assert call(tmp_path) is State.SENT


def test_one_end_that_arrives_as_several_signals_is_one(tmp_path: Path, sandbox: Sandbox, gate: Gate) -> None:
    with host(tmp_path, sandbox) as process:
        gate.wait()
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        says(process, WAITS)
        gate.open()
        process.communicate(timeout=LONGEST)
    assert process.returncode in (-signal.SIGTERM, -signal.SIGHUP)
    assert (call(tmp_path), len(sandbox.bill)) == (State.DONE, 1)


def test_a_forked_child_dies_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is under way in it, whatever it remembers of its parent."""
    done: list[int] = []
    monkeypatch.setattr(ending, "_pid", os.getpid() + 1)
    monkeypatch.setattr(background, "is_busy", lambda: True)
    monkeypatch.setattr(signal, "raise_signal", done.append)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            ending._end(signal.SIGTERM, None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == [signal.SIGTERM]


def test_what_a_host_begins_meanwhile_keeps_it_from_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue goes on: the next prompt has begun, within the second in which several signals are one."""
    done: list[int] = []
    monkeypatch.setattr(ending, "_pid", os.getpid())
    monkeypatch.setattr(ending, "_is_over", False)
    monkeypatch.setattr(ending, "_since", time.monotonic() + 60)
    for name in ("is_busy", "is_closing"):
        monkeypatch.setattr(background, name, lambda: True)
    monkeypatch.setattr(signal, "raise_signal", done.append)
    before = signal.signal(signal.SIGTERM, ending._end)
    try:
        with pytest.raises(SystemExit):
            ending._again(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == [signal.SIGTERM]


def test_what_somebody_handles_or_ignores_is_not_touched() -> None:
    before = {number: signal.getsignal(number) for number in ending.SIGNALS}
    try:
        for handler in (signal.SIG_IGN, lambda number, frame: None):
            for number in ending.SIGNALS:
                signal.signal(number, handler)
            ending.watch()
            assert {signal.getsignal(number) for number in ending.SIGNALS} == {handler}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
