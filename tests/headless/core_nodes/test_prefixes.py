"""Prefixes that can never become a file are refused before anything runs."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from nodes.headless.core_nodes import table
from nodes.headless.core_nodes.prefixes import objection
from nodes.headless.folders import Folders

POSIX = pytest.mark.skipif(os.name == "nt", reason="it is another file system there")


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("", "has no name for the file"),
        (".", "has no name for the file"),
        ("a/..", "has no name for the file"),
        ("%date:yyyy-MM-dd%/x", "has %date:yyyy-MM-dd%, which is not known here"),
        ("x_%Load Image.image%", "has %Load Image.image%"),
        ("%seed%", "has %seed%"),
        ("CON", "the name CON, which Windows keeps"),
        ("a/nul.txt/b", "the name nul.txt, which Windows keeps"),
        ("Com1/x", "the name Com1"),
        ("../x", "leads out"),
        ("/etc/x", "leads out"),
        ("a\0b", "has a null character"),
        ("a\0b/c", "leads out"),
        ("file/x", "which is a file and no folder"),
        ("\ud800", "a character that no file's name can have"),
    ],
)
def test_it_is_refused(tmp_path: Path, prefix: str, reason: str) -> None:
    (tmp_path / "file").touch()
    assert reason in str(objection(tmp_path, prefix))


@pytest.mark.parametrize(
    "prefix",
    [
        "ComfyUI",
        "a/b/c",
        "sub/",
        "%year%-%month%-%day%/%width%x%height%_%batch_num%",
        "100% sure 50% off",
        ".x",
        "console",
        "a b",
    ],
)
def test_it_is_taken(tmp_path: Path, prefix: str) -> None:
    assert objection(tmp_path / "new", prefix) is None
    assert not list(tmp_path.iterdir())  # a look leaves nothing behind


@POSIX
def test_the_length_counts_in_bytes_and_with_the_counter(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len("_00001_.json")
    assert objection(tmp_path, "x" * longest) is None
    assert "is too long" in str(objection(tmp_path, "x" * (longest + 1)))
    assert "is too long" in str(objection(tmp_path, "\u00e4" * (longest // 2 + 1)))
    assert "is too long" in str(objection(tmp_path, "x" * 300 + "/x"))
    assert "is too long" in str(objection(tmp_path, "/".join(["x" * 100] * 50)))


@POSIX
def test_what_only_windows_refuses_is_taken_elsewhere(tmp_path: Path) -> None:
    """`lumenfall check` tells it before the file is shared."""
    table(Folders(tmp_path, tmp_path, tmp_path))["SaveText"]().save_text("x", "12:30 fox?", "json")
    assert objection(tmp_path, "12:30 fox?") is None and len(list(tmp_path.iterdir())) == 1


@POSIX
def test_the_longest_prefix_can_be_saved(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len("_00001_.json")
    table(Folders(tmp_path, tmp_path, tmp_path))["SaveText"]().save_text("x", "x" * longest, "json")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "cannot be written" in str(objection(tmp_path, "closed/x"))
    assert "cannot be written" in str(objection(tmp_path, "closed/new/x"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="nothing here is always full")
def test_a_disk_that_is_full_already_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: io.FileIO("/dev/full", "w"))
    assert "cannot be written" in str(objection(tmp_path, "sub/x"))
    assert objection(tmp_path / "new", "sub/x") is None  # nor is there a folder to write to yet


def test_characters_of_windows_are_refused_there_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = ["a:b", "what?", "a|b", "dir./x", "dir /x"]
    if os.name != "nt":
        assert [objection(tmp_path, prefix) for prefix in prefixes] == [None] * 5
        monkeypatch.setattr("nodes.headless.core_nodes.prefixes.WINDOWS", True)
    assert all("Windows takes" in str(objection(tmp_path, prefix)) for prefix in prefixes)


@pytest.mark.parametrize("name", ["SaveImage", "SaveImageAdvanced", "SaveText"])
def test_each_node_that_saves_asks(tmp_path: Path, name: str) -> None:
    node = table(Folders(tmp_path, tmp_path, tmp_path))[name]
    assert "no name for the file" in node.VALIDATE_INPUTS(filename_prefix="")
    assert node.VALIDATE_INPUTS(filename_prefix="x") is node.VALIDATE_INPUTS(filename_prefix=None) is True


def test_a_whole_path_in_the_output_folder_is_the_same_as_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("output")
    folder.mkdir()
    prefix = str(tmp_path / "output" / "a" / "x")
    assert objection(folder, prefix) is None
    (file,) = table(Folders(folder, folder, folder))["SaveText"]().save_text("x", prefix, "txt")["ui"]["files"]
    assert (file["subfolder"], file["filename"]) == ("a", "x_00001.txt")
