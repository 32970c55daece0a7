"""``lumenfall store``: what was paid for can be found, copied and cleared, and nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.spend import Call, Journal, State, kept
from tests.headless.conftest import Command
from tests.spend.test_ledger import booked

FOX = {"prompt": "A red fox: jumping, over /the/ lazy dog and far away", "seed": 3}


def fox(journal: Journal, **columns: object) -> Call:
    when = str(columns.pop("when", "2026-11-23 21:45"))
    return booked(journal, "0.04", when=when, parameters=FOX, model="gpt-image-2", **columns)  # type: ignore[arg-type]


def delivered(journal: Journal, *calls: Call) -> None:
    journal.mark_delivered(calls)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Looking


def test_the_list_tells_what_is_there_and_how_much_room_is_left(command: Command, journal: Journal) -> None:
    call = fox(journal, pictures=2)
    waiting = booked(journal, "1", when="2026-11-24 10:00", state=State.ANSWERED, pictures=0)
    booked(journal, "1", state=State.LOST, pictures=0)
    delivered(journal, call)
    _, first, second, last = command("store", "list").out.splitlines()
    assert first.split()[:4] == [call.id[:8], "2026-11-23", "21:45:00", "gpt-image-2"]
    assert "A red fox: jumping" in first and first.split()[-5:] == ["2", "66", "bytes", "0.04", "done"]
    assert second.startswith(waiting.id[:8]) and second.rstrip().endswith("answered, never arrived")
    assert last == "2 calls, 66 bytes of 10 GB"


def test_the_list_for_programs(command: Command, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_STORE_GB", "0.5")
    call = fox(journal)
    found = command("store", "list", "--json").json
    assert (found["size"], found["limit"]) == (33, 500_000_000)
    (one,) = found["calls"]
    assert (one["id"], one["size"], one["state"], one["delivered"]) == (call.id, 33, "done", False)


@pytest.mark.parametrize("digits", [8, 12, 32])
def test_a_call_is_shown_with_its_files_and_without_its_links(command: Command, journal: Journal, digits: int) -> None:
    facts = {"entries": 1, "links": ["https://media/secret"], "notes": ["a note"]}
    call = replace(fox(journal), facts=facts)
    journal.settle(call)
    found = command("store", "show", call.id[:digits], "--json").json
    (path,) = found["files"]
    assert Path(path).is_absolute() and Path(path).read_bytes() == journal.files.get(call.pictures[0])
    assert (found["asked"], found["key"], found["cost"]) == (FOX, call.key, 0.04)
    assert found["facts"] == {"entries": 1, "notes": ["a note"]}
    out = command("store", "show", call.id[:digits]).out
    assert path in out and "0.04" in out and "secret" not in out and "jumping" in out


def test_a_call_is_found_by_its_request_id_and_a_lost_file_is_told(command: Command, journal: Journal) -> None:
    call = fox(journal, request_id="req_123")
    journal.files.remove(call.pictures[0])
    assert command("store", "show", "req_123", "--json").json["files"] == [None]
    assert "gone from the store" in command("store", "show", "req_123").out


def test_an_unknown_id_exits_1(command: Command) -> None:
    printed = command("store", "show", "req_nonsense", "--json")
    assert (printed.code, printed.json["error"]["code"]) == (1, "NOT_FOUND")
    assert "lumenfall store list" in printed.err


def test_what_others_wrote_cannot_steer_the_terminal(command: Command, journal: Journal) -> None:
    call = replace(fox(journal), parameters={"prompt": "a\x1b[2Jb\nc"})
    journal.settle(call)
    for printed in (command("store", "list"), command("store", "show", call.id)):
        assert "\x1b" not in printed.out and "[2Jb c" in printed.out


# Copying


def test_pictures_get_readable_names_and_their_own_bytes(command: Command, journal: Journal, tmp_path: Path) -> None:
    call = fox(journal, pictures=2)
    printed = command("store", "export", "out/here")
    folder = tmp_path / "out" / "here"
    expected = [f"2026-11-23_214500_gpt-image-2_a-red-fox-jumping-over-the-lazy-dog-and_{n}.png" for n in (1, 2)]
    assert names(folder) == expected
    assert printed.out.splitlines() == [str(folder / name) for name in expected]
    assert [(folder / name).read_bytes() for name in expected] == [journal.files.get(one) for one in call.pictures]


def test_only_what_is_named_is_copied(command: Command, journal: Journal, tmp_path: Path) -> None:
    first, second, _ = (fox(journal, when=f"2026-11-2{day} 10:00", request_id=f"req_{day}") for day in (1, 2, 3))
    assert command("store", "export", "out", first.id[:10], "req_2").code == 0
    assert [name[:10] for name in names(tmp_path / "out")] == ["2026-11-21", "2026-11-22"]
    assert second.request_id == "req_2"


def test_nothing_is_overwritten_and_nothing_copied_twice(command: Command, journal: Journal, tmp_path: Path) -> None:
    fox(journal)
    command("store", "export", "out")
    (name,) = names(tmp_path / "out")
    assert command("store", "export", "out").out.strip().endswith(name) and names(tmp_path / "out") == [name]
    (tmp_path / "out" / name).write_bytes(b"mine")
    printed = command("store", "export", "out")
    assert (tmp_path / "out" / name).read_bytes() == b"mine"
    assert printed.out.strip().endswith("_1-2.png") and len(names(tmp_path / "out")) == 2


@pytest.mark.parametrize("prompt", ["../../etc/passwd", "C:\\con", "", "\u4f60\u597d\u2028\x00", "x" * 500])
def test_no_prompt_leads_out_of_the_folder(command: Command, journal: Journal, tmp_path: Path, prompt: str) -> None:
    call = replace(fox(journal), parameters={"prompt": prompt}, model="fal/flux.2-pro")
    journal.settle(call)
    assert command("store", "export", "out").code == 0
    (name,) = names(tmp_path / "out")
    assert name.startswith("2026-11-23_214500_fal-flux.2-pro_") and len(name) < 120
    assert not set(name) & set('\\/:*?"<>|\x00')


def test_what_is_gone_is_told_and_the_rest_is_copied(command: Command, journal: Journal, tmp_path: Path) -> None:
    call = fox(journal, pictures=2)
    journal.files.remove(call.pictures[0])
    printed = command("store", "export", "out")
    assert printed.code == 1 and "Gone from the store" in printed.err and len(names(tmp_path / "out")) == 1


def test_a_folder_that_cannot_be_written_is_told(command: Command, journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    fox(journal)
    printed = command("store", "export", "out")
    assert printed.code == 1 and "cannot be written" in printed.err


# Clearing


@pytest.fixture
def filled(journal: Journal) -> dict[str, Call]:
    """33 bytes each: three that arrived, the oldest use first, one that did not, and one that is unfinished."""
    calls = {name: fox(journal) for name in ("first", "second", "third", "waiting")}
    calls["unfinished"] = fox(journal, state=State.DOWNLOADED)
    for name in ("first", "second", "third", "unfinished"):
        delivered(journal, calls[name])
    return calls


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        ([], []),
        (["--to", "0.000000140"], ["first"]),
        (["--to", "0"], ["first", "second", "third"]),
        (["--all"], ["first", "second", "third"]),
        (["--all", "--undelivered"], ["first", "second", "third", "waiting"]),
    ],
)
def test_only_what_may_go_goes(
    command: Command, journal: Journal, filled: dict[str, Call], arguments: list[str], removed: list[str]
) -> None:
    printed = command("store", "clean", *arguments)
    assert printed.code == 0
    left = {call.id for call in kept(journal)}
    assert [name for name, call in filled.items() if call.id not in left] == removed
    assert [name for name, call in filled.items() if not journal.files.has(call.pictures[0])] == removed
    count = len(removed)
    calls = f"{count} call{'s' * (count != 1)}"
    assert printed.out.startswith(f"Removed {33 * count} bytes of {calls}; {33 * (5 - count)} bytes left")
    assert command("spend", "--json").json["total"] == 0.2


def test_the_limit_of_the_settings_counts_where_none_is_named(
    command: Command, journal: Journal, filled: dict[str, Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_STORE_GB", "0")
    assert command("store", "clean").out.startswith("Removed 99 bytes of 3 calls")


@pytest.mark.parametrize("arguments", [["--all", "--to", "1"], ["--undelivered"], ["--to", "-1"]])
def test_unclear_orders_remove_nothing(
    command: Command, journal: Journal, filled: dict[str, Call], arguments: list[str]
) -> None:
    assert command("store", "clean", *arguments).code == 2
    assert len(list(kept(journal))) == len(filled)
