"""What comes in a picture's place is called what it is."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from nodes.errors import AnswerError
from nodes.pixels import decode


@pytest.mark.parametrize(("kind", "name"), [("BMP", "BMP"), ("TIFF", "TIFF"), ("JPEG2000", "JPEG 2000")])
def test_a_picture_of_another_kind_is_called_what_it_is(kind: str, name: str) -> None:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(written, kind)
    with pytest.raises(AnswerError, match=f"a {name} picture") as caught:
        decode(written.getvalue())
    assert "output_format to png" in caught.value.hint


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"BM is a text", "something that is not"),
    ],
)
def test_so_is_what_may_come_instead(start: bytes, name: str) -> None:
    with pytest.raises(AnswerError, match=name):
        decode(start + bytes(64))
