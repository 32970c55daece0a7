"""The command line, as its users call it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from PIL import Image

from nodes import table
from nodes.api import bundled, ended
from nodes.api.catalogue import Mode
from nodes.headless import cli
from nodes.headless.commands.options import input_beside
from nodes.headless.sandbox import Sandbox, running
from nodes.purchase import background, repeated_signals
from nodes.spend import Journal, State, entries, newest
from nodes.table import NODE_CLASS_MAPPINGS
from tests.conftest import wait_until_idle
from tests.faults.world import LONGEST, NO_LOG
from tests.headless.conftest import Command
from tests.purchase.test_ask import until

ROOT = Path(__file__).parents[2]


def workflow(**changed: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "p"},
            "_meta": {"title": "Out"},
        },
        **changed,
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a picture in ``input`` and a workflow that copies it."""
    (tmp_path / "input").mkdir()
    Image.new("RGB", (8, 4), (1, 2, 3)).save(tmp_path / "input" / "a.png")
    (tmp_path / "w.json").write_text(json.dumps(workflow()))
    return tmp_path


def spawned(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "nodes.headless", *arguments]
    return subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, timeout=60)


def options_of(command: Any) -> set[str]:
    """Of a command and those below it."""
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union({"--help"}, *map(options_of, getattr(command, "commands", {}).values()))


def test_what_the_pages_say_to_type_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command and option of README, CONTRIBUTING and docs/; and the page with all commands has all."""
    pages = {page: page.read_text("utf-8") for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
    for name in cli.COMMANDS:
        monkeypatch.setattr(sys, "argv", ["lumenfall", name])
        known = options_of(typer.main.get_command(cli.prepared()))
        for page, text in pages.items():
            for line in re.findall(rf"lumenfall {name}\b([^`#\n]*)", text):
                assert set(re.findall(r" (--[a-z-]+)", line)) <= known, f"{page.name}: lumenfall {name}{line}"
        assert re.search(rf"`{name}`|lumenfall {name}\b", pages[ROOT / "docs" / "command-line.md"]), name
    typed = {name for text in pages.values() for name in re.findall(r"(?m)^lumenfall ([a-z]+)", text)}
    assert typed <= set(cli.COMMANDS)


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path, *arguments: str
) -> tuple[int, str, str]:
    """The same in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["lumenfall", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out, err


def test_a_picture_that_is_null_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """So a browser saves a menu that was empty."""
    nothing = {"class_type": "LoadImage", "inputs": {"image": None}}
    (place / "w.json").write_text(json.dumps(workflow(**{"1": nothing})))
    code, out, _ = run(capsys, monkeypatch, place, "run", "w.json", "--json")
    assert (code, [each["code"] for each in json.loads(out)["errors"]]) == (2, ["VALUE_NOT_IN_LIST"])


def test_a_limit_without_end_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    (place / "rows.csv").write_text("Out.filename_prefix\nq\n")
    arguments = ("run", "w.json", "--each", "rows.csv", "--max-cost", "inf")
    code, _, err = run(capsys, monkeypatch, place, *arguments)
    assert code == 2 and "--max-cost" in err and not (place / "output").exists()


def test_a_run_exits_0_and_prints_one_object(place: Path) -> None:
    done = spawned(place, "run", "w.json", "--json", "--set", "Out.filename_prefix=q")
    summary = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert summary["status"] == "success"
    assert summary["outputs"] == {
        "2": {
            "title": "Out",
            "class_type": "SaveImage",
            "images": [str((place / "output" / "q_00001_.png").resolve())],
        }
    }
    assert (summary["cost"], summary["errors"], summary["reports"]) == (None, [], {})
    assert (place / "output" / "q_00001_.png").is_file()


def test_a_wrong_workflow_exits_2_and_is_told_on_stderr(place: Path) -> None:
    title = "\u4f60\u597d"  # not in the console's encoding
    broken = workflow(**{"3": {"class_type": "ImageScale", "inputs": {}, "_meta": {"title": title}}})
    broken["2"]["inputs"]["images"] = ["3", 0]
    (place / "w.json").write_text(json.dumps(broken))
    done = spawned(place, "run", "w.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'Node 3 "??": input "image": required, but missing' in done.stderr
    assert "[REQUIRED_INPUT_MISSING | not charged]" in done.stderr


def test_a_graph_for_comfyui_exits_3(place: Path) -> None:
    (place / "w.json").write_text(json.dumps(workflow(**{"9": {"class_type": "KSampler", "inputs": {}}})))
    done = spawned(place, "run", "w.json", "--json")
    (error,) = json.loads(done.stdout)["errors"]
    assert (done.returncode, error["code"]) == (3, "NEEDS_COMFYUI")
    assert "KSampler" in error["message"]
    assert "comfy-cli" in error["hint"]


def test_bad_usage_exits_2_with_an_object_for_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    code, out, err = run(capsys, monkeypatch, place, "run", "w.json", "--nonsense", "--json")
    summary = json.loads(out)
    assert (code, summary["status"], summary["errors"][0]["code"]) == (2, "error", "INVALID_USAGE")
    assert "--nonsense" in summary["errors"][0]["message"]
    assert "--nonsense" in err


@pytest.mark.parametrize("arguments", [["run", "absent.json"], ["run", "w.json", "--output", "w.json"]])
def test_what_cannot_be_read_or_written_exits_2_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path, arguments: list[str]
) -> None:
    code, out, _ = run(capsys, monkeypatch, place, *arguments, "--json")
    assert (code, json.loads(out)["status"]) == (2, "error")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in its folders")
def test_what_comes_through_a_pipe_is_read_once(place: Path) -> None:
    os.mkfifo(place / "pipe")
    text = (place / "w.json").read_text()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, given in (("pipe", ""), ("/dev/stdin", text)):
        writer = threading.Thread(target=(place / "pipe").write_text, args=(text,), daemon=True)
        if name == "pipe":
            writer.start()
        command = [sys.executable, "-m", "nodes.headless", "run", name, "--input", "input", "--json"]
        done = subprocess.run(command, cwd=place, env=environ, input=given, capture_output=True, text=True, timeout=20)
        assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "success")


