"""``lumenfall receipt``: what a picture says of its price, whoever made the file."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.headless.sandbox import Sandbox
from nodes.spend import Journal
from tests.headless.conftest import Command
from tests.spend.test_ledger import booked

RECEIPT = {"model": "gpt-image-2", "request_id": "req_1", "cost": 0.04, "currency": "USD", "sent_at": 1_700_000_000.5}


def png(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_saved_by_a_run_tells_its_price(command: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    inputs = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 0}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    run = command("run", "w.json", "--sandbox", "--json").json
    (image,) = run["outputs"]["2"]["images"]
    found = command("receipt", image, "--json").json
    (one,) = found["receipts"]["1"]
    assert (one["request_id"], one["cost"]) == (run["reports"]["1"]["request_id"], run["cost"])
    assert found["calls"] == [] and found["file"] == image
    out = command("receipt", image).out
    assert one["request_id"] in out and str(one["cost"]) in out and "Node 1" in out


@pytest.mark.parametrize(
    ("chosen", "code", "said"), [("cost", 0, "Only model and cost"), ("off", 1, "receipts were switched off")]
)
def test_what_was_left_out_of_a_picture_is_told(
    command: Command,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("LUMENFALL_RECEIPTS", chosen)
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": {"prompt": "a cat", "model": "gpt-image-2", "seed": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
    }
    graph["1"]["inputs"] |= {"size": "64x64", "n": 1}
    (tmp_path / "w.json").write_text(json.dumps(graph))
    (image,) = command("run", "w.json", "--sandbox", "--json").json["outputs"]["2"]["images"]
    printed = command("receipt", image)
    assert printed.code == code and said in printed.out + printed.err
    assert "request_id" not in printed.out


def test_a_file_as_it_came_is_known_by_its_bytes(command: Command, journal: Journal, tmp_path: Path) -> None:
    call = booked(journal, "0.04", request_id="req_9")
    (tmp_path / "renamed.jpg").write_bytes(journal.files.get(call.pictures[0]))
    found = command("receipt", "renamed.jpg", "--json").json
    (one,) = found["calls"]
    assert (one["request_id"], one["cost"], found["receipts"]) == ("req_9", 0.04, {})
    assert "req_9" in command("receipt", "renamed.jpg").out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        '{"1": {}}',
        '{"1": [1, null]}',
        '{"1": []}',
        "[" * 100_000,
        '{"1": [{"cost": ' + "9" * 5000 + "}]}",
        "\x00",
    ],
)
def test_nonsense_in_a_file_is_no_receipt(command: Command, tmp_path: Path, text: str) -> None:
    png(tmp_path / "a.png", lumenfall=text)
    printed = command("receipt", "a.png", "--json")
    assert (printed.code, printed.json["error"]["code"]) == (1, "NO_RECEIPT")


@pytest.mark.parametrize(
    "value", ["\x1b[2J\x1b]0;title\x07", "\ud800", {"deep": [1]}, 1e308, True, None, float("nan"), -1e30]
)
def test_what_a_file_claims_can_do_no_harm(command: Command, tmp_path: Path, value: Any) -> None:
    png(tmp_path / "a.png", lumenfall=json.dumps({"0": {}, "1": [{**RECEIPT, "model": value, "sent_at": value}, 7]}))
    printed = command("receipt", "a.png")
    assert printed.code == 0 and "req_1" in printed.out and "\x1b" not in printed.out
    as_json = command("receipt", "a.png", "--json").out
    assert json.loads(as_json, parse_constant=pytest.fail)["receipts"]["1"][0]["request_id"] == "req_1"


@pytest.mark.parametrize(
    ("side", "more"), [(2**16, b""), (2, chunk(b"acTL", bytes(8)))], ids=["very large", "a false animation"]
)
def test_a_receipt_is_read_whatever_the_picture(command: Command, tmp_path: Path, side: int, more: bytes) -> None:
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    text = chunk(b"tEXt", b"lumenfall\0" + json.dumps({"1": [RECEIPT]}).encode())
    (tmp_path / "a.png").write_bytes(head + text + more + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert command("receipt", "a.png", "--json").json["receipts"] == {"1": [RECEIPT]}


def hostile() -> dict[str, bytes]:
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    bomb = zlib.compress(b"[" * (64 * 2**20), 9)
    return {
        "empty": b"",
        "not a picture": b"hello",
        "cut in the head": head[:20],
        "only a head": head,
        "a wrong length": head + struct.pack(">I", 2**31 - 1) + b"tEXtlumenfall\0{",
        "a packed bomb": head + chunk(b"zTXt", b"lumenfall\0\0" + bomb),
        "an international bomb": head + chunk(b"iTXt", b"lumenfall\0\1\0\0\0" + bomb),
        "a huge picture": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 8, 2, 0, 0, 0)),
        "a broken text": head + chunk(b"tEXt", b"lumenfall"),
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_file_is_only_a_file_without_a_receipt(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(hostile()[name])
    printed = command("receipt", "a.png", "--json")
    assert (printed.code, printed.json["error"]["code"]) == (1, "NO_RECEIPT")


@pytest.mark.parametrize("file", ["absent.png", "."])
def test_what_cannot_be_read_is_told(command: Command, file: str) -> None:
    printed = command("receipt", file)
    assert printed.code == 1 and "cannot be read" in printed.err


def test_a_file_without_end_is_given_up(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nodes.headless.commands import receipt as receipts

    monkeypatch.setattr(receipts, "MAX_FILE_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    printed = command("receipt", "a.png")
    assert printed.code == 1 and "larger than" in printed.err
