"""What a picture gives away beside its graph, and a copy that shows the same and holds nothing else."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from nodes.headless import pictures
from nodes.headless.reading import content_of
from tests.headless.conftest import Command
from tests.templates import api

SECRET = "sk-abcdefghijklmnopqrstuv"
GRAPH = json.dumps(api("generate"))
LEAKY = GRAPH.replace("generate", SECRET)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILE_WHITE = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
CAMERA, PLACE, COMMENT = 0x8769, 0x8825, 0x9286

Make = Callable[..., bytes]


def saved(format: str, exif: Image.Exif | None = None, **options: object) -> bytes:
    """A picture that carries the graph, with a colour profile and its head at the bottom."""
    exif = exif or Image.Exif()
    exif[0x0112] = 3
    if format == "PNG":
        info = PngInfo()
        info.add_text("prompt", GRAPH)
        options["pnginfo"] = info
    else:
        exif[0x0110] = f"prompt:{GRAPH}"
    buffer = io.BytesIO()
    noise = Image.effect_noise((48, 32), 50).convert("RGB")
    noise.save(buffer, format, exif=exif, icc_profile=PROFILE, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk before its other texts."""
    whole = saved("PNG")
    return whole[:33] + chunk(kind, content) + whole[33:]


def with_segment(marker: int, content: bytes) -> bytes:
    whole = saved("JPEG")
    return whole[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + whole[2:]


def with_webp_chunk(kind: bytes, content: bytes) -> bytes:
    whole = saved("WEBP")
    body = whole[8:] + kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def exif(tag: int, value: object, folder: int | None = None) -> Image.Exif:
    made = Image.Exif()
    made[tag if folder is None else folder] = value if folder is None else {tag: value}
    return made


def hexed(content: bytes) -> bytes:
    return b"\nexif\n%8d\n%s\n" % (len(content), content.hex().encode())


XMP = f'<x:xmpmeta><rdf:Description dc:note="{SECRET}"/></x:xmpmeta>'.encode()
WINDOWS = SECRET.encode("utf-16-le") + b"\0\0"
NO_END = f"{SECRET} ".encode("utf-16-be")


def with_profile(kind: bytes, content: bytes) -> bytes:
    """A PNG whose colour profile has one more tag, or another."""
    count = struct.unpack_from(">I", PROFILE, 128)[0]
    tags = [struct.unpack_from(">4sII", PROFILE, 132 + 12 * at) for at in range(count)]
    contents = {name: PROFILE[start : start + length] for name, start, length in tags}
    contents[kind] = content
    table, body, start = b"", b"", 132 + 12 * len(contents)
    for name, each in contents.items():
        table += struct.pack(">4sII", name, start + len(body), len(each))
        body += each + bytes(-len(each) % 4)
    profile = PROFILE[4:128] + struct.pack(">I", len(contents)) + table + body
    profile = struct.pack(">I", len(profile) + 4) + profile
    whole = saved("PNG")
    return whole[:33] + chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)) + _without(whole[33:], b"iCCP")


def with_more_pixels(content: bytes, *, within: bool | None) -> bytes:
    """A PNG with bytes among its pixels that no row takes, in the packed stream, behind it, or where it has no end."""
    whole = saved("PNG")
    at = whole.index(b"IDAT") - 4
    end = whole.index(b"IEND") - 4
    packed, start = b"", at
    while start < end:
        (length,) = struct.unpack_from(">I", whole, start)
        packed += whole[start + 8 : start + 8 + length]
        start += 12 + length
    if within is None:
        packing = zlib.compressobj()
        packed = packing.compress(zlib.decompress(packed)) + packing.flush(zlib.Z_SYNC_FLUSH) + content
    else:
        packed = zlib.compress(zlib.decompress(packed) + content) if within else packed + content
    return whole[:at] + chunk(b"IDAT", packed[:50]) + chunk(b"IDAT", packed[50:]) + whole[end:]


def with_longer_segment(marker: int) -> bytes:
    """A JPEG whose segment says more than it is read for."""
    whole = saved("JPEG")
    at = whole.index(bytes((0xFF, marker)))
    (length,) = struct.unpack_from(">H", whole, at + 2)
    more = SECRET.encode()
    return (
        whole[: at + 2]
        + struct.pack(">H", length + len(more))
        + whole[at + 4 : at + 2 + length]
        + more
        + whole[at + 2 + length :]
    )