@pytest.mark.parametrize("prefix", ["p", "another"])
def test_a_picture_carries_the_drawing_above_only_where_it_is_of_this_graph(place: Path, prefix: str) -> None:
    image = {"id": 1, "type": "LoadImage", "widgets_values": ["a.png", "image"]}
    image["outputs"] = [{"name": "IMAGE", "type": "IMAGE", "links": [1]}]
    save = {"id": 2, "type": "SaveImage", "widgets_values": [prefix]}
    save["inputs"] = [{"name": "images", "type": "IMAGE", "link": 1}]
    drawn = {"nodes": [image, save], "links": [[1, 1, 0, 2, 0, "IMAGE"]], "version": 0.4}
    (place / "api").mkdir()
    (place / "api" / "w.json").write_text((place / "w.json").read_text())
    (place / "w.json").write_text(json.dumps(drawn))
    done = spawned(place, "run", "api/w.json", "--json")
    (path,) = json.loads(done.stdout)["outputs"]["2"]["images"]
    with Image.open(path) as picture:
        assert ("workflow" in picture.info) is (prefix == "p")


class Paid:
    """A node of this pack, as far as the command line can tell."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",), "mood": ("STRING", {})}}

    def go(self, image: Any, mood: str) -> dict[str, Any]:
        if mood == "bad":
            raise ValueError("[no] way")
        if mood == "stop":
            os.kill(os.getpid(), signal.SIGINT)
        if mood == "break":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        report = {"model": "m", "cost": 0.04, "currency": "USD", "notes": ["a [note]"]}
        return {"ui": {"lumenfall": [report]}, "result": (image,)}


@pytest.fixture
def paid(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(table, "NODE_CLASS_MAPPINGS", {"Paid": Paid})
    monkeypatch.setattr(repeated_signals, "TOGETHER", 0.0)
    graph = workflow(
        **{
            "3": {"class_type": "Paid", "inputs": {"image": ["1", 0], "mood": "good"}},
            "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "r"}},
        }
    )
    (place / "w.json").write_text(json.dumps(graph))
    return place


def test_people_see_files_cost_and_notes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, paid: Path
) -> None:
    code, out, err = run(capsys, monkeypatch, paid, "run", "w.json")
    assert (code, err) == (0, "")
    assert str(paid / "output" / "r_00001_.png") in out.splitlines()
    assert "Cost: 0.04 USD" in out
    assert "Note of node 3 (m): a [note]" in out


def test_a_failed_node_exits_1_and_the_other_branch_is_saved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, paid: Path
) -> None:
    code, out, _ = run(capsys, monkeypatch, paid, "run", "w.json", "--json", "--set", "3.mood=bad")
    summary = json.loads(out)
    assert (code, summary["status"], list(summary["outputs"])) == (1, "error", ["2"])
    (error,) = summary["errors"]
    assert (error["node_id"], error["class_type"], error["code"]) == ("3", "Paid", "NODE_FAILED")
    code, _, err = run(capsys, monkeypatch, paid, "run", "w.json", "--set", "3.mood=bad")
    assert code == 1
    assert 'Node 3 "Paid": ValueError: [no] way' in err


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill there ends the process")
@pytest.mark.parametrize(("mood", "reports"), [("stop", ["3"]), ("break", [])])
def test_ctrl_c_exits_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, paid: Path, mood: str, reports: list[str]
) -> None:
    code, out, _ = run(capsys, monkeypatch, paid, "run", "w.json", "--json", "--set", f"3.mood={mood}")
    summary = json.loads(out)
    assert (code, summary["status"], list(summary["reports"])) == (130, "interrupted", reports)


def test_a_bug_still_prints_one_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, paid: Path
) -> None:
    def broken(cls: type) -> dict[str, Any]:
        raise KeyError("oops")

    monkeypatch.setattr(Paid, "INPUT_TYPES", classmethod(broken))
    code, out, _ = run(capsys, monkeypatch, paid, "run", "w.json", "--json")
    assert (code, json.loads(out)["errors"][0]["code"]) == (1, "UNEXPECTED")


@pytest.mark.parametrize(("inside", "found"), [("w.json", "input"), ("api/w.json", "input"), ("a/b/w.json", "a/b")])
def test_the_input_folder_is_looked_for_beside_and_above(place: Path, inside: str, found: str) -> None:
    (place / inside).parent.mkdir(parents=True, exist_ok=True)
    assert input_beside(place / inside).resolve() == place / found


def test_the_help_names_the_exit_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    code, out, _ = run(capsys, monkeypatch, place, "run", "--help")
    assert code == 0
    for meaning in ("0  all done", "1  a node failed", "2  the workflow", "3  the graph", "130  interrupted"):
        assert meaning in out
    assert out.isascii()


def test_the_sandbox_needs_no_key_and_keeps_to_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    inputs = {"prompt": "a cat", "model": "gpt-image-1.5", "size": "64x32", "n": 2, "seed": 0}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }
    (place / "w.json").write_text(json.dumps(graph))
    monkeypatch.setenv("LUMENFALL_API_KEY", "must not be used")
    before = dict(os.environ)
    code, out, err = run(capsys, monkeypatch, place, "run", "w.json", "--sandbox", "--json")
    summary = json.loads(out)
    assert (code, summary["errors"], err) == (0, [], "")
    assert len(summary["outputs"]["2"]["images"]) == 2
    assert summary["cost"] == summary["reports"]["1"]["cost"] > 0
    assert summary["currency"] == "USD"
    assert (place / "output" / ".lumenfall").is_dir()
    assert dict(os.environ) == before


def generating(place: Path, **changed: Any) -> None:
    inputs = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 0, **changed}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }
    (place / "w.json").write_text(json.dumps(graph))


def announced(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set when a command says something on stderr."""
    said = threading.Event()
    echo = cli.typer.echo

    def listening(message: Any = None, **options: Any) -> None:
        echo(message, **options)
        said.set()

    monkeypatch.setattr(cli.typer, "echo", listening)
    return said


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill there ends the process")
@pytest.mark.parametrize("presses", [1, 2])
def test_a_stopped_run_waits_for_what_it_has_paid_until_the_next_ctrl_c(
    command: Command, journal: Journal, place: Path, monkeypatch: pytest.MonkeyPatch, presses: int
) -> None:
    monkeypatch.setattr(repeated_signals, "TOGETHER", 0.0)
    generating(place)
    with running(latency=1.0, faults=["hang"] if presses == 2 else []) as server:
        monkeypatch.setenv("LUMENFALL_BASE_URL", server.base_url)
        said = announced(monkeypatch)

        def press() -> None:
            until(lambda: any(request.method == "POST" for request in server.requests))
            os.kill(os.getpid(), signal.SIGINT)
            if presses == 2 and said.wait(10):
                os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        printed = command("run", "w.json", "--json")
        thread.join()
        assert (printed.code, printed.json["status"]) == (130, "interrupted")
        assert printed.json["seconds"] > 0 and "Waiting for paid calls" in printed.err
        (call,) = newest(journal, 1)
        assert call.state is (State.DONE if presses == 1 else State.SENT)
    assert wait_until_idle(10) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill there ends the process")
