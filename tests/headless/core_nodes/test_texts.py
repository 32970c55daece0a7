"""SaveText, against the files of ComfyUI 0.33.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.errors import InputError
from nodes.headless.core_nodes import table
from nodes.headless.folders import Folders


@pytest.mark.parametrize(
    ("kind", "text", "content"),
    [
        *((kind, "h\u00e9llo\nx\r\ny", b"h\xc3\xa9llo\nx\r\ny") for kind in ("txt", "csv", "md", "json")),
        ("txt", "", b""),
        ("txt", ' {"a": 1.10} ', b' {"a": 1.10} '),
        (
            "json",
            '{"a":"\u00e9","b":[1,2.0],"c":{}}',
            b'{\n  "a": "\xc3\xa9",\n  "b": [\n    1,\n    2.0\n  ],\n  "c": {}\n}',
        ),
        ("json", ' {"a": 1.10} ', b'{\n  "a": 1.1\n}'),
        ("json", "bad{", b"bad{"),
    ],
)
def test_a_text_is_saved_as_comfyui_does(tmp_path: Path, kind: str, text: str, content: bytes) -> None:
    folders = Folders(tmp_path, tmp_path, tmp_path)
    answer = table(folders)["SaveText"]().save_text(text, "t/s", kind)
    assert answer["result"] == (text,) and answer["ui"]["text"] == [text]
    (file,) = answer["ui"]["files"]
    assert file == {"filename": f"s_00001.{kind}", "subfolder": "t", "type": "output"}
    assert folders.locate(file).read_bytes() == content


def test_the_key_is_cut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_API_KEY", "sk-somebody.TOPSECRET")
    table(Folders(tmp_path, tmp_path, tmp_path))["SaveText"]().save_text("my sk-somebody.TOPSECRET", "s", "txt")
    assert (tmp_path / "s_00001.txt").read_text(encoding="utf-8") == "my ***"


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="half of a character"):
        table(Folders(tmp_path, tmp_path, tmp_path))["SaveText"]().save_text("\ud800", "s", "txt")
    assert not list(tmp_path.iterdir())
