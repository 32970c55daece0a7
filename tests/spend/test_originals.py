"""Answers and pictures on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodes.errors import InputError
from nodes.spend import Originals


@pytest.mark.parametrize("request_id", ["../../../etc/passwd", "C:\\Windows", "a/b", "..", "", None, "x" * 500])
def test_no_request_id_leads_out_of_the_folder(tmp_path: Path, request_id: str | None) -> None:
    folder = Originals(tmp_path / "originals").open(request_id)
    assert folder.path.resolve().parent.parent == (tmp_path / "originals").resolve()
    assert folder.path.name not in ("", ".", "..")


def test_two_answers_with_one_id_do_not_overwrite_each_other(tmp_path: Path) -> None:
    originals = Originals(tmp_path)
    first, second = originals.open("req_1"), originals.open("req_1")
    names = {first.keep_picture(1, b"first", ".png"), second.keep_picture(1, b"second", ".png")}
    assert {(tmp_path / name).read_bytes() for name in names} == {b"first", b"second"}


def test_many_at_once_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    originals = Originals(tmp_path)

    def keep(number: int) -> str:
        originals.check_writable()
        return originals.open("req_1").keep_picture(number, bytes([number]), ".png")

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(keep, range(40)))
    assert [(tmp_path / name).read_bytes() for name in names] == [bytes([number]) for number in range(40)]


def test_nothing_half_written_has_its_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Originals(tmp_path).open("req_1")

    def crash(_: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="power cut"):
        folder.keep_answer(b"answer")
    assert list(folder.path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "originals").write_text("a file in the way")
    with pytest.raises(InputError, match=r"originals") as caught:
        Originals(tmp_path / "originals").check_writable()
    assert caught.value.code == "NOT_WRITABLE"
