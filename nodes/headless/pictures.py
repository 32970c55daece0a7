"""The texts in a picture file, and the file with other texts and the same pixels: nothing is decoded."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator

from .problems import NoWorkflow

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
MAX_TEXT = 64 * 2**20
"""Bytes that a packed text may unfold to."""

Texts = dict[str, str]
Rewrite = Callable[[str, str], str]
"""What becomes of a text, by its name; nothing where it goes."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf")
"""Chunks of a PNG with a name and a text; the last is ComfyUI's own, in animated pictures."""

EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/"
EXIF_IFD = 0x8769


def texts(data: bytes) -> Texts:
    """The texts of a PNG, WebP or JPEG by their names, as far as they can be read. Those of EXIF are called by their
    tags, and by their own names where it is ComfyUI that wrote them (``prompt:...``). Of two with one name the last
    counts, as it does for the browser.
    """
    found: Texts = {}

    def note(name: str, text: str) -> str:
        found[name] = text
        return text

    with contextlib.suppress(NoWorkflow):
        rewritten(data, note)
    return found


def rewritten(data: bytes, rewrite: Rewrite) -> bytes:
    """The file with each text as ``rewrite`` gives it. Raises NoWorkflow for damage."""
    try:
        if data.startswith(PNG):
            return PNG + b"".join(_png(data, rewrite))
        return b"".join(_jpeg(data, rewrite)) if data.startswith(JPEG) else _webp(data, rewrite)
    except (struct.error, IndexError, ValueError, zlib.error) as error:
        raise NoWorkflow(f"The picture is damaged: {error}") from error


def _png(data: bytes, rewrite: Rewrite) -> Iterator[bytes]:
    at = len(PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        whole = data[at : at + 12 + length]
        at += 12 + length
        if kind in TEXTS:
            if len(content) < length:
                raise ValueError("it ends in the middle of a text")
            name, text = _png_text(kind, content)
            new = rewrite(name, text)
            if new == text:
                # Some edit a text and leave its checksum, which the browser does not look at, and others do.
                yield _chunk(kind, content)
            elif new:
                yield _png_chunk(name, new)
        elif kind == b"eXIf":
            new_exif = _exif(content, rewrite)
            if new_exif == content:
                yield whole
            elif new_exif:
                yield _chunk(b"eXIf", new_exif)
        else:
            yield whole
        if kind == b"IEND":
            return


def _png_text(kind: bytes, content: bytes) -> tuple[str, str]:
    key, _, rest = content.partition(b"\0")
    name = key.decode("latin-1")
    if kind in (b"tEXt", b"comf"):
        return name, _plain_text(rest)
    if kind == b"zTXt":
        return name, _plain_text(_unpacked(rest[1:]))
    # Whether it is packed and how; then language and translated name, each with an end of its own.
    body = rest[2:].split(b"\0", 2)[-1]
    return name, (_unpacked(body) if rest[:1] == b"\1" else body).decode("utf-8", "replace")


def _plain_text(content: bytes) -> str:
    """Latin-1 by the standard, but some write UTF-8, and the browser reads it so."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, MAX_TEXT)


def _png_chunk(name: str, text: str) -> bytes:
    key = name.encode("latin-1")
    try:
        return _chunk(b"tEXt", key + b"\0" + text.encode("ascii"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _jpeg(data: bytes, rewrite: Rewrite) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        marker = data[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            yield data[at : at + 1 if marker == 0xFF else at + 2]
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        content = data[at + 4 : at + 2 + length]
        new = _segment(marker, content, rewrite)
        if new == content:
            yield data[at : at + 2 + length]
        elif new is not None:
            if len(new) > 0xFFFD:
                raise ValueError("what it carries is too long for a JPEG")
            yield data[at : at + 2] + struct.pack(">H", len(new) + 2) + new
        at += 2 + length
    yield data[at:]


def _segment(marker: int, content: bytes, rewrite: Rewrite) -> bytes | None:
    if marker == 0xE1 and content.startswith(EXIF_HEAD):
        new = _exif(content[len(EXIF_HEAD) :], rewrite)
        return EXIF_HEAD + new if new else None
    if marker == 0xFE or (marker == 0xE1 and content.startswith(XMP_HEAD)):
        text = content.decode("utf-8", "replace")
        new_text = rewrite("comment" if marker == 0xFE else "XMP", text)
        return content if new_text == text else new_text.encode() or None
    return content


def _webp(data: bytes, rewrite: Rewrite) -> bytes:
    chunks = []
    at = 12
    while at + 8 <= len(data):
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        content = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if kind == b"EXIF":
            head = EXIF_HEAD if content.startswith(EXIF_HEAD) else b""
            content = head + _exif(content[len(head) :], rewrite)
        elif kind == b"XMP ":
            text = content.decode("utf-8", "replace")
            new = rewrite("XMP", text)
            content = content if new == text else new.encode()
        chunks.append(kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _exif(content: bytes, rewrite: Rewrite) -> bytes:
    """The EXIF block with other texts; as it is where none changes, or where it cannot be read."""
    from PIL import Image

    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif.load(EXIF_HEAD + content)
            inner = exif.get_ifd(EXIF_IFD)
        except Exception:
            # It may be made to break any reader of it.
            return content
    is_changed = False
    for tags in (exif, inner):
        for tag, value in [*tags.items()]:
            text = _plain(value)
            if text is None:
                continue
            name, colon, body = text.partition(":")
            named = colon and name.strip().lower() in ("prompt", "workflow")
            new = f"{name}:{rewrite(name.strip().lower(), body)}" if named else rewrite(f"EXIF {tag:#x}", text)
            if new != text:
                is_changed = True
                tags[tag] = new if isinstance(value, str) else _comment_head(value) + new.encode()
    return exif.tobytes()[len(EXIF_HEAD) :] if is_changed else content


CHARACTER_SETS = (b"ASCII\0\0\0", b"UNICODE\0")
"""How a comment begins, in eight bytes."""


def _comment_head(value: bytes) -> bytes:
    return value[:8] if value.startswith(CHARACTER_SETS) else b""


def _plain(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value[len(_comment_head(value)) :].decode("utf-8", "replace")
    return value.rstrip("\0") if isinstance(value, str) else None