def test_ctrl_c_also_ends_the_waiting_after_a_whole_run(
    command: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    out = background.start(asyncio.to_thread(done.wait, 10))
    said = announced(monkeypatch)
    thread = threading.Thread(target=lambda: said.wait(10) and os.kill(os.getpid(), signal.SIGINT))
    thread.start()
    printed = command("run", "w.json", "--json")
    assert (printed.code, printed.json["status"], out.done()) == (0, "success", False)
    done.set()
    thread.join()
    assert wait_until_idle(10) == 0


def test_the_ledger_names_the_workflow_after_its_file(command: Command, place: Path) -> None:
    generating(place)
    command("run", "w.json", "--sandbox")
    (call,) = newest(Journal(place / "output" / ".lumenfall"), 1)
    assert (call.workflow, call.node_title) == ("w", "LumenfallGenerate")


def test_what_the_sandbox_billed_is_in_no_real_ledger(
    command: Command, journal: Journal, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generating(place)
    monkeypatch.setenv("LUMENFALL_DATABASE", f"sqlite:///{place / 'shared.db'}")
    assert command("run", "w.json", "--sandbox").code == 0
    assert not (place / "shared.db").exists() and list(entries(journal)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to a child there")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a child would ignore it too")
def test_the_sandbox_serves_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "nodes.headless", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            variable, _, base_url = process.stdout.readline().strip().partition("=")
            assert variable == "LUMENFALL_BASE_URL"
            with urllib.request.urlopen(f"{base_url}/models", timeout=10) as answer:
                assert json.load(answer)["data"]
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LONGEST)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fault", "flood"], "unknown fault 'flood'"),
        (["--latency", "-1"], "--latency"),
        (["--port", "70000"], "--port"),
    ],
)
def test_a_sandbox_that_cannot_be_meant_exits_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: Path,
    arguments: list[str],
    reason: str,
) -> None:
    code, _, err = run(capsys, monkeypatch, place, "sandbox", *arguments)
    assert code == 2
    assert reason in err