def behind_the_lines(content: bytes) -> bytes:
    """A JPEG with a segment that tells its height once more, and goes on."""
    whole = saved("JPEG")
    end = whole.rindex(b"\xff\xd9")
    return whole[:end] + b"\xff\xdc" + struct.pack(">H", len(content) + 4) + b"\0\x20" + content + whole[end:]


def renamed_profile() -> bytes:
    whole = saved("PNG")
    return (
        whole[:33] + chunk(b"iCCP", SECRET.encode() + b"\0\0" + zlib.compress(PROFILE)) + _without(whole[33:], b"iCCP")
    )


def _without(chunks: bytes, kind: bytes) -> bytes:
    at = chunks.index(kind) - 4
    (length,) = struct.unpack_from(">I", chunks, at)
    return chunks[:at] + chunks[at + 12 + length :]


def with_longer_webp(kind: bytes, *, lossless: bool) -> bytes:
    """A WebP whose chunk goes on behind its pixels."""
    whole = saved("WEBP", lossless=lossless)
    at = whole.index(kind)
    (length,) = struct.unpack_from("<I", whole, at + 4)
    content = whole[at + 8 : at + 8 + length] + SECRET.encode() + b"."
    body = whole[8:at] + kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    body += whole[at + 8 + length + length % 2 :]
    return b"RIFF" + struct.pack("<I", len(body)) + body


KEYS = {
    "after the pixels": lambda: with_more_pixels(SECRET.encode(), within=False),
    "among the pixels": lambda: with_more_pixels(SECRET.encode(), within=True),
    "longer gAMA": lambda: with_chunk(b"gAMA", b"\0\0\xb1\x8f" + SECRET.encode()),
    "transparency that no colour has": lambda: with_chunk(b"tRNS", bytes(6) + SECRET.encode()),
    "words of a profile": lambda: with_profile(b"cprt", b"text\0\0\0\0sRGB " + SECRET.encode()),
    "words as colours": lambda: with_profile(b"A2B0", b"text\0\0\0\0" + SECRET.encode()),
    "longer colour": lambda: with_profile(b"wtpt", PROFILE_WHITE + SECRET.encode()),
    "second palette": lambda: with_chunk(b"PLTE", SECRET.encode() * 3),
    "histogram": lambda: with_chunk(b"hIST", SECRET.encode()),
    "name of a profile": renamed_profile,
    "number of lines": lambda: behind_the_lines(SECRET.encode()),
    "longer VP8": lambda: with_longer_webp(b"VP8 ", lossless=False),
    "longer VP8L": lambda: with_longer_webp(b"VP8L", lossless=True),
    "earlier text": lambda: with_chunk(b"tEXt", b"prompt\0" + LEAKY.encode()),
    "earlier packed text": lambda: with_chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(LEAKY.encode())),
    "unknown chunk": lambda: with_chunk(b"meTa", SECRET.encode()),
    "unknown chunk, wide": lambda: with_chunk(b"meTa", b"\1\2\3" + SECRET.encode("utf-16-le")),
    "name of a text": lambda: with_chunk(b"tEXt", SECRET.encode() + b"\0x"),
    "translated name": lambda: with_chunk(b"iTXt", b"note\0\0\0en\0" + SECRET.encode() + b"\0x"),
    "packed text": lambda: with_chunk(b"zTXt", b"note\0\0" + zlib.compress(SECRET.encode())),
    "XMP in a PNG": lambda: with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    "after the end": lambda: saved("PNG") + SECRET.encode(),
    "EXIF as digits": lambda: with_chunk(b"tEXt", b"Raw profile type exif\0" + hexed(exif(0x013C, SECRET).tobytes())),
    "comment of a JPEG": lambda: saved("JPEG", comment=SECRET),
    "XMP of a JPEG": lambda: with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    "other segment": lambda: with_segment(0xED, b"Photoshop 3.0\0" + SECRET.encode()),
    "after a JPEG": lambda: saved("JPEG", progressive=True) + SECRET.encode(),
    "comment in UTF-16": lambda: saved("JPEG", exif(COMMENT, b"UNICODE\0" + SECRET.encode("utf-16-be"), CAMERA)),
    "other byte order": lambda: saved("JPEG", exif(COMMENT, b"UNICODE\0" + SECRET.encode("utf-16-le"), CAMERA)),
    "XPTitle": lambda: saved("JPEG", exif(0x9C9B, WINDOWS)),
    "XPComment": lambda: saved("WEBP", exif(0x9C9C, WINDOWS)),
    "XPAuthor": lambda: saved("WEBP", exif(0x9C9D, WINDOWS)),
    "XPKeywords": lambda: saved("PNG", exif(0x9C9E, WINDOWS)),
    "maker's note": lambda: saved("JPEG", exif(0x927C, b"\0\1\2" + NO_END, CAMERA)),
    "XMP of a WebP": lambda: with_webp_chunk(b"XMP ", XMP),
    "unknown chunk of a WebP": lambda: with_webp_chunk(b"NOTE", SECRET.encode()),
}
REFUSED = {
    "behind pixels without an end": lambda: with_more_pixels(b"\xff" + SECRET.encode(), within=None),
    "longer frame": lambda: with_longer_segment(0xC0),
    "longer table": lambda: with_longer_segment(0xDB),
    "longer scan": lambda: with_longer_segment(0xDA),
    "segment of no use": lambda: with_segment(0xF7, SECRET.encode()),
    "second VP8": lambda: with_webp_chunk(b"VP8 ", SECRET.encode()),
    "second VP8L": lambda: with_webp_chunk(b"VP8L", SECRET.encode()),
    "longer VP8X": lambda: with_longer_webp(b"VP8X", lossless=True),
}
"""What strict decoders do not open at all; its copy is a picture again."""
TRAITS = {
    "personal_name in a text": lambda: with_chunk(b"tEXt", b"Author\0Jo Doe"),
    "personal_name in a text of EXIF": lambda: with_chunk(b"iTXt", b"exif:Artist\0\0\0\0\0Jo Doe"),
    "location in a text": lambda: with_chunk(b"tEXt", b"exif:GPSLatitude\x0052,31N"),
    "serial_number in a text": lambda: with_chunk(b"tEXt", b"exif:BodySerialNumber\x000123456"),
    "location": lambda: saved("JPEG", exif(2, (52.0, 31.0, 12.0), PLACE)),
    "location in a PNG": lambda: saved("PNG", exif(2, (52.0, 31.0, 12.0), PLACE)),
    "location in XMP": lambda: with_webp_chunk(b"XMP ", b'<x exif:GPSLatitude="52,31N"/>'),
    "serial_number": lambda: saved("WEBP", exif(0xA431, "0123456", CAMERA)),
    "serial_number in XMP": lambda: with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x aux:SerialNumber='1'/>"),
    "personal_name": lambda: saved("JPEG", exif(0xA430, "Jo Doe", CAMERA)),
    "personal_name of an artist": lambda: saved("PNG", exif(0x013B, "Jo Doe")),
    "personal_name in IPTC": lambda: with_segment(
        0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0b\x1c\x02\x50\0\x06Jo Doe"
    ),
}


