"""SVG answers are drawn, and none of them harms the machine that draws it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import resvg_py
import torch
from PIL import Image

from nodes.errors import AnswerError, DecoderFault
from nodes.pixels import active, decode, sniff, vectors
from nodes.pixels.codec import ImageFormat

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
RED = '<rect width="1000" height="1000" fill="#ff0000"/>'


def svg(attributes: str = 'width="20" height="10"', content: str = RED) -> bytes:
    return f"<svg {NAMESPACE} {attributes}>{content}</svg>".encode()


@pytest.mark.parametrize(
    ("start", "is_picture"),
    [
        (b"", True),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- Generator: -->\n<!DOCTYPE svg PUBLIC "-//W3C//DTD">\n', True),
        (b"<!--" + b"x" * 9000 + b"-->", True),
        (b"<!DOCTYPE html><html><body>", False),
        (b"Sorry: ", False),
    ],
)
def test_an_svg_is_told_by_its_beginning(start: bytes, is_picture: bool) -> None:
    assert (sniff(start + svg()) is ImageFormat.SVG) is is_picture


READ = """
from nodes.pixels.vectors import draw, is_svg
for unit in (b"<!---->", b"<?xml?>", b"<!DOCTYPE svg[]>", b"<!DOCTYPE svg[ ] ", b"<!-- - "):
    assert not is_svg(unit * 2000 + b"x")
start = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>"
draw(start + b"<path d='M0 0" + b"l1.5-1.5" * 40000 + b"'/></svg>")
draw(start + b"<image href='data:image/png;base64," + b"A" * 400000 + b"'/></svg>")
"""


def test_reading_one_takes_no_longer_than_it_is_long() -> None:
    """A pattern that tries everything would stand still with the whole process: hence one of its own, that can be
    ended.
    """
    subprocess.run([sys.executable, "-c", READ], cwd=Path(__file__).parents[2], check=True, timeout=60)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="20" height="10"', (1024, 512)),
        ('viewBox="0 0 30 10"', (1024, 341)),
        ('width="100%" height="100%" viewBox="0 0 2000 1000"', (2000, 1000)),
        ('width="1500px" height="1500px"', (1500, 1500)),
        ('width="100000" height="1000"', (2048, 20)),
        ('width="1" height="1e30"', (1, 2048)),
        ('width="20mm" height="10mm"', (1024, 512)),
    ],
)
def test_it_is_drawn_in_its_own_size_or_as_near_as_is_sensible(attributes: str, size: tuple[int, int]) -> None:
    drawn = decode(svg(attributes))
    assert abs(drawn.shape[2] - size[0]) <= 1 and abs(drawn.shape[1] - size[1]) <= 1


def test_colour_and_transparency_are_those_of_the_file() -> None:
    drawn = decode(svg('width="1024" height="1024"', '<rect width="512" height="1024" fill="#336699"/>'))[0]
    assert torch.equal((drawn[10, 10] * 255).round(), torch.tensor([0x33, 0x66, 0x99, 255.0]))
    assert drawn[10, 1000, 3] == 0


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8-sig", "ISO-8859-1", "windows-1252"])
def test_it_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    text = declared + svg('width="20" height="10"', f"<desc>B\u00e4r</desc>{RED}").decode()
    assert decode(text.encode(encoding))[0, 5, 5, 0] == 1


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff"), ("utf-16-le", "")])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-16"?>'])
def test_nor_does_utf_16_keep_it_from_being_drawn(encoding: str, mark: str, declared: str) -> None:
    content = (mark + declared + svg().decode()).encode(encoding)
    assert sniff(content) is ImageFormat.SVG and decode(content)[0, 5, 5, 0] == 1
    with pytest.raises(AnswerError, match="damaged or incomplete"):
        decode(content[:-12])


def test_its_elements_may_have_a_prefix() -> None:
    content = svg().replace(b"<", b"<s:").replace(b"<s:/", b"</s:").replace(b"xmlns", b"xmlns:s")
    assert decode(content)[0, 5, 5, 0] == 1


def test_what_would_keep_the_host_from_all_else_is_not_drawn_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = resvg_py.svg_to_bytes
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **given: drawn.append(given["width"]) or draw(**given))
    moments = iter(range(100))  # a second each, however small
    monkeypatch.setattr(vectors, "_clock", lambda: float(next(moments)))
    monkeypatch.setattr(vectors, "MOST_SECONDS", 3.0)
    with pytest.raises(DecoderFault, match="longer than 3 s") as caught:
        decode(svg())
    assert caught.value.code == "SVG_NOT_DRAWN" and drawn == [8]
    monkeypatch.setattr(vectors, "MOST_SECONDS", 5.0)
    assert decode(svg()).shape[2] == drawn[-1] == 1024


@pytest.mark.parametrize(
    "content",
    [
        svg(
            content='<filter id="f"><feTurbulence baseFrequency="9" numOctaves="2000"/></filter>'
            '<rect width="20" height="10" filter="url(#f)"/>'
        ),
        svg(
            content='<filter id="f"><feMorphology operator="dilate" radius="99"/></filter>'
            '<rect width="20" height="10" filter="url(#f)"/>'
        ),
        svg(content='<g opacity=".9"><rect width="20" height="10"/></g>' * 20_000),
    ],
)
def test_a_small_file_that_takes_minutes_is_told_by_small_drawings(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST_SECONDS", 0.5)
    with pytest.raises(DecoderFault, match="longer than"):
        decode(content)


def test_no_file_of_this_machine_is_drawn(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    spaces = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:any="http://www.w3.org/1999/xlink"'
    images = [
        f"<image {name} = {quote}{href}{secret}{quote} width='20' height='10'/>"
        for name in ("href", "xlink:href", "any:href")
        for href in ("", "file://", "&#47;", "x/../")
        for quote in "\"'"
    ]
    assert not decode(svg(f'width="20" height="10" {spaces}', "".join(images))).any()


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE svg [<!ENTITY a "<image href=&#34;/etc/x.png&#34;/>">]>' + svg(content="&a;"),
        svg(content="<g>" * 5000 + "</g>" * 5000),
        svg(content="".join(f'<g id="a{n}"><use href="#a{n - 1}" opacity=".9"/></g>' for n in range(500))),
        svg('width="0" height="0"'),
    ],
)
def test_what_is_whole_but_not_drawn_is_no_damage(content: bytes) -> None:
    with pytest.raises(DecoderFault) as caught:
        decode(content)
    assert caught.value.code == "SVG_NOT_DRAWN"
    # Get SVG is named where it helps.
    assert ("Get SVG" in caught.value.hint) is (active.objection(content) is None)


@pytest.mark.parametrize(
    "content",
    [
        svg()[:-20],
        svg()[:-20] + bytes(20),
        svg()[:-20] + b"<html>Sorry</html>",
        svg(content="<g>"),
        svg(content='<path d=""/>')[:-6],
        svg(content="?").replace(b"?", b"\xff"),
    ],
)
def test_what_is_cut_or_damaged_is_called_that(content: bytes) -> None:
    with pytest.raises(AnswerError, match="damaged or incomplete") as caught:
        decode(content)
    assert not isinstance(caught.value, DecoderFault)


def test_nor_is_a_cut_one_taken_for_whole_where_nothing_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "can_draw", lambda: False)
    with pytest.raises(AnswerError) as caught:
        decode(svg(content='<path d=""/>')[:-6])
    assert not isinstance(caught.value, DecoderFault)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "can_draw", lambda: False)
    with pytest.raises(DecoderFault, match="nothing is installed that draws it") as caught:
        decode(svg())
    assert caught.value.code == "NO_SVG_RENDERER" and "pip install resvg-py" in caught.value.hint