def test_models_are_listed_for_people_and_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(place / "data"))
    with running() as server:
        monkeypatch.setenv("LUMENFALL_BASE_URL", server.base_url)
        code, out, _ = run(capsys, monkeypatch, place, "models", "--json", "--mode", "edit")
        listed = json.loads(out)
        assert (code, listed["source"]) == (0, "server")
        assert listed["models"]
        assert all("edit" in model["modes"] for model in listed["models"])
        for mode in get_args(Mode):
            assert run(capsys, monkeypatch, place, "models", "--json", "--mode", mode)[0] == 0
        code, out, _ = run(capsys, monkeypatch, place, "models", "--mode", "edit")
        assert code == 0
        assert all(model["id"] in out for model in listed["models"])
        assert out.splitlines()[-1].startswith(f"{len(listed['models'])} models (server")


def test_the_list_of_models_says_how_old_it_is_and_what_has_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(place / "data"))
    monkeypatch.setenv("COLUMNS", "80")
    gone, leaving = ended().models[0], next(model for model in bundled().models if model.ends)
    with running() as server:
        # A server that has no list.
        monkeypatch.setenv("LUMENFALL_BASE_URL", server.base_url.replace("/openai", ""))
        monkeypatch.setenv("LUMENFALL_API_KEY", "any")
        code, out, err = run(capsys, monkeypatch, place, "models")
        _, text, _ = run(capsys, monkeypatch, place, "models", "--json")
    assert code == 1 and "could not be had" in err
    lines = out.splitlines()
    assert lines[-1] == f"{len(bundled().models)} models (bundled list of {bundled().compiled})"
    assert all(model.id in out for model in bundled().models), "slugs are whole, to be copied"
    for model in (gone, leaving):
        assert [line for line in lines if line.startswith(f"{model.id} end") and model.successors[0] in line]
    listed = json.loads(text)
    assert listed["compiled"] == str(bundled().compiled)
    assert {model["id"]: model["ends"] for model in listed["ended"]} == {m.id: str(m.ends) for m in ended().models}
    (entry,) = (model for model in listed["models"] if model["id"] == leaving.id)
    assert entry["successors"] == list(leaving.successors)


