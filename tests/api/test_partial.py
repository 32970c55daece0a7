"""A download that is under way: never less in memory than came, whatever the disk does."""

from __future__ import annotations

from pathlib import Path

from nodes.api.partial import Partial


def test_the_next_process_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "picture.part"
    killed = Partial(path, 100)
    killed.append(b"begin")  # and closes nothing
    following = Partial(path, 100)
    assert following.content == b"begin"
    killed.close()
    following.append(b"ning")
    assert path.read_bytes() == b"beginning"
    following.start_over()
    following.append(b"new")
    assert path.read_bytes() == following.content == b"new"
    following.remove()
    assert not path.exists()


def test_a_beginning_that_is_too_large_is_no_beginning(tmp_path: Path) -> None:
    path = tmp_path / "picture.part"
    path.write_bytes(b"x" * 101)
    assert Partial(path, 100).content == b""
    path.write_bytes(b"x" * 100)
    assert len(Partial(path, 100).content) == 100


def test_a_disk_that_fails_costs_nothing_that_came(tmp_path: Path) -> None:
    nowhere = Partial(tmp_path / "no such folder" / "picture.part", 100)
    nowhere.append(b"all ")
    nowhere.append(b"of it")
    nowhere.remove()
    assert nowhere.content == b"all of it"
