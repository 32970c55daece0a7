"""What a workflow file holds, in whatever form people share it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.headless.problems import WorkflowError
from nodes.headless.reading import Content, read

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "Käse"}}}
DRAWN = {"nodes": [], "links": [], "version": 0.4}
MAKE, MODEL, DESCRIPTION, USER_COMMENT, EXIF_IFD = 0x010F, 0x0110, 0x010E, 0x9286, 0x8769


def png(add: Callable[[PngInfo], None]) -> bytes:
    info, file = PngInfo(), io.BytesIO()
    add(info)
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def with_exif(kind: str, tags: dict[int, str], comment: bytes | None = None) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    for tag, text in tags.items():
        exif[tag] = text
    if comment is not None:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    Image.new("RGB", (4, 4)).save(file, kind, exif=exif)
    return file.getvalue()


def as_comfyui(kind: str) -> bytes:
    return with_exif(kind, {MODEL: f"prompt:{json.dumps(PROMPT)}", MAKE: f"workflow:{json.dumps(DRAWN)}"})


def text_after_the_pixels() -> bytes:
    whole, texts = png(lambda info: None), png(lambda info: info.add_text("prompt", json.dumps(PROMPT)))
    chunk = texts[texts.index(b"tEXt") - 4 : texts.index(b"IDAT") - 4]
    end = whole.index(b"IEND") - 4
    return whole[:end] + chunk + whole[end:]


def add_both(info: PngInfo) -> None:
    info.add_text("workflow", json.dumps(DRAWN))
    info.add_text("prompt", json.dumps(PROMPT))


FILES: dict[str, tuple[bytes, Content]] = {
    "API": (json.dumps(PROMPT).encode(), Content(PROMPT, None)),
    "with a BOM": ("\ufeff".encode() + json.dumps(PROMPT, ensure_ascii=False).encode(), Content(PROMPT, None)),
    "UTF-16": (json.dumps(PROMPT, ensure_ascii=False).encode("utf-16"), Content(PROMPT, None)),
    "UI": (json.dumps(DRAWN).encode(), Content(None, DRAWN)),
    "a request": (json.dumps({"client_id": "x", "prompt": PROMPT}).encode(), Content(PROMPT, None)),
    "a request with its drawing": (
        json.dumps({"prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": DRAWN}}}).encode(),
        Content(PROMPT, DRAWN),
    ),
    "RunPod": (json.dumps({"input": {"workflow": PROMPT, "images": []}}).encode(), Content(PROMPT, None)),
    "RunPod, as a text": (
        json.dumps({"id": "x", "input": {"workflow": json.dumps(PROMPT)}}).encode(),
        Content(PROMPT, None),
    ),
    "RunPod, by another name": (json.dumps({"input": {"prompt": PROMPT}}).encode(), Content(PROMPT, None)),
    "a wrapped workflow": (json.dumps({"workflow": DRAWN, "name": "x"}).encode(), Content(None, DRAWN)),
    "both, as the browser has them": (
        json.dumps({"workflow": DRAWN, "output": PROMPT}).encode(),
        Content(PROMPT, DRAWN),
    ),
    "RunPod, UI": (json.dumps({"input": {"workflow": DRAWN}}).encode(), Content(None, DRAWN)),
    "PNG": (png(add_both), Content(PROMPT, DRAWN)),
    "PNG, drawing only": (png(lambda info: info.add_text("workflow", json.dumps(DRAWN))), Content(None, DRAWN)),
    "PNG, compressed": (png(lambda info: info.add_text("prompt", json.dumps(PROMPT), zip=True)), Content(PROMPT, None)),
    "PNG, iTXt": (
        png(lambda info: info.add_itxt("prompt", json.dumps(PROMPT, ensure_ascii=False))),
        Content(PROMPT, None),
    ),
    "PNG, after the pixels": (text_after_the_pixels(), Content(PROMPT, None)),
    "WebP": (as_comfyui("WEBP"), Content(PROMPT, DRAWN)),
    "JPEG": (as_comfyui("JPEG"), Content(PROMPT, DRAWN)),
    "JPEG, a comment": (
        with_exif("JPEG", {}, b"ASCII\0\0\0workflow:" + json.dumps(DRAWN).encode()),
        Content(None, DRAWN),
    ),
}


@pytest.mark.parametrize(("data", "content"), FILES.values(), ids=FILES)
def test_a_workflow_is_read_from(data: bytes, content: Content, tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    path.write_bytes(data)
    assert read(path) == content


@pytest.mark.parametrize("name", ["API", "UI", "PNG"])
def test_standard_input_may_hold_any_of_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, content = FILES[name]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read(Path("-")) == content


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither JSON nor"),
        (b"\xff", "neither JSON nor"),
        (b"[" * 200_000, "neither JSON nor"),
        (b"[]", "is not a workflow in API format"),
        (b"{}", "is not a workflow in API format"),
        (b'{"1": 2}', "node 1, is not a node"),
        (b'{"1": {"class_type": "X"}}', "node 1, is not a node"),
        (png(lambda info: info.add_text("parameters", "a fox, Steps: 20")), "carries no workflow"),
        (png(lambda info: info.add_text("prompt", "a fox")), "carries no workflow"),
        (png(add_both)[:60], "carries no workflow"),
        (with_exif("JPEG", {DESCRIPTION: "prompt:of words"}), "carries no workflow"),
        (b"RIFF\0\0\0\0WEBPnonsense", "carries no workflow"),
        (b"\xff\xd8\xff\xe0", "carries no workflow"),
    ],
)
def test_what_holds_no_workflow_is_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(data)
    with pytest.raises(WorkflowError, match=reason):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")


def test_reading_loads_no_torch(tmp_path: Path) -> None:
    import subprocess

    code = "import sys; from nodes.headless import reading, workflow; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_picture_whose_text_was_edited_by_hand_is_read_as_the_browser_does(tmp_path: Path) -> None:
    """The checksum is that of the text before. Pillow would not open it."""
    data = png(lambda info: info.add_text("prompt", json.dumps(PROMPT)))
    at = data.index(b"IDAT") - 8
    (tmp_path / "a.png").write_bytes(data[:at] + bytes(4) + data[at + 4 :])
    assert read(tmp_path / "a.png").prompt == PROMPT