def test_a_run_tells_of_an_ended_model_on_stderr_and_in_its_error(place: Path) -> None:
    gone = ended().models[0]
    generating(place, model=gone.id)
    done = spawned(place, "run", "w.json", "--sandbox")
    assert done.returncode == 1
    warning, error = done.stderr.splitlines()[:2]
    assert warning.startswith(f"{gone.id} ended on {gone.ends}.") and gone.successors[0] in warning
    assert "refused" in error and gone.successors[0] in error
    (offered,) = re.findall(r'--set "([^"]+)"', error)
    assert spawned(place, "run", "w.json", "--sandbox", "--set", offered).returncode == 0


def test_where_request_options_name_the_ended_model_its_successor_goes_there(place: Path, command: Command) -> None:
    graph = json.loads((ROOT / "example_workflows" / "api" / "Generate a Picture.json").read_text(encoding="utf-8"))
    (node_id,) = (name for name, node in graph.items() if node["class_type"] == "LumenfallGenerate")
    declared = NODE_CLASS_MAPPINGS["LumenfallOptions"].INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in declared.items()}
    graph["9"] = {"class_type": "LumenfallOptions", "inputs": {**defaults, "model": ended().models[0].id}}
    graph[node_id]["inputs"]["options"] = ["9", 0]
    (place / "w.json").write_text(json.dumps(graph))
    (error,) = json.loads(command("run", "w.json", "--sandbox", "--json").out)["errors"]
    (offered,) = re.findall(r'--set "([^"]+)"', error["hint"])
    assert offered.startswith("9.model=") and error["charged"] == "not charged"
    assert command("run", "w.json", "--sandbox", "--set", offered).code == 0


