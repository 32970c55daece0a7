"""SVG answers of vector models, drawn by resvg where the optional package resvg-py is installed.

It has wheels for Windows, macOS and Linux, needs no library of the system, and fetches nothing from a network. What it
does not guard against is looked at before: sizes and layers for which there is no memory, elements inside each other by
the hundred, and pictures of this machine's disk. Nor does anything else in this process go on while it draws, the
host's server among it: how long it would take is tried out on small drawings first.
"""

from __future__ import annotations

import importlib.util
import re
import threading
import time
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

MOST_SECONDS = 10.0
"""Of drawing: as long everything stands still, Stop too."""

_TRIED = (128, 64, 32, 16, 8, 4, 2)
"""Parts of the side that are drawn to see how long the next one takes: the first ones take next to nothing."""

_PIXELS, _MOST_GROWN = 4.0, 16.0
"""How many times as long it takes: there are four times as many pixels, and filters look at the neighbours of each."""

_MEASURABLE = 0.02
"""Seconds below which nothing is told of how it grows."""

_clock: Callable[[], float] = time.thread_time

_STACK = 64 * 2**20
"""Bytes. With the 512 KiB that some systems give a thread, a depth of 30 was too much."""

INSTALL = "Run pip install resvg-py in ComfyUI's Python, and start ComfyUI again"

NO_RENDERER = "NO_SVG_RENDERER"

_LOOKED_AT = 2**14
# Each piece has one end only, and a name one beginning: what may be read in several ways is tried in all of them.
_BEGINNING = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*|<!--([^-]|-(?!->))*-->\s*"
    rb"|<!DOCTYPE\s+[\w:.-]*svg[^>[]*(\[([^\]]|\](?!\s*>))*\]\s*)?>\s*)*<([\w.-]+:)?svg[\s>/]"
)
_END = re.compile(rb"(</([\w.-]+:)?svg\s*>|/>|-->)\Z")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
"""As texts in UTF-16 begin, with a mark that says so or with the first sign of XML."""
# Of the alphabet of names, with any prefix: an address that is neither inside the file nor in itself.
_OUTSIDE = re.compile(r"""(?<![\w.-])([\w.-]*:?href\s*=\s*)("(?!#|data:)[^"]*"|'(?!#|data:)[^']*')""")
# Bytes that stand for characters, all that are marks of XML among them as in ASCII.
_LATIN = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["'](iso-8859-1|windows-1252)["']""", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?\d+)?)\s*(px)?\s*")


def is_svg(data: bytes) -> bool:
    """Whether ``data`` begins as an SVG file does."""
    start = data[:_LOOKED_AT]
    return _BEGINNING.match(_in_utf8(start, "replace") if start.startswith(_WIDE) else start) is not None


def damage(data: bytes) -> str | None:
    """What is wrong with an SVG file, in a few words; None where nothing is."""
    try:
        end = _in_utf8(data) if data.startswith(_WIDE) else data
        if not _END.search(end[-_LOOKED_AT:].rstrip(b"\0 \t\r\n")):
            return "its end is missing"
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
    def render(size: int, skip_system_fonts: bool = False) -> bytes:
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=text, width=size, height=size, dpi=96.0, skip_system_fonts=skip_system_fonts
            )
        )

    def render_in_time() -> bytes:
        # Whoever looks for the fonts each time takes longer over that than over the drawing.
        _check_time(side, lambda size: render(size, skip_system_fonts=True))
        return render(side)

    try:
        return _on_a_large_stack(render_in_time)
    except ValueError as error:
        raise _not_drawn(str(error)) from error


def _check_time(side: int, render: Callable[[int], bytes]) -> None:
    """Raise DecoderFault where the picture would take too long, by what smaller ones take, and how that grows."""
    before = 0.0
    for part in _TRIED:
        began = _clock()
        render(max(1, side // part))
        took = _clock() - began
        grown = took / before if before > _MEASURABLE else _PIXELS
        before = took
        if took * min(max(grown, _PIXELS), _MOST_GROWN) > MOST_SECONDS:
            raise _not_drawn(f"it would take longer than {MOST_SECONDS:.0f} s, and keep ComfyUI from all else")


def _in_utf8(wide: bytes, errors: str = "strict") -> bytes:
    """Raises UnicodeDecodeError."""
    encoding = "utf-16-be" if wide[:2] in (b"\xfe\xff", b"\0<") else "utf-16-le"
    return wide.decode(encoding, errors).removeprefix("\ufeff").encode("utf-8", "replace")


def _text(data: bytes) -> str:
    """Raises UnicodeDecodeError."""
    if data.startswith(_WIDE):
        return _in_utf8(data).decode("utf-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not _LATIN.match(data):
            raise
        return data.decode("latin-1")


def _not_drawn(reason: str, *, or_handed_on: bool = True) -> DecoderFault:
    other = ", or write its name into Get SVG" if or_handed_on else ""
    return DecoderFault(
        f"The vector picture (SVG) came whole, but cannot be drawn here: {reason}.",
        code="SVG_NOT_DRAWN",
        hint=f"Open its file with another program{other}.",
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
        raise _not_drawn("it declares entities or attributes of its own", or_handed_on=False)  # by Get SVG neither

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
    if isinstance(found, (ValueError, DecoderFault)):
        raise found
    raise RuntimeError(f"resvg failed ({type(found).__name__}: {found})") from found
