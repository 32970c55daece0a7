"""``lumenfall spend``: the same money for people, spreadsheets, programs and in a picture."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nodes.errors import Charged
from nodes.spend import Journal, State
from tests.headless.conftest import Command
from tests.spend.test_ledger import booked

ROOT = Path(__file__).parents[3]


def test_people_see_each_call_and_the_exact_total(command: Command, journal: Journal) -> None:
    booked(journal, "0.1", when="2026-11-22 10:00", request_id="req_a", node_title="The [cat]", workflow="cats")
    booked(journal, "0.2", when="2026-11-23 10:00", request_id="req_b", provider="fal", pictures=2)
    printed = command("spend")
    head, first, second, total = printed.out.splitlines()
    assert (printed.code, printed.err) == (0, "")
    assert head.split() == ["time", "model", "provider", "request", "node", "workflow", "seconds", "cost"]
    assert " ".join(first.split()) == "2026-11-22 10:00:00 flux.2-pro req_a The [cat] cats 1.5 0.10 USD"
    assert second.split() == ["2026-11-23", "10:00:00", "flux.2-pro", "fal", "req_b", "1.5", "0.20", "USD"]
    assert total == "Total: 0.30 USD for 2 calls with 3 pictures"


def test_a_long_list_ends_with_the_newest_and_says_so(command: Command, journal: Journal) -> None:
    for minute in range(5):
        booked(journal, "0.1", when=f"2026-11-22 10:0{minute}", request_id=f"req_{minute}")
    booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, reserved="0.07", request_id="req_lost")
    lines = command("spend", "--last", "2").out.splitlines()
    assert [line.split()[3] for line in lines[1:3]] == ["req_3", "req_4"]
    assert lines[3] == "The newest 2 of 5 calls; --last lists more, --csv and --json have all."
    assert lines[4].startswith("Total: 0.50 USD for 5 calls")
    assert len(command("spend", "--json").json["entries"]) == len(rows(command("spend", "--csv").out)) == 5


def test_a_cost_by_tokens_is_called_about(command: Command, journal: Journal) -> None:
    booked(journal, "0.1", facts={"approximate": True})
    booked(journal, "0.2")
    told = [" ".join(line.split()[-3:]) for line in command("spend").out.splitlines()[1:3]]
    assert told == ["about 0.10 USD", "1.5 0.20 USD"]
    assert [each["approximate"] for each in command("spend", "--json").json["entries"]] == [True, False]
    assert [row["about"] for row in rows(command("spend", "--csv").out)] == ["about", ""]


def test_an_empty_ledger_is_no_error(command: Command) -> None:
    printed = command("spend")
    assert (printed.code, printed.out) == (0, "Total: 0.00 USD for 0 calls with 0 pictures\n")
    assert command("spend", "--json").json["total"] == 0.0


def test_sums_are_grouped_and_start_where_asked(command: Command, journal: Journal) -> None:
    for when in ("2026-10-31 23:59", "2026-11-01 00:00", "2026-11-02 12:00"):
        booked(journal, "0.05", when=when)
    lines = command("spend", "--by", "month", "--since", "2026-11-01").out.splitlines()
    assert lines[1].split() == ["2026-11", "2", "2", "3.0", "0.10", "USD"]
    assert lines[-1].startswith("Total: 0.10 USD for 2 calls")


def test_one_object_for_programs(command: Command, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_LIMIT_DAY", "5")
    booked(journal, "0.1", when="2026-11-22 10:00", request_id="req_a")
    booked(journal, "0.2", when="2026-11-22 11:00", model="gpt-image-2")
    booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, reserved="0.07", request_id="req_lost")
    found = command("spend", "--json", "--by", "model").json
    assert [(one["request_id"], one["cost"], one["currency"]) for one in found["entries"]] == [
        ("req_a", 0.1, "USD"),
        (None, 0.2, "USD"),
    ]
    assert (found["total"], found["currency"]) == (0.3, "USD")
    assert [(row["name"], row["cost"], row["count"]) for row in found["totals"]] == [
        ("gpt-image-2", 0.2, 1),
        ("flux.2-pro", 0.1, 1),
    ]
    (lost,) = found["uncertain"]
    assert (lost["request_id"], lost["reserved"], lost["cost"]) == ("req_lost", 0.07, None)
    assert found["limits"] == {"run": None, "day": 5.0, "month": None}
    assert found["entries"][0]["sent_at"].startswith("2026-11-22T10:00:00")


def test_what_counts_today_is_what_a_limit_would_count(command: Command, journal: Journal) -> None:
    import time

    booked(journal, "0.25", when=time.strftime("%Y-%m-%d 00:00"))
    assert command("spend", "--json").json["spent"] == {"today": 0.25, "month": 0.25, "unconverted": []}


def test_what_cannot_be_compared_with_a_limit_is_no_zero(command: Command, journal: Journal, tmp_path: Path) -> None:
    import time

    booked(journal, "0.25", when=time.strftime("%Y-%m-%d 00:00"))
    booked(journal, "3", when=time.strftime("%Y-%m-%d 00:00"), currency="EUR")
    assert command("spend", "--json").json["spent"] == {"today": None, "month": None, "unconverted": ["EUR"]}
    (journal.folder / "settings.json").write_text('{"rates": {"EUR": 2}}')
    assert command("spend", "--json").json["spent"] == {"today": 6.25, "month": 6.25, "unconverted": []}


def test_what_may_have_been_charged_is_not_hidden(command: Command, journal: Journal) -> None:
    booked(journal, None, state=State.LOST, charged=Charged.UNKNOWN, reserved="0.07", request_id="req_lost")
    out = command("spend").out
    assert "Not in the total: 1 call that may have been charged, with 0.07 USD reserved" in out
    assert "req_lost  may have been charged" in out


def test_limits_are_told_with_what_counts_against_them(
    command: Command, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_LIMIT_MONTH", "5")
    out = command("spend").out
    assert "This month: 0.00 of 5.00 USD" in out and "Today" not in out


# CSV


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_spreadsheet_gets_a_line_for_each_call(command: Command, journal: Journal) -> None:
    booked(journal, "0.000000001", when="2026-11-22 10:00", request_id="req_a", workflow='a, "b"', pictures=2)
    (row,) = rows(command("spend", "--csv").out)
    assert (row["workflow"], row["cost"], row["currency"], row["pictures"]) == ('a, "b"', "0.000000001", "USD", "2")
    (row,) = rows(command("spend", "--csv", "--by", "workflow").out)
    assert (row["workflow"], row["cost"], row["count"]) == ('a, "b"', "0.000000001", "1")


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1"])
def test_no_cell_is_run_as_a_formula(command: Command, journal: Journal, title: str) -> None:
    booked(journal, "1", node_title=title, workflow="plain")
    (row,) = rows(command("spend", "--csv").out)
    assert row["node_title"].startswith("'") and row["node_title"].endswith(title.strip())
    assert row["workflow"] == "plain" and not row["cost"].startswith("'")


def test_lines_end_once_and_letters_are_utf8_whatever_the_console(command: Command, journal: Journal) -> None:
    booked(journal, "1", node_title="\u4f60\u597d\n=x")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"}
    printed = subprocess.check_output([sys.executable, "-m", "nodes.headless", "spend", "--csv"], env=environ)
    assert printed.count(os.linesep.encode()) == 2 and b"\r" not in printed.replace(os.linesep.encode(), b"")
    assert "\u4f60\u597d =x".encode() in printed


# The picture


def test_the_picture_is_drawn(command: Command, journal: Journal, tmp_path: Path) -> None:
    for number in range(10):
        booked(journal, "0.04", when=f"2026-11-{10 + number} 10:00", model=f"model-{number}")
    printed = command("spend", "--plot", "spend.png")
    assert printed.code == 0 and printed.out.splitlines()[-1] == f"Drawn: {tmp_path / 'spend.png'}"
    with Image.open(tmp_path / "spend.png") as picture:
        assert picture.size == (1200, 600)
        colours = picture.convert("RGB").getcolors(2**20)
    assert colours and {(0x42, 0x69, 0xD0), (0x94, 0x98, 0xA0)} <= {colour for _, colour in colours}


def test_columns_are_days_of_exact_amounts(journal: Journal) -> None:
    from datetime import date

    from nodes.headless.commands.chart import _columns
    from nodes.spend import daily

    for model, when, cost in (("a", "02-28 23:59", "0.1"), ("b", "03-02 00:00", "0.5"), ("a", "02-28 00:00", "0.2")):
        booked(journal, cost, when=f"2026-{when}", model=model)
    days, columns = _columns(daily(journal))
    assert days == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert columns == [("b", [0.0, 0.0, 0.5]), ("a", [0.3, 0.0, 0.0])]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--plot", "a.png"], 1, "nothing to draw"),
        (["--plot", "a.jpg"], 2, "PNG files only"),
        (["--csv", "--json"], 2, "choose one"),
        (["--since", "yesterday"], 2, "--since"),
        (["--by", "mood"], 2, "--by"),
    ],
)
def test_what_cannot_be_done_is_told(command: Command, arguments: list[str], code: int, reason: str) -> None:
    printed = command("spend", *arguments)
    assert printed.code == code and reason in printed.err


def test_a_picture_that_cannot_be_written_is_told(command: Command, journal: Journal) -> None:
    booked(journal, "1")
    printed = command("spend", "--plot", "nowhere/a.png", "--json")
    assert (printed.code, printed.json["error"]["code"]) == (1, "INVALID_INPUT")
    assert "cannot be written" in printed.err


def test_a_bad_setting_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_LIMIT_DAY", "much")
    printed = command("spend", "--json")
    assert (printed.code, printed.json["error"]["code"]) == (1, "SETTINGS")


def test_it_does_not_wait_for_torch(command: Command) -> None:
    code = "import sys; from nodes.headless import cli; sys.argv = ['lumenfall', 'spend']\n"
    code += "try: cli.main()\nexcept SystemExit: print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environ, text=True).endswith("False False\n")
