"""What rows have in common: the requests in the air, and settings that are changed while they run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal
from tests.faults.world import LONGEST, Gate
from tests.headless.conftest import Command
from tests.headless.rows.test_running import GRAPH, INPUTS, results, write
from tests.headless.test_signals import started


@pytest.fixture
def place(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    return tmp_path


def in_the_air(sandbox: Sandbox) -> int:
    """The most requests that were there at the same time."""
    paid = [each for each in sandbox.requests if each.endpoint.startswith("images/") and not each.is_dry_run]
    return max(sum(one.arrived <= each.arrived < (one.finished or 0.0) for one in paid) for each in paid)


def test_rows_of_several_nodes_have_no_more_requests_in_the_air_than_was_said(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    nodes = {str(seed): {**GRAPH["1"], "inputs": {**INPUTS, "seed": seed}, "_meta": {}} for seed in range(10, 14)}
    saved = {f"{name}s": {**GRAPH["2"], "inputs": {"images": [name, 0], "filename_prefix": name}} for name in nodes}
    (place / "w.json").write_text(json.dumps({**nodes, **saved}))
    (place / "rows.csv").write_text("10.prompt\na cat\na dog\nan owl\n")
    sandbox.latency = 0.05
    assert command("run", "w.json", "--each", "rows.csv", "--jobs", "2").code == 0
    assert (in_the_air(sandbox), len(sandbox.bill)) == (2, 6)


def test_settings_that_can_be_used_no_more_keep_rows_waiting(
    command: Command, journal: Journal, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog")
    sandbox.fail_next("content-policy:2")
    assert command("run", "w.json", "--each", "rows.csv").code == 1
    gate = Gate()
    sandbox.fail_next(gate.fault)
    settings = journal.folder / "settings.json"
    with started(place, "run", "w.json", "--each", "rows.csv", "--retry-failed", "--json") as process:
        gate.wait()
        settings.write_text('{"limits": {"daily": 1}}')
        gate.open()
        out, _ = process.communicate(timeout=LONGEST)
    summary = json.loads(out.splitlines()[-1])
    assert (process.returncode, summary["unfinished"], summary["failed"]) == (1, [1], [2])
    assert [error["code"] for error in summary["errors"]] == ["NOT_ALL_ROWS"] and "daily" in str(summary["errors"])
    write(place, "a cat", "a dog", "an owl")
    settings.unlink()
    assert command("run", "w.json", "--each", "rows.csv").code == 1 and len(sandbox.bill) == 2
    assert [(line["status"], line["cost"]) for line in results(place)] == [
        ("done", "0.03"),
        ("failed", ""),
        ("done", "0.03"),
    ]


def test_settings_that_are_spoilt_meanwhile_fail_no_row(
    command: Command, journal: Journal, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog", "an owl")
    gate = Gate()
    sandbox.fail_next(gate.fault)
    settings = journal.folder / "settings.json"
    with started(place, "run", "w.json", "--each", "rows.csv", "--json") as process:
        gate.wait()
        settings.write_text('{"limits": {"daily": 1}}')
        gate.open()
        out, _ = process.communicate(timeout=LONGEST)
    summary = json.loads(out.splitlines()[-1])
    assert (process.returncode, summary["done"], summary["waiting"]) == (1, [1], [2, 3])
    settings.unlink()
    assert command("run", "w.json", "--each", "rows.csv").code == 0 and len(sandbox.bill) == 3
