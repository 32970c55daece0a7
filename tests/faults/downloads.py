"""Faults while a finished and billed picture is fetched. None of them costs anything, and none of them a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from tests.faults.answers import THREE, setting
from tests.faults.child import Outcome
from tests.faults.table import B64, Act, Expected, Row, both, bought, do, fails, replayed, told
from tests.faults.world import World

YES = Charged.YES


def _missed(name: str, *faults: str, error: type[errors.LumenfallError] = errors.DownloadError, **more: Any) -> Row:
    """The first run ends without the picture, the next one fetches it."""
    return Row(name, fails(error, YES), replayed(), (1, 1), faults=faults or (name,), **more)


def _mended(name: str, *faults: str, pictures: int = 1, **more: Any) -> Row:
    """The same run fetches it with another try."""
    return Row(name, bought(pictures), replayed(pictures), (1, 1), faults=faults or (name,), **more)


def _gone(name: str, *faults: str, **more: Any) -> Row:
    """The server has no picture any more, whatever was paid."""
    gone = fails(errors.DownloadError, YES)
    return Row(name, gone, gone, (1, 1), faults=faults or (name,), **more)


def _part(first: Expected, second: Expected, name: str, *faults: str, **more: Any) -> Row:
    return Row(name, first, second, (1, 1), faults=faults, inputs=THREE, **more)


def _expire_all(world: World, patch: pytest.MonkeyPatch) -> None:
    shelf = world.sandbox._shelf
    for name in shelf._media:
        shelf.expire(name)


def _as(output_format: str) -> dict[str, Any]:
    return {"options": {**B64["options"], "parameters": {"output_format": output_format}}}


def _broken(frame: object) -> None:
    raise AttributeError("'PngImageFile' object has no attribute 'has_transparency_data'")


def _odd_status(world: World, patch: pytest.MonkeyPatch) -> None:
    answer = web.Response(status=400, text="ExpiredToken")
    world.sandbox.fail_next(Fault("odd", "400 for a picture", endpoint="media/", instead=lambda *_: answer))


NO_PICTURE = ("download-cut", "download-zeros", "download-page", "download-empty", "download-html")
FORMATS = ("jpeg", "webp", "gif", "avif")

ALWAYS = 4
"""As often as a download is tried."""

NEVER = 7
"""As often as a new link is tried that is refused."""

AN_HOUR = 3700.0


def hours_later(*faults: str) -> Act:
    """Links are old now, and meet ``faults``."""
    return both(do(lambda world: world.let_pass(AN_HOUR)), do(lambda world: world.sandbox.fail_next(*faults)))


def _stopping(world: World, patch: pytest.MonkeyPatch) -> None:
    """The process ends when the link is refused; pauses would never end."""
    requests = world.sandbox.requests
    patch.setattr("nodes.purchase.background.is_closing", lambda: any("/media/" in one.path for one in requests))
    patch.setattr("nodes.api.downloads.LAG", (1e9,))


def _with_clock(seconds: float, **settings: Any) -> Callable[[World], Outcome]:
    return lambda world: world.start(clock=seconds, settings=settings).outcome()


def _refused_all_along(world: World) -> Outcome:
    """However often it is tried: what looks after earlier calls (recovery) tries it once, should it come first."""
    world.sandbox.fail_next(f"download-404:{3 * NEVER}")
    outcome = told("it is free", never="change the seed")(world)
    assert len(world.sandbox.faults) in (2 * NEVER, 2 * NEVER - 1)
    world.sandbox.faults.clear()
    return outcome


def _comes_after_all(world: World, patch: pytest.MonkeyPatch) -> None:
    assert len(world.run().pictures) == 1


ROWS = [
    _mended("download-reset"),
    _mended("download-reset three times", "download-reset:3"),
    _mended("download-ignores-range"),
    _mended("download-short"),
    _mended("download-429"),
    _mended("download-500"),
    _mended("download-503"),
    _mended("download-500 for one of three", "download-500", pictures=3, inputs=THREE),
    _mended("download-drip", provoke=setting("nodes.api.downloads.DEADLINE", 0.5)),
    _missed("download-reset to the last try", f"download-reset:{ALWAYS}"),
    _missed("download-ignores-range to the last try", f"download-ignores-range:{ALWAYS}"),
    _missed("download-500 to the last try", f"download-500:{ALWAYS}"),
    _missed("download-429 to the last try", f"download-429:{ALWAYS}"),
    _missed(
        "download-drip to the last try", f"download-drip:{ALWAYS}", provoke=setting("nodes.api.downloads.DEADLINE", 0.2)
    ),
    _missed("download-endless", provoke=setting("nodes.api.downloads.MAX_BYTES", 2**18)),
    # Not all of a store knows a new picture at once
    _mended("download-403"),
    _mended("download-404"),
    _mended("download-404, and 403 for long", "download-404:3", "download-403:3"),
    _missed("download-403 to the last try", f"download-403:{NEVER}", says="Run again, it is free"),
    _missed("download-404 to the last try", f"download-404:{NEVER}", says="Run again, it is free"),
    _missed("download-404 while the process ends", "download-404", provoke=_stopping, says="Run again, it is free"),
    Row(
        "download-404 after the hour",
        fails(errors.DownloadError, YES),
        fails(errors.DownloadError, YES),
        (1, 1),
        faults=(f"download-404:{NEVER}",),
        between=both(hours_later(), do(lambda world: world.sandbox._shelf.purge("req_"))),
        again=told("links live for about an hour", "gone from the server", "change the seed", never="free"),
        overtaken=True,
    ),
    Row(
        "server gone after the hour",
        fails(errors.DownloadError, YES),
        fails(errors.DownloadError, YES),
        (1, 1),
        faults=(f"download-500:{ALWAYS}",),
        between=both(hours_later(), do(World.stop_server)),
        again=told("links live for about an hour", "if it is gone", never="it is free"),
        after=do(World.start_server),
        overtaken=True,
    ),
    Row(
        "a link that lives longer than the hour",
        fails(errors.DownloadError, YES),
        replayed(),
        (1, 1),
        faults=(f"download-404:{NEVER}",),
        between=hours_later(),
    ),
    *(
        Row(
            f"a clock {name} at the purchase, and right afterwards",
            fails(errors.DownloadError, YES),
            fails(errors.DownloadError, YES),
            (1, 1),
            faults=(f"download-404:{NEVER}",),
            runs=_with_clock(years * 365 * 24 * 3600.0, **settings),
            again=_refused_all_along,
            after=_comes_after_all,
            overtaken=True,
        )
        for name, years, settings in (
            ("years behind", -6, {}),
            ("years behind, the server's not known", -6, {"nodes.api.exchange.Reply.dated": None}),
            ("a year ahead", 1, {}),
        )
    ),
    _missed("redirect-loop", says="redirects more than"),
    _missed("redirect-private", says="a private machine"),
    # What came has the right length and is no picture: its link is kept until it is one
    *(_mended(fault) for fault in NO_PICTURE),
    *(_missed(f"{fault} both times", f"{fault}:2", error=errors.AnswerError) for fault in NO_PICTURE),
    *(
        _mended(f"{fault}, {format}", fault, inputs=_as(format))
        for fault in ("download-cut", "download-zeros", "download-page")
        for format in FORMATS
    ),
    *(
        _missed(f"download-cut both times, {format}", "download-cut:2", error=errors.AnswerError, inputs=_as(format))
        for format in FORMATS
    ),
    _missed("download-cut, then gone for now", "download-cut", "download-404"),
    # The file is whole, and what should read it is broken: an old package, or a bug of the pack
    *(
        Row(
            f"decoder broken{way}",
            fails(errors.DecoderFault, YES),
            replayed(),
            (1, 1),
            inputs=inputs,
            provoke=lambda world, patch: patch.setattr("nodes.pixels.codec._pixels", _broken),
            between=lambda world, patch: world.stop_server(),
            after=lambda world, patch: world.start_server(),
            says="comes for nothing",
        )
        for way, inputs in (("", {}), (" in base64", B64))
    ),
    _gone("expired-link", says="the picture is gone from the server"),
    _gone("link expired before the next run", "download-reset:4", between=_expire_all, overtaken=True),
    _part(bought(3), replayed(3), "download-404 for one of three", "download-404"),
    _part(bought(2), replayed(2), "expired-link for one of three", "expired-link"),
    _part(bought(3), replayed(3), "download-404 for two of three", "download-404:2"),
    _part(bought(2), replayed(3), "download-400 for one of three", provoke=_odd_status),
    _part(bought(3), replayed(3), "download-cut for one of three", "download-cut"),
    _part(bought(3), replayed(3), "download-cut for three", "download-cut:3"),
]