def holds(data: bytes, text: str) -> bool:
    return any(text.encode(encoding) in data for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


@pytest.mark.parametrize(
    ("code", "make"),
    [*(("key", make) for make in KEYS.values()), *((name.split()[0], make) for name, make in TRAITS.items())],
    ids=[*KEYS, *TRAITS],
)
def test_what_is_told_beside_the_graph_is_found_and_left_out(
    command: Command, tmp_path: Path, code: str, make: Callable[[], bytes]
) -> None:
    data = make()
    (tmp_path / "a.bin").write_bytes(data)
    found = command("check", "a.bin", "--fix", "--output", "b.bin", "--sandbox", "--json")
    assert {code} <= {each["code"] for each in found.json["findings"]} <= {code, "personal_name"}
    assert (found.code, found.json["left"]) == (0, []) and not holds(found.out.encode(), SECRET)
    made = (tmp_path / "b.bin").read_bytes()
    assert not any(holds(made, text) for text in (SECRET, "Jo Doe", "0123456", "52,31N"))
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(made)) as after:
        assert (after.format, after.mode, after.tobytes()) == (before.format, before.mode, before.tobytes())
        before_profile, profile = before.info["icc_profile"], after.info["icc_profile"]
        assert profile == PROFILE or (before_profile != PROFILE and not holds(profile, SECRET))
        assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        assert after.getexif()[0x0112] == 3
        assert not after.getexif().get_ifd(PLACE) and not after.info.get("xmp")
    assert content_of(made, "made").prompt == api("generate")


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_no_decoder_asks_for_is_found_and_left_out(
    command: Command, tmp_path: Path, make: Callable[[], bytes]
) -> None:
    (tmp_path / "a.bin").write_bytes(make())
    found = command("check", "a.bin", "--fix", "--output", "b.bin", "--sandbox", "--json")
    assert [each["code"] for each in found.json["findings"]] == ["key"]
    assert (found.code, found.json["left"]) == (0, [])
    made = (tmp_path / "b.bin").read_bytes()
    with Image.open(io.BytesIO(made)) as after:
        after.load()
    assert not holds(made, SECRET) and content_of(made, "made").prompt == api("generate")


