"""The headless host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodes.headless.host import Headless, running_node


def test_overrides_are_merged_and_none_removes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_API_KEY", "k")
    monkeypatch.setenv("LUMENFALL_BASE_URL", "https://a")
    before = dict(os.environ)
    environ = Headless({"LUMENFALL_API_KEY": None, "LUMENFALL_BASE_URL": "http://b"}).environ()
    assert "LUMENFALL_API_KEY" not in environ
    assert environ["LUMENFALL_BASE_URL"] == "http://b"
    assert dict(os.environ) == before


def test_the_data_folder_can_be_overridden(tmp_path: Path) -> None:
    assert Headless({"LUMENFALL_DATA_DIR": str(tmp_path)}).data_dir() == tmp_path


def test_progress_needs_a_running_node() -> None:
    said = []
    host = Headless(on_progress=lambda node_id, text: said.append((node_id, text)))
    host.progress("nobody")
    token = running_node.set("7")
    host.progress("hello")
    running_node.reset(token)
    assert said == [("7", "hello")]
