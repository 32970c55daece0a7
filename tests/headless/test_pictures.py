"""Texts of pictures, changed with everything else as it was."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.headless import pictures
from nodes.headless.pictures import png as png_format
from nodes.headless.problems import NoWorkflow


def png(**texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3), "red").save(buffer, "PNG", pnginfo=info, dpi=(300, 300))
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_file_of_which_nothing_changes_is_the_same_to_the_byte(format: str) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010E], exif[0x0112] = "a cat", 6
    Image.new("RGB", (3, 3), "red").save(buffer, format, exif=exif, comment="x")
    data = buffer.getvalue()
    assert pictures.rewritten(data, lambda name, text: text) == data
    assert "a cat" in pictures.texts(data).values()


def test_a_text_goes_where_nothing_is_put_in_its_place() -> None:
    made = pictures.rewritten(png(a="1", b="2"), lambda name, text: "" if name == "a" else "\u20ac")
    with Image.open(io.BytesIO(made)) as picture:
        picture.load()
        assert picture.info["b"] == "\u20ac" and "a" not in picture.info and picture.info["dpi"][0] > 299


def _with(*chunks: tuple[bytes, bytes]) -> bytes:
    whole = png()
    return whole[:33] + b"".join(png_format._chunk(kind, content) for kind, content in chunks) + whole[33:]


def test_texts_are_read_as_the_browser_reads_them() -> None:
    """Of two with one name the last, those of animated pictures too, and what others write in UTF-8."""
    data = _with((b"tEXt", b"a\0first"), (b"comf", b"a\0last"), (b"tEXt", b"b\0K\xc3\xa4se"), (b"tEXt", b"c\0K\xe4se"))
    assert pictures.texts(data) == {"a": "last", "b": "K\u00e4se", "c": "K\u00e4se"}


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_texts_that_unfold_to_more_than_they_may_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    monkeypatch.setattr(png_format, "MAX_UNFOLDED", 1000)

    def data(size: int) -> bytes:
        head = b"\0\0" if kind == b"zTXt" else b"\0\1\0en\0\0"
        return _with(*((kind, name + head + zlib.compress(b"x" * size)) for name in (b"a", b"b", b"c")))

    assert pictures.texts(data(333)) == dict.fromkeys("abc", "x" * 333)
    assert "c" not in pictures.texts(data(400)) and pictures.texts(data(10**6)) == {}
    with pytest.raises(NoWorkflow, match="unfold"):
        pictures.rewritten(data(400), lambda name, text: text)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\x09zTXtx", b"\xff\xd8\xff\xe1\0"]
)
def test_a_damaged_picture_is_told(data: bytes) -> None:
    with pytest.raises(NoWorkflow):
        pictures.rewritten(data, lambda name, text: text)
