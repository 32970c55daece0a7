"""`lumenfall estimate`: the price of a workflow file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from nodes.headless import cli
from nodes.headless.sandbox import Sandbox
from tests.faults.world import LONGEST
from tests.templates import EXAMPLES, template, twin

ROOT = Path(__file__).parents[3]

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lumenfall(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command against the sandbox: exit code, stdout, stderr."""
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lumenfall", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert isinstance(stop.value.code, int)
        return stop.value.code, *capsys.readouterr()

    return command


def test_the_estimate_is_what_the_run_then_costs(lumenfall: Command, sandbox: Sandbox) -> None:
    code, out, err = lumenfall("estimate", twin("variations"), "--json")
    found = json.loads(out)
    assert (code, err, found["status"], found["errors"]) == (0, "", "success", [])
    assert sandbox.bill == []
    _, out, _ = lumenfall("run", twin("variations"), "--json")
    assert found["total"] == pytest.approx(json.loads(out)["cost"]) == pytest.approx(float(sandbox.billed))

    code, out, _ = lumenfall("estimate", twin("variations"))
    assert code == 0 and "store" in out and "Total: about 0 USD for 3 pictures, 3 replayed" in out


def test_the_file_that_people_share_is_priced_like_its_twin(lumenfall: Command) -> None:
    priced = [lumenfall("estimate", form("compare"), "--json") for form in (twin, template)]
    assert priced[0] == priced[1] and priced[0][0] == 0


def test_people_get_a_row_for_each_paid_node(lumenfall: Command) -> None:
    code, out, _ = lumenfall("estimate", twin("generate"), "--set", "Generate Image.n=4")
    row, total = out.splitlines()
    assert code == 0 and "Generate Image" in row and "4 pictures" in row and "dry run" in row
    assert total == "Total: about 0.212 USD for 4 pictures"


def test_a_server_that_takes_dry_runs_for_orders_is_sent_one_by_all_processes(
    lumenfall: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.headless.sandbox.log.Received.is_dry_run", property(lambda _: False))
    for seed, billed in ((1, 1), (2, 1), (3, 1)):
        monkeypatch.setattr("nodes.purchase.charged_dry_runs._marked", set())
        code, out, err = lumenfall("estimate", twin("generate"), "--set", f"Generate Image.seed={seed}")
        assert len(sandbox.bill) == billed
        assert ("took it for the order" in out + err) == (seed == 1)
    assert code == 0 and "dry run" not in out


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_folder_that_an_estimate_makes_is_private_and_holds_what_security_names(
    lumenfall: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price is the first that many ask for, and a server that takes a dry run for the order is noted there."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(folder))
    monkeypatch.setattr("nodes.headless.sandbox.log.Received.is_dry_run", property(lambda _: False))
    monkeypatch.setattr("nodes.purchase.charged_dry_runs._marked", set())
    lumenfall("estimate", twin("generate"))
    table = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Routes")[0]
    named = {name.rstrip("/") for name in re.findall(r"`([^`]+)`", table)}
    made = {path.name for path in folder.iterdir()}
    assert "spend.db" in made and "no-dry-runs" in made
    assert [name for name in made if not any(fnmatch(name, pattern) for pattern in named)] == []
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_writes_nothing_beside_the_workflow(lumenfall: Command, tmp_path: Path) -> None:
    lumenfall("estimate", twin("inpaint"), "--sandbox")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("invert", ["true", "false"])
def test_a_graph_for_comfyui_is_estimated_all_the_same(lumenfall: Command, invert: str) -> None:
    """The mask comes from a local node: what stands in for it must pass every check of masks."""
    change = ("--set", "10.n=2", "--set", f"10.invert={invert}")
    code, out, _ = lumenfall("estimate", twin("mix-with-local-models"), "--json", *change)
    (line,) = json.loads(out)["lines"]
    assert code == 0 and line["approximate"] and line["price"] == pytest.approx(0.106)


def test_a_node_that_cannot_be_estimated_exits_1(lumenfall: Command) -> None:
    refused = "LumenfallGenerate.prompt=something forbidden"
    code, out, _ = lumenfall("estimate", twin("generate"), "--set", refused, "--json")
    found = json.loads(out)
    assert (code, found["status"], found["unknown"]) == (1, "error", 1)
    assert found["lines"][0]["error"]["code"] == "CONTENT_POLICY_VIOLATION"
    code, out, _ = lumenfall("estimate", twin("generate"), "--set", refused)
    assert code == 1 and "Rephrase the prompt" in out and "1 node not known" in out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda graph: graph["2"]["inputs"].pop("seed"), "required, but missing"),
        (lambda graph: graph.clear(), "not a workflow in API format"),
    ],
)
def test_a_wrong_workflow_exits_2(
    lumenfall: Command, sandbox: Sandbox, tmp_path: Path, change: Callable[[Any], None], reason: str
) -> None:
    graph = json.loads((twin("generate")).read_text(encoding="utf-8"))
    change(graph)
    (tmp_path / "w.json").write_text(json.dumps(graph), encoding="utf-8")
    code, out, _ = lumenfall("estimate", "w.json", "--json")
    found = json.loads(out)
    assert (code, found["status"], found["lines"]) == (2, "error", []) and reason in found["errors"][0]["message"]
    code, out, err = lumenfall("estimate", "w.json")
    assert (code, out) == (2, "") and reason in err
    assert sandbox.requests == []


def test_a_setting_for_a_node_of_comfyui_exits_2(lumenfall: Command) -> None:
    code, _, err = lumenfall("estimate", twin("mix-with-local-models"), "--set", "KSampler.seed=2")
    assert code == 2 and "node 7 is a KSampler, which only ComfyUI knows" in err


def test_the_node_in_a_run_knows_the_core_nodes_too(lumenfall: Command, tmp_path: Path, sandbox: Sandbox) -> None:
    graph = json.loads((twin("inpaint")).read_text(encoding="utf-8"))
    del graph["4"]  # the SaveImage: only the estimate runs
    graph["9"] = {"class_type": "LumenfallEstimate", "inputs": {}}
    (tmp_path / "w.json").write_text(json.dumps(graph), encoding="utf-8")
    code, out, err = lumenfall("run", "w.json", "--json", "--input", EXAMPLES / "input")
    assert (code, err, json.loads(out)["errors"]) == (0, "", [])
    dry_run = next(one for one in sandbox.requests if one.method == "POST")
    # The size of the example's picture, not of a stand-in: Load Image was run.
    height = int.from_bytes(dry_run.files["image"][0][20:24], "big")
    assert height == 768 and sandbox.bill == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to a child there")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a child would ignore it too")
def test_ctrl_c_exits_130(sandbox: Sandbox) -> None:
    sandbox.latency = 30.0
    environ = {**os.environ, "LUMENFALL_BASE_URL": sandbox.base_url}
    command = [sys.executable, "-m", "nodes.headless", "estimate", str(twin("generate")), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not any(one.method == "POST" for one in sandbox.requests):
                assert time.monotonic() < deadline, "it never asked"
                threading.Event().wait(0.02)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=LONGEST)
        finally:
            process.kill()
    assert (process.returncode, json.loads(out)["status"]) == (130, "interrupted")
