"""``lumenfall recover``: paid pictures as files, byte for byte, and honest words where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes import errors
from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal, newest
from tests.conftest import Nodes, wait_until_idle
from tests.contract.test_nodes import options
from tests.headless.conftest import Command
from tests.purchase.test_ask import SMALL


@pytest.fixture
def reached(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    return sandbox


def test_a_lost_download_is_fetched_and_counts_as_delivered(
    command: Command, journal: Journal, nodes: Nodes, reached: Sandbox, tmp_path: Path
) -> None:
    reached.fail_next("redirect-loop:9")
    with pytest.raises(errors.DownloadError):
        nodes("LumenfallGenerate", **SMALL, n=2)
    reached.faults.clear()
    printed = command("recover", "--output", "out", "--json")
    (call,) = newest(journal, 1)
    images = [Path(path) for path in printed.json["images"]]
    assert (printed.code, printed.err) == (0, "") and len(images) == 2
    assert [path.parent for path in images] == [tmp_path / "out"] * 2
    assert [path.read_bytes() for path in images] == [journal.files.get(stored) for stored in call.pictures]
    assert (printed.json["call"]["request_id"], call.delivered_at is not None) == (call.request_id, True)
    assert len(reached.bill) == 1
    again = command("recover", "--output", "out", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "NOTHING_TO_RECOVER")


def test_a_file_keeps_the_format_in_which_it_came(
    command: Command, nodes: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = nodes("LumenfallGenerate", **SMALL, options=options(output_format="jpeg"))
    # Neither key nor server is needed for what is on disk.
    assert "LUMENFALL_API_KEY" not in nodes.host.environ()
    printed = command("recover", made.report["request_id"])
    path = Path(printed.out.strip())
    assert path.parent == tmp_path / "output" and path.suffix == ".jpg" and path.read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_call_without_pictures_says_whether_it_was_charged(
    command: Command, journal: Journal, nodes: Nodes, reached: Sandbox
) -> None:
    reached.fail_next("reset-before-headers")
    with pytest.raises(errors.ConnectionFailed):
        nodes("LumenfallGenerate", **SMALL)
    (call,) = newest(journal, 1)
    printed = command("recover", call.id, "--json")
    assert (printed.code, printed.json["error"]["code"], printed.json["error"]["charged"]) == (
        1,
        "SENT_BEFORE",
        "charged",
    )
    assert sum(one.method == "POST" for one in reached.requests) == 1


def test_nothing_is_taken_that_could_not_be_written(
    command: Command, journal: Journal, nodes: Nodes, reached: Sandbox, tmp_path: Path
) -> None:
    reached.fail_next("redirect-loop")
    with pytest.raises(errors.DownloadError):
        nodes("LumenfallGenerate", **SMALL)
    (tmp_path / "out").write_text("a file in the way")
    printed = command("recover", "--output", "out")
    assert printed.code == 1 and "cannot be written" in printed.err
    (call,) = newest(journal, 1)
    assert call.delivered_at is None and wait_until_idle(10) == 0
