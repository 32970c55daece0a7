"""``lumenfall run --each``, as its users call it: rows, what becomes of them, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from nodes.headless.sandbox import Fault, Sandbox
from nodes.spend import Journal
from tests.faults.world import LONGEST, Gate
from tests.headless.conftest import Command
from tests.headless.test_signals import started

INPUTS = {"prompt": "a cat", "model": "flux.2-pro", "size": "64x64", "n": 1, "seed": 0}
GRAPH: dict[str, Any] = {
    "1": {"class_type": "LumenfallGenerate", "inputs": INPUTS, "_meta": {"title": "Picture"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cats/cat"}},
}
COPY: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
}


@pytest.fixture
def place(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    yield tmp_path


def write(place: Path, *prompts: str) -> None:
    (place / "rows.csv").write_text("\n".join(["Picture.prompt", *prompts, ""]))


def results(place: Path) -> list[dict[str, str]]:
    with (place / "output" / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(place: Path, pattern: str = "cats/*") -> list[str]:
    output = place / "output"
    return sorted(path.relative_to(output).as_posix() for path in output.glob(pattern))


def prompts_billed(sandbox: Sandbox) -> Counter[str]:
    billed = {charge.request_id for charge in sandbox.bill}
    return Counter(str(each.fields["prompt"]) for each in sandbox.requests if each.request_id in billed)


def test_each_row_has_its_file_its_line_and_its_place_on_the_sheet(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog", "an owl")
    ended = command("run", "w.json", "--each", "rows.csv", "--jobs", "3", "--json")
    *rows, summary = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, summary["status"], summary["done"], summary["cost"]) == (0, "success", [1, 2, 3], 0.09)
    assert sorted(row["row"] for row in rows) == [1, 2, 3]
    assert files(place) == [f"cats/cat_0000{number}_.png" for number in (1, 2, 3)]
    lines = results(place)
    assert [(line["row"], line["status"], line["files"], line["cost"]) for line in lines] == [
        (str(number), "done", f"cats/cat_0000{number}_.png", "0.03") for number in (1, 2, 3)
    ]
    assert {line["request ids"] for line in lines} == {charge.request_id for charge in sandbox.bill}
    with (
        Image.open(place / "output" / "contact-sheet.png") as sheet,
        Image.open(place / "output" / files(place)[0]) as one,
    ):
        # Two cells a side; the middle of the first shows the middle of the first picture.
        side = sheet.width // 2
        assert sheet.size == (2 * side, 2 * side)
        shown, real = sheet.getpixel((side // 2, side // 2)), one.convert("RGB").getpixel((32, 32))
        assert shown == real and sheet.getpixel((side + side // 2, side + side // 2)) != real


def test_rows_that_moved_or_came_later_are_told_from_one_that_was_edited(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog")
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    write(place, "a dog", "a white cat", "a dog")
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    assert [(line["row"], line["status"], line["files"]) for line in results(place)] == [
        ("1", "done", "cats/cat_00002_.png"),
        ("2", "done", "cats/cat_00002-2_.png"),
        ("3", "done", "cats/cat_00003_.png"),
        ("", "gone", "cats/cat_00001_.png"),
    ]
    assert prompts_billed(sandbox) == {"a cat": 1, "a dog": 1, "a white cat": 1}


def test_a_row_that_fails_stops_no_other_and_is_run_again_when_asked(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog", "an owl")
    sandbox.fail_next("content-policy")
    first = command("run", "w.json", "--each", "rows.csv", "--jobs", "1")
    assert first.code == 1 and "Failed: row 1." in first.err and "Row 1 failed" in first.err
    assert [line["status"] for line in results(place)] == ["failed", "done", "done"]
    assert (results(place)[0]["charged"], results(place)[0]["error"] != "") == ("not charged", True)
    assert command("run", "w.json", "--each", "rows.csv").code == 1 and len(sandbox.bill) == 2
    assert command("run", "w.json", "--each", "rows.csv", "--retry-failed").code == 0
    assert [line["status"] for line in results(place)] == ["done"] * 3 and len(files(place)) == 3


def test_what_a_server_says_of_a_row_does_not_steer_the_terminal(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    def refuse(*_: Any) -> web.Response:
        return web.json_response({"error": {"code": "INVALID_REQUEST", "message": "no \x1b[2J such\rsize"}}, status=400)

    write(place, "a cat")
    sandbox.fail_next(Fault("colourful", "400 with control characters", instead=refuse))
    ended = command("run", "w.json", "--each", "rows.csv")
    assert ended.code == 1 and "such size" in ended.err and "\x1b" not in ended.err


def test_a_row_that_was_paid_for_nothing_is_bought_again_with_consent_alone(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog")
    sandbox.fail_next("reset-before-headers")
    arguments = ("run", "w.json", "--each", "rows.csv")
    assert command(*arguments, "--jobs", "1").code == 1
    for again in ((), ("--retry-failed",), ("--send-again",)):
        assert command(*arguments, *again).code == 1 and len(sandbox.bill) == 2, again
        lines = [(line["status"], line["charged"], line["cost"]) for line in results(place)]
        assert lines == [("failed", "charged", "0.03"), ("done", "charged", "0.03")], again
    assert command(*arguments, "--retry-failed", "--send-again").code == 0
    assert prompts_billed(sandbox) == {"a cat": 2, "a dog": 1} and len(files(place)) == 2
    assert [(line["status"], line["cost"]) for line in results(place)] == [("done", "0.06"), ("done", "0.03")]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("Picture.prompt,Picture.n\nfox,1\nfox,many\n", "Row 2, column 'Picture.n'"),
        ("Picture.prompt\n@none.txt\n", "Row 1, column 'Picture.prompt': the file 'none.txt'"),
        ("Nobody.prompt\nfox\n", "Row 1, column 'Nobody.prompt'"),
        ("Picture.prompt,1.prompt\nfox,cat\n", "are the same input"),
        ("Picture.n\n99\n", "Row 1, column 'Picture.n': 99"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_before_anything_is_sent(
    command: Command, place: Path, sandbox: Sandbox, rows: str, told: str
) -> None:
    (place / "rows.csv").write_text(rows)
    ended = command("run", "w.json", "--each", "rows.csv")
    assert ended.code == 2 and told in ended.err and not sandbox.requests


def test_a_row_may_name_what_can_be_no_file(command: Command, place: Path) -> None:
    (place / "w.json").write_text(json.dumps(COPY))
    (place / "rows.csv").write_text(f"LoadImage.image\n{'x' * 300}.png\n")
    ended = command("run", "w.json", "--each", "rows.csv")
    assert ended.code == 2 and "Row 1, column 'LoadImage.image'" in ended.err


def test_rows_are_not_written_over(command: Command, place: Path) -> None:
    (place / "results.csv").write_text("Picture.prompt\na cat\n")
    ended = command("run", "w.json", "--each", "results.csv", "--output", ".")
    assert ended.code == 2 and "would be overwritten" in ended.err
    assert (place / "results.csv").read_text() == "Picture.prompt\na cat\n"


@pytest.mark.parametrize("name", ["results.csv", "contact-sheet.png"])
def test_what_cannot_be_written_is_told_and_written_next_time(
    command: Command, place: Path, sandbox: Sandbox, name: str
) -> None:
    """As where somebody has it open on Windows."""
    write(place, "a cat", "a dog")
    (place / "output" / name).mkdir(parents=True)
    ended = command("run", "w.json", "--each", "rows.csv", "--json")
    *rows, summary = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, summary["status"], summary["done"], len(rows)) == (1, "error", [1, 2], 2)
    (error,) = summary["errors"]
    assert error["code"] == "NOT_WRITTEN" and name in error["message"]
    (place / "output" / name).rmdir()
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    assert (place / "output" / name).is_file() and len(sandbox.bill) == 2


def test_a_comparison_names_its_models_and_what_one_of_them_did_not_bring(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    inputs = {**INPUTS, "more_models": "flux.2-max"}
    compare = {"1": {**GRAPH["1"], "class_type": "LumenfallCompare", "inputs": inputs}, "2": GRAPH["2"]}
    (place / "w.json").write_text(json.dumps(compare))
    write(place, "a cat", "a dog")
    sandbox.fail_next("reset-before-headers")
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    first, second = results(place)
    assert {line["model"] for line in (first, second)} == {"flux.2-pro, flux.2-max"}
    assert first["error"] and not second["error"] and float(first["cost"]) == float(second["cost"])
    ids = "\n".join((first["request ids"], second["request ids"])).split("\n")
    assert set(ids) == {charge.request_id for charge in sandbox.bill}


def test_a_limit_that_keeps_rows_waiting_is_told(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, "a cat", "a dog", "an owl")
    monkeypatch.setenv("LUMENFALL_LIMIT_DAY", "0.07")
    ended = command("run", "w.json", "--each", "rows.csv", "--json")
    summary = json.loads(ended.out.splitlines()[-1])
    assert (ended.code, summary["waiting"], len(sandbox.bill)) == (1, [3], 2)
    assert [error["code"] for error in summary["errors"]] == ["BUDGET_EXCEEDED"]
    assert "The limit per day is 0.07 USD" in command("run", "w.json", "--each", "rows.csv").err


def test_paths_are_relative_to_the_rows(command: Command, place: Path) -> None:
    (place / "w.json").write_text(json.dumps(COPY))
    (place / "table").mkdir()
    for name, colour in (("table/a.png", "red"), ("a.png", "blue"), ("b.png", "green")):
        Image.new("RGB", (4, 4), colour).save(place / name)
    (place / "table" / "rows.csv").write_text(
        "LoadImage.image,SaveImage.filename_prefix\na.png,@name.txt\n../b.png,b\n,c\n"
    )
    (place / "table" / "name.txt").write_text("named")
    assert command("run", "w.json", "--each", "table/rows.csv").code == 0
    names = files(place, "*_*.png")
    assert names == ["b_00002_.png", "c_00003_.png", "named_00001_.png"]
    colours = []
    for name in names:
        with Image.open(place / "output" / name) as picture:
            colours.append(picture.getpixel((0, 0)))
    assert colours == [(0, 128, 0), (0, 0, 255), (255, 0, 0)]
    # Another picture under the same name is another row.
    Image.new("RGB", (4, 4), "white").save(place / "b.png")
    assert command("run", "w.json", "--each", "table/rows.csv").code == 0
    assert files(place, "b_*.png") == ["b_00002-2_.png", "b_00002_.png"]


def test_what_all_may_cost_holds_over_every_start(command: Command, place: Path, sandbox: Sandbox) -> None:
    write(place, "a cat", "a dog", "an owl", "a fox")
    arguments = ("run", "w.json", "--each", "rows.csv", "--max-cost", "0.07")
    for _ in range(2):
        ended = command(*arguments)
        assert ended.code == 1 and "--max-cost is 0.07 USD" in ended.err
        assert Counter(line["status"] for line in results(place)) == {"done": 2, "waiting": 2}
        assert len(sandbox.bill) == 2
    assert command(*arguments[:-1], "1").code == 0
    assert Counter(line["status"] for line in results(place)) == {"done": 4} and len(sandbox.bill) == 4


def test_what_all_may_cost_holds_where_the_folder_is_taken_elsewhere(
    command: Command, place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, "a cat", "a dog")
    assert command("run", "w.json", "--each", "rows.csv", "--max-cost", "0.07").code == 0
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(place / "another machine's"))
    write(place, "a cat", "a dog", "an owl")
    ended = command("run", "w.json", "--each", "rows.csv", "--max-cost", "0.07")
    assert ended.code == 1 and "0.06 are spent" in ended.err and len(sandbox.bill) == 2
    assert command("run", "w.json", "--each", "rows.csv", "--max-cost", "0.1").code == 0
    assert command("run", "w.json", "--each", "rows.csv", "--max-cost", "0.1").code == 0
    write(place, "a cat", "a dog", "an owl", "a fox")
    assert command("run", "w.json", "--each", "rows.csv", "--max-cost", "0.12").code == 0 and len(sandbox.bill) == 4


def test_a_dry_run_prices_what_a_run_would_buy(command: Command, place: Path, sandbox: Sandbox) -> None:
    write(place, "a cat", "a dog", "a dog", "an owl")
    assert command("run", "w.json", "--set", "Picture.prompt=an owl", "--output", "elsewhere").code == 0
    ended = command("run", "w.json", "--each", "rows.csv", "--dry-run", "--json")
    *rows, summary = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, summary["total"], summary["replayed"], len(sandbox.bill)) == (0, 0.06, 2, 1)
    assert {row["row"]: row["total"] for row in rows} == {1: 0.03, 2: 0.03, 3: 0.0, 4: 0.0}
    assert not (place / "output").exists()
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    again = command("run", "w.json", "--each", "rows.csv", "--dry-run", "--json").json
    assert (again["finished"], again["total"]) == (4, 0.0)


def test_two_commands_do_not_share_a_folder(command: Command, place: Path, sandbox: Sandbox) -> None:
    write(place, "a cat")
    gate = Gate()
    sandbox.fail_next(gate.fault)
    with started(place, "run", "w.json", "--each", "rows.csv"):
        gate.wait()
        ended = command("run", "w.json", "--each", "rows.csv")
        gate.open()
    assert ended.code == 2 and "Another command is at work" in ended.err


def test_a_row_that_was_killed_and_taken_out_is_told_with_its_charge(
    command: Command, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat", "a dog")
    gate = Gate()
    sandbox.fail_next(gate.fault)
    with started(place, "run", "w.json", "--each", "rows.csv") as process:
        gate.wait()
        process.kill()
        process.wait(LONGEST)
        gate.open()
    write(place, "a dog")
    for _ in range(2):  # the second one has learned what the first has asked for
        assert command("run", "w.json", "--each", "rows.csv").code == 0
    lines = [(line["row"], line["status"], line["cost"], line["charged"]) for line in results(place)]
    assert lines == [("1", "done", "0.03", "charged"), ("", "gone", "0.03", "charged")]


@pytest.mark.skipif(sys.platform == "win32", reason="its signals end a process at once")
def test_killed_twice_it_is_whole_in_the_end(command: Command, place: Path, sandbox: Sandbox) -> None:
    """Every row once, one file a picture, none billed twice; and what was in the air is named, with its charge."""
    write(place, *(f"fox {number}" for number in range(12)))
    arguments = ("run", "w.json", "--each", "rows.csv", "--jobs", "3", "--json")
    for number in (signal.SIGKILL, signal.SIGTERM):
        gates = [Gate() for _ in range(3)]
        with started(place, *arguments) as process:
            assert process.stdout is not None
            for _ in range(2):
                assert '"row"' in process.stdout.readline()
            sandbox.fail_next(*(gate.fault for gate in gates))
            for gate in gates:
                gate.wait()
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait(LONGEST)
            for gate in gates:
                gate.open()
            process.communicate(timeout=LONGEST)
    ended = command(*arguments)
    lines = results(place)
    failed = [line for line in lines if line["status"] == "failed"]
    assert ended.code == 1 and len(failed) == 3
    assert all((line["charged"], line["cost"]) == ("charged", "0.03") and line["error"] for line in failed)
    assert [line["row"] for line in lines] == [str(number) for number in range(1, 13)]
    assert files(place) == sorted(line["files"] for line in lines if line["status"] == "done")
    assert prompts_billed(sandbox) == {f"fox {number}": 1 for number in range(12)}
    assert not [path for path in (place / "output" / ".rows").iterdir() if path.is_dir()]


def test_a_kill_between_a_file_and_its_name_leaves_one(
    command: Command, journal: Journal, place: Path, sandbox: Sandbox
) -> None:
    write(place, "a cat")
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    (name,) = files(place)
    log = place / "output" / ".rows" / "log.jsonl"
    key = json.loads(log.read_text().splitlines()[-1])["key"]
    # As it was before the file was moved, and half a line was written of what came next.
    staged = place / "output" / ".rows" / key / "output" / "cats" / "cat_00001_.png"
    staged.parent.mkdir(parents=True)
    (place / "output" / name).rename(staged)
    log.write_text(f'{log.read_text()}{{"key": "{key}", "st')
    assert command("run", "w.json", "--each", "rows.csv").code == 0
    assert (files(place), len(sandbox.bill), staged.exists()) == ([name], 1, False)
