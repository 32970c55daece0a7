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
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_PARALLEL", "1")
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


def two_nodes(place: Path) -> None:
    """Rows of two paid nodes each."""
    second = {**GRAPH["1"], "inputs": {**INPUTS, "seed": 1}, "_meta": {"title": "Second"}}
    saved = {**GRAPH["2"], "inputs": {"images": ["3", 0], "filename_prefix": "second"}}
    (place / "w.json").write_text(json.dumps({**GRAPH, "3": second, "4": saved}))
    (place / "rows.csv").write_text("Picture.prompt,Second.prompt\na cat,a tree\na dog,a hill\n")


def test_a_row_that_a_limit_stops_between_its_nodes_goes_on_with_more(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    two_nodes(place)
    arguments = ("run", "w.json", "--each", "rows.csv", "--max-cost")
    for _ in range(2):
        assert command(*arguments, "0.1").code == 1 and len(sandbox.bill) == 3
        lines = results(place)
        assert [(line["status"], line["cost"], line["charged"]) for line in lines] == [
            ("done", "0.06", "charged"),
            ("waiting", "0.03", "charged"),
        ]
        assert "--max-cost" in lines[1]["error"] and len(lines[1]["files"].split()) == 1
    assert command(*arguments, "1").code == 0 and len(sandbox.bill) == 4
    lines = results(place)
    assert [(line["status"], line["cost"], line["error"]) for line in lines] == [("done", "0.06", "")] * 2
    assert sorted(name for line in lines for name in line["files"].split()) == sorted(
        path.relative_to(place / "output").as_posix() for path in (place / "output").glob("*/*_.png")
    ) + sorted(path.name for path in (place / "output").glob("second_*.png"))


def test_a_row_does_not_pass_its_own_limit_start_by_start(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_nodes(place)
    monkeypatch.setenv("LUMENFALL_LIMIT_RUN", "0.05")
    for _ in range(2):
        assert command("run", "w.json", "--each", "rows.csv").code == 1 and len(sandbox.bill) == 2
        assert [(line["status"], line["cost"]) for line in results(place)] == [("failed", "0.03")] * 2