def test_models_without_a_key_exit_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    for variable in ("LUMENFALL_API_KEY", "LUMENFALL_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(place / "data"))
    code, out, err = run(capsys, monkeypatch, place, "models", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "NO_API_KEY")
    assert "LUMENFALL_API_KEY" in err


def test_what_may_have_been_charged_is_sent_again_where_the_user_says_so(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a server whose request log is out of order, so that nobody can ask."""
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    key = "sk-somebody.TOPSECRET"
    monkeypatch.setenv("LUMENFALL_API_KEY", key)
    inputs = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 0}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs, "_meta": {"title": f"The cat {key}"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    sandbox.fail_next("plain-500", *[NO_LOG] * 100)
    codes = []
    for arguments in ((), (), ("--send-again",), ()):
        printed = command("run", "w.json", "--json", *arguments)
        assert key not in printed.out + printed.err
        codes.append([(error["code"], error["node_title"], error["charged"]) for error in printed.json["errors"]])
    unknown = "may have been charged"
    assert codes == [[("HTTP_500", "The cat ***", unknown)], [("SENT_BEFORE", "The cat ***", unknown)], [], []]
    assert len(sandbox.bill) == 1


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_that_help_lists_is_there(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lumenfall", name, "--help"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0 and f"Usage: lumenfall {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["run", "w.json"]])
def test_what_needs_no_nodes_waits_for_none(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("no workflow")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[1:] = {arguments!r}\n"
        "from nodes.headless import entry\n"
        "try: entry.main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "else: code = 0\n"
        "print(code, sorted({'torch', 'numpy', 'httpx', 'sqlalchemy', 'aiohttp'} & set(sys.modules)))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert printed.splitlines()[-1] == f"{2 if 'w.json' in arguments else 0} []"


def test_what_leads_nowhere_is_left_out_and_named(place: Path) -> None:
    nodes = [
        {"id": 1, "type": "EmptyImage", "outputs": [{"name": "IMAGE", "type": "IMAGE"}]},
        {"id": 2, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
        {"id": 3, "type": "VAELoader", "outputs": [{"name": "VAE", "type": "VAE"}]},
    ]
    (place / "drawn.json").write_text(json.dumps({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "IMAGE"]]}))
    done = spawned(place, "run", "drawn.json", "--json")
    assert (done.returncode, list(json.loads(done.stdout)["outputs"])) == (0, ["2"])
    assert "VAELoader (node 3)" in done.stderr


def _generating(
    place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, prefix: str = "cat", **inputs: Any
) -> None:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    node = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 0, **inputs}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": node},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }
    (place / "w.json").write_text(json.dumps(graph))


def test_a_picture_that_is_missing_is_told_on_stderr_and_among_the_warnings(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _generating(tmp_path, sandbox, monkeypatch, n=2)
    assert command("run", "w.json", "--json").json["warnings"] == []
    next((tmp_path / "data").glob("store/*/*.png")).write_bytes(b"damaged")
    sandbox.fail_next("download-404:100")
    monkeypatch.setattr("nodes.api.downloads.LAG", (0.1,))
    for name in sandbox._shelf._media:
        sandbox._shelf.expire(name)
    printed = command("run", "w.json", "--json")
    (warning,) = printed.json["warnings"]
    assert printed.code == 0 and (warning["node_id"], warning["class_type"]) == ("1", "LumenfallGenerate")
    assert warning["message"] == "1 of 2 pictures is missing; the notes say why."
    assert "1 of 2 pictures is missing" in command("run", "w.json").err


@pytest.mark.parametrize("in_sandbox", [False, True])
def test_a_file_is_not_named_after_the_key(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_sandbox: bool
) -> None:
    """Nothing is paid for it, and the key is not told."""
    key = "sk-somebody.TOPSECRET"
    monkeypatch.setenv("LUMENFALL_API_KEY", key)
    _generating(tmp_path, sandbox, monkeypatch, prefix=f"cats/{key}")
    printed = command("run", "w.json", "--json", *(["--sandbox"] if in_sandbox else []))
    (error,) = printed.json["errors"]
    assert printed.code == 2 and "would show your API key" in error["message"] and error["charged"] == "not charged"
    assert key not in printed.out + printed.err and sandbox.bill == []


def at_work(place: Path, stdout: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with this stdout; None closes it."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nodes.headless", *arguments]
    if stdout is None:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    return subprocess.run(
        command, cwd=place, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
@pytest.mark.parametrize(
    ("is_full", "more"),
    [(True, ("run", "w.json")), (False, ("run", "w.json", "--json")), (True, ("convert", "w.json"))],
)
def test_what_stdout_cannot_take_is_told_with_where_the_pictures_are(
    place: Path, is_full: bool, more: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = at_work(place, full if is_full else None, *more)
    reason = "No space left on device" if is_full else "it is closed"
    assert done.returncode == 1
    assert f"standard output: {reason}. Free some space, or send it to another file" in done.stderr
    assert "Traceback" not in done.stderr and "OSError" not in done.stderr
    assert (str(place / "output" / "p_00001_.png") in done.stderr) is (more[0] == "run")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such shell")
def test_a_closed_stdout_is_no_fault_where_nothing_is_printed(place: Path) -> None:
    done = at_work(place, None, "convert", "w.json", "--output", "made.json")
    assert (done.returncode, done.stderr) == (0, "") and (place / "made.json").exists()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("1.size=bogus", "The size 'bogus' is not understood."),
        ("1.prompt=", "The prompt is empty."),
        ("1.model=a b", "The model's slug holds a space"),
    ],
)
def test_what_a_paid_node_refuses_keeps_everything_from_being_sent(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, setting: str, told: str
) -> None:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    generating(place)
    graph = json.loads((place / "w.json").read_text())
    graph["3"] = {**graph["1"], "inputs": {**graph["1"]["inputs"], "seed": 5}}
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    (place / "w.json").write_text(json.dumps(graph))
    printed = command("run", "w.json", "--json", "--set", setting)
    (error,) = printed.json["errors"]
    assert (printed.code, error["node_id"], error["charged"]) == (2, "1", "not charged") and told in error["message"]
    assert not any(request.method == "POST" for request in sandbox.requests)


def test_a_file_that_is_no_picture_is_found_before_another_branch_is_paid(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    generating(place)
    graph = json.loads((place / "w.json").read_text())
    graph["3"] = {"class_type": "LoadImage", "inputs": {"image": "b.png"}}
    graph["4"] = {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["3", 0]}}
    graph["2"]["inputs"]["images"] = ["4", 0]
    (place / "w.json").write_text(json.dumps(graph))
    (place / "input" / "b.png").write_text("no picture")
    printed = command("run", "w.json", "--json")
    (error,) = printed.json["errors"]
    assert (printed.code, error["node_id"]) == (2, "3") and "cannot be read as a picture" in error["message"]
    assert not any(request.method == "POST" for request in sandbox.requests)


def test_a_wrong_input_that_only_the_run_can_find_exits_2_where_nothing_was_sent(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture has no transparency, and so no mask."""
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    inputs = {"image": ["1", 0], "mask": ["1", 1], "prompt": "x", "model": "gpt-image-2", "size": "auto", "n": 1}
    graph = workflow(
        **{"3": {"class_type": "LumenfallInpaint", "inputs": {**inputs, "seed": 0, "keep_unmasked": True}}}
    )
    graph["2"]["inputs"]["images"] = ["3", 0]
    (place / "w.json").write_text(json.dumps(graph))
    printed = command("run", "w.json", "--json")
    assert (printed.code, printed.json["errors"][0]["code"]) == (2, "EMPTY_MASK")


def test_the_size_of_a_picture_is_known_before_anything_runs(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scaled from a known file; turned by its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 8)).save(place / "input" / "a.jpg", exif=exif)
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    generating(place)
    graph = json.loads((place / "w.json").read_text())
    graph["3"] = {"class_type": "LoadImage", "inputs": {"image": "a.jpg"}}
    sides = {"width": 0, "height": 16384, "crop": "disabled"}
    graph["4"] = {"class_type": "ImageScale", "inputs": {"image": ["3", 0], "upscale_method": "area", **sides}}
    graph["6"] = {"class_type": "ImageBatch", "inputs": {"image1": ["4", 0], "image2": ["4", 0]}}
    graph["7"] = {"class_type": "GetImageSize", "inputs": {"image": ["6", 0]}}
    graph["8"] = {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["6", 0], "upscale_method": "area", "scale_by": 2.0},
    }
    graph["9"] = {"class_type": "GetImageSize", "inputs": {"image": ["8", 0]}}
    graph["1"]["inputs"] |= {"width": ["7", 0], "height": ["9", 1]}
    (place / "w.json").write_text(json.dumps(graph))
    printed = command("run", "w.json", "--json")
    (error,) = printed.json["errors"]
    assert printed.code == 2 and "The size '1311x32768' is not understood." in error["message"]
