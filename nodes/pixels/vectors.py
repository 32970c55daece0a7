"""SVG answers of vector models, drawn by resvg where the optional package resvg-py is installed.

It has wheels for Windows, macOS and Linux, needs no library of the system, and fetches nothing from a network. What it
does not guard against is looked at before: sizes and layers for which there is no memory, elements inside each other by
the hundred, and pictures of this machine's disk.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Callable
from xml.parsers import expat

from ..errors import DecoderFault

LEAST_SIDE = 1024
"""Pixels of the longer side that is drawn at least: a vector picture loses nothing by being enlarged."""

MOST_SIDE = 2048

MAX_DEPTH = 40
"""Elements inside each other: each may be a picture of its own in memory, 16 MiB large, until it is laid over all."""

MAX_LAYERS = 100
"""Elements that may hold each other by reference, which is no depth that the file shows."""

_LAYERS = frozenset({"use", "mask", "pattern", "clipPath", "filter", "marker", "symbol"})

_STACK = 64 * 2**20
"""Bytes. With the 512 KiB that some systems give a thread, a depth of 30 was too much."""

INSTALL = "Run pip install resvg-py in ComfyUI's Python, and start ComfyUI again"

NO_RENDERER = "NO_SVG_RENDERER"

_LOOKED_AT = 2**14
# Each piece has one end only, and a name one beginning: what may be read in several ways is tried in all of them.
_BEGINNING = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*|<!--([^-]|-(?!->))*-->\s*"
    rb"|<!DOCTYPE\s+svg[^>[]*(\[([^\]]|\](?!\s*>))*\]\s*)?>\s*)*<svg[\s>/]"
)
# Of the alphabet of names, with any prefix: an address that is neither inside the file nor in itself.
_OUTSIDE = re.compile(r"""(?<![\w.-])([\w.-]*:?href\s*=\s*)("(?!#|data:)[^"]*"|'(?!#|data:)[^']*')""")
# Bytes that stand for characters, all that are marks of XML among them as in ASCII.
_LATIN = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["'](iso-8859-1|windows-1252)["']""", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?\d+)?)\s*(px)?\s*")


def is_svg(data: bytes) -> bool:
    """Whether ``data`` begins as an SVG file does."""
    return _BEGINNING.match(data[:_LOOKED_AT]) is not None


def damage(data: bytes) -> str | None:
    """What is wrong with an SVG file, in a few words; None where nothing is."""
    if not data.rstrip(b"\0 \t\r\n").endswith((b"</svg>", b"/>", b"-->")):
        return "its end is missing"
    try:
        _text(data)
        _look_at(data)
    except DecoderFault:
        return None  # whole, though not drawn
    except (UnicodeDecodeError, expat.ExpatError) as error:
        return str(error)
    return None


def can_draw() -> bool:
    return importlib.util.find_spec("resvg_py") is not None


def draw(data: bytes) -> bytes:
    """An SVG file as PNG, with the background that it has, in its own size or, within LEAST_SIDE and MOST_SIDE, near
    it. It has no :func:`damage`. Raises DecoderFault where it is not drawn: for the sake of this machine, or, with the
    code NO_SVG_RENDERER, because the package is not installed.
    """
    if not can_draw():
        raise DecoderFault(
            "The server sent a vector picture (SVG), and nothing is installed that draws it.",
            code=NO_RENDERER,
            hint=f"{INSTALL}. Then run again: the picture is paid for, and comes for nothing.",
        )
    text = _OUTSIDE.sub(r'\1""', _text(data))
    side = min(MOST_SIDE, max(LEAST_SIDE, *_look_at(data)))
    import resvg_py

    # Both sides: it fits the picture into them, however long the one and short the other is.
    def render() -> bytes:
        return bytes(resvg_py.svg_to_bytes(svg_string=text, width=side, height=side, dpi=96.0))

    try:
        return _on_a_large_stack(render)
    except ValueError as error:
        raise _not_drawn(str(error)) from error


def _text(data: bytes) -> str:
    """Raises UnicodeDecodeError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not _LATIN.match(data):
            raise
        return data.decode("latin-1")


def _not_drawn(reason: str) -> DecoderFault:
    return DecoderFault(
        f"The vector picture (SVG) came whole, but cannot be drawn here: {reason}.",
        code="SVG_NOT_DRAWN",
        hint="Open its file with another program, or write its name into Get SVG.",
    )


def _look_at(data: bytes) -> tuple[int, int]:
    """Width and height that the file names, in pixels, 0 for what it does not. Raises DecoderFault for what is not
    drawn, ExpatError for what is damaged.
    """
    depth = layers = 0
    root: dict[str, str] = {}

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, layers
        if not depth:
            root.update(attributes)
        depth += 1
        layers += name.rpartition(":")[2] in _LAYERS
        if depth > MAX_DEPTH:
            raise _not_drawn(f"its elements are nested more than {MAX_DEPTH} deep")
        if layers > MAX_LAYERS:
            raise _not_drawn(f"it has more than {MAX_LAYERS} masks, patterns, symbols and the like")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise _not_drawn("it declares entities or attributes of its own")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.EntityDeclHandler = parser.AttlistDeclHandler = refuse
    parser.Parse(data, True)
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    width, height = (_pixels(root.get(name)) for name in ("width", "height"))
    if not (width and height) and len(box) == 4:
        width, height = _pixels(box[2]), _pixels(box[3])
    return width, height


def _pixels(length: str | None) -> int:
    match = _LENGTH.fullmatch(length or "")
    return round(min(float(match[1]), 10.0 * MOST_SIDE)) if match else 0


def _on_a_large_stack(render: Callable[[], bytes]) -> bytes:
    outcome: list[bytes | BaseException] = []

    def run() -> None:
        try:
            outcome.append(render())
        except BaseException as error:  # also what Rust panics with
            outcome.append(error)

    before = threading.stack_size(_STACK)
    try:
        thread = threading.Thread(target=run, name="lumenfall-svg")
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    (found,) = outcome
    if isinstance(found, bytes):
        return found
    if isinstance(found, ValueError):
        raise found
    raise RuntimeError(f"resvg failed ({type(found).__name__}: {found})") from found
