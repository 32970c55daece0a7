"""The history: what is kept of a call for the browser."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from dataclasses import replace

import pytest
from PIL import Image, features

from nodes.errors import Charged, InputError
from nodes.headless.host import Headless
from nodes.routes import history as calls
from nodes.spend import Call, Journal, State


def kept(host: Headless, content: bytes, extension: str) -> str:
    """The id of a call that brought this file."""
    journal = Journal(host.data_dir())
    stored = journal.files.put(1, content, extension)
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m", pictures=(stored,))
    journal.settle(replace(call, state=State.DONE, charged=Charged.YES, cost=1))
    return call.id


def drawn(kind: str, mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, 1).save(written, kind)
    return written.getvalue()


def broken_off(png: bytes) -> bytes:
    """A PNG whose pixels end early, before a chunk of no name: Pillow has a SyntaxError for it."""
    start = png.index(b"IDAT") + 4
    length = struct.unpack(">I", png[start - 8 : start - 4])[0] // 2
    chunk = b"IDAT" + png[start : start + length]
    return png[: start - 8] + struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\x00" * 12


def test_deep_pictures_keep_their_brightness() -> None:
    host = Headless()
    written = io.BytesIO()
    Image.new("I;16", (64, 64), 0x8000).save(written, "PNG")
    content, _ = asyncio.run(calls.picture(host, kept(host, written.getvalue(), ".png"), 1, 16))
    with Image.open(io.BytesIO(content)) as small:
        assert small.convert("L").getpixel((8, 8)) == pytest.approx(128, abs=2)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_a_damaged_avif_is_not_found_either() -> None:
    host = Headless()
    whole = drawn("AVIF")
    for end in range(40, len(whole) - 20, 24):
        call_id = kept(host, whole[:end], ".avif")
        with pytest.raises(InputError):
            asyncio.run(calls.picture(host, call_id, 1, 30))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16", "1"])
def test_any_picture_has_a_thumbnail_of_its_shape(mode: str) -> None:
    host = Headless()
    call_id = kept(host, drawn("PNG", mode), ".png")
    content, media_type = asyncio.run(calls.picture(host, call_id, 1, 30))
    with Image.open(io.BytesIO(content)) as small:
        assert (small.format, small.size, media_type) == ("WEBP", (30, 20), "image/webp")


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        (".png", drawn("PNG")[:60]),
        (".png", broken_off(drawn("PNG"))),
        (".jpg", drawn("JPEG")[:200]),
        (".webp", b"RIFF\x00\x00\x00\x00WEBP"),
        (".gif", drawn("GIF")[:20]),
        (".avif", b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"),
        (".png", b"<html>not a picture</html>"),
    ],
)
def test_a_damaged_picture_is_not_found_and_no_failure_of_ours(extension: str, content: bytes) -> None:
    host = Headless()
    call_id = kept(host, content, extension)
    with pytest.raises(InputError) as caught:
        asyncio.run(calls.picture(host, call_id, 1, 30))
    assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize("extension", [".svg", ".html", ".bin", ".json", ""])
def test_what_a_browser_might_run_is_never_handed_out(extension: str) -> None:
    host = Headless()
    call_id = kept(host, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", extension)
    for side in (None, 64):
        with pytest.raises(InputError):
            asyncio.run(calls.picture(host, call_id, 1, side))
    (listed,) = asyncio.run(calls.history(host, None, 10))["calls"]
    assert listed["pictures"] == []


def test_a_call_without_its_node_says_so() -> None:
    host = Headless()
    call_id = kept(host, drawn("PNG"), ".png")
    (listed,) = asyncio.run(calls.history(host, None, 10))["calls"]
    assert listed["id"] == call_id and listed["has_graph"] is False and json.dumps(listed)
    with pytest.raises(InputError, match="not kept"):
        asyncio.run(calls.graph(host, call_id))
