"""Reading what may be anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodes.host.files import read_file


def test_a_file_is_read_to_its_end_and_no_further_than_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path) == read_file(path, 5) == b"12345"
    (tmp_path / "link").symlink_to(path)
    assert read_file(tmp_path / "link", 9) == b"12345"
    with pytest.raises(OSError, match="too large"):
        read_file(path, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "circle", "endless", "nothing"):
        for most in (None, 5):
            with pytest.raises(OSError):
                read_file(tmp_path / name, most)