@pytest.mark.parametrize("tag", [0x0112, 0x011A, 0x0128])
def test_what_stands_where_a_number_is_due_is_left_out(tag: int) -> None:
    text = f"{SECRET}\0".encode()
    tiff = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", tag, 2, len(text), 26) + bytes(4) + text
    whole = saved("PNG")
    data = whole[:33] + chunk(b"eXIf", tiff) + _without(whole[33:], b"eXIf")
    assert not holds(pictures.rewritten(data, lambda name, text: text), SECRET)


def test_a_profile_in_segments_that_are_out_of_order_stays_as_it_is() -> None:
    """They are numbered, and readers go by that."""
    parts = [b"ICC_PROFILE\0" + bytes((at, 2)) + PROFILE[300 * (at - 1) : 300 if at == 1 else None] for at in (2, 1)]
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    whole = buffer.getvalue()
    segments = b"".join(b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part for part in parts)
    made = pictures.rewritten(whole[:2] + segments + whole[2:], lambda name, text: text)
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.info["icc_profile"] == PROFILE


def test_what_describes_a_picture_is_cleaned_and_stays(command: Command, tmp_path: Path) -> None:
    """The settings that other programs keep in a comment are why people share pictures."""
    about = "a fox, K\u00e4se \u5c71 /home/ann/x.png"
    tags = exif(COMMENT, b"UNICODE\0" + about.encode("utf-16-be"), CAMERA)
    tags[0x9C9B], tags[0x010E] = about.encode("utf-16-le"), about.encode()
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", tags))
    assert command("check", "a.jpg", "--fix", "--sandbox").code == 0
    with Image.open(tmp_path / "a.shared.jpg") as made:
        left = made.getexif()
        comment = left.get_ifd(CAMERA)[COMMENT]
        assert comment == b"UNICODE\0" + about.replace("/home/ann/", "").encode("utf-16-be")
        assert left[0x9C9B].decode("utf-16-le").rstrip("\0") == about.replace("/home/ann/", "")
        assert left[0x010E].encode("latin-1").decode() == about.replace("/home/ann/", "")


def test_frames_transparency_and_depth_stay(command: Command, tmp_path: Path) -> None:
    frames = [Image.effect_noise((16, 16), 50).convert("RGBA") for _ in range(3)]
    info = PngInfo()
    info.add_text("prompt", GRAPH)
    info.add(b"meTa", SECRET.encode())
    tags = exif(0x0110, f"prompt:{GRAPH}")
    tags[0x013C] = SECRET
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], pnginfo=info, duration=70)
    frames[0].save(tmp_path / "b.webp", save_all=True, append_images=frames[1:], exif=tags, lossless=True, duration=70)
    frames[0].quantize(8).save(tmp_path / "c.png", pnginfo=info, transparency=2)
    frames[0].convert("I;16").save(tmp_path / "d.png", pnginfo=info)
    for name in ("a.png", "b.webp", "c.png", "d.png"):
        assert command("check", name, "--fix", "--sandbox").code == 0
        copy = (tmp_path / name).with_suffix(f".shared{Path(name).suffix}")
        assert not holds(copy.read_bytes(), SECRET)
        with Image.open(tmp_path / name) as before, Image.open(copy) as after:
            for frame in range(getattr(before, "n_frames", 1)):
                before.seek(frame)
                after.seek(frame)
                assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())
                assert after.info.get("transparency") == before.info.get("transparency")
                assert after.info.get("duration") == before.info.get("duration")


def test_ordinary_pictures_of_a_camera_raise_no_alarm_by_chance(command: Command, tmp_path: Path) -> None:
    """A maker's note and a small picture are bytes in which anything may stand for a moment."""
    noise = b"".join(zlib.compress(bytes([at % 256, at // 256] * 9))[2:] for at in range(2000))
    tags = exif(0x927C, noise, CAMERA)
    tags[0x010F], tags[0x0110], tags[0x0131] = "Canon", "EOS R5", "GIMP 2.10"
    data = saved("PNG", tags)
    (tmp_path / "a.png").write_bytes(data)
    found = command("check", "a.png", "--sandbox", "--json")
    assert found.json["findings"] == [] and found.code == 0
