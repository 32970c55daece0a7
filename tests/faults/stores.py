"""The store, its pictures and the server, as they may be when the same inputs are run again."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import FAULTS
from nodes.spend import Journal, clean
from tests.faults.answers import setting
from tests.faults.child import find
from tests.faults.databases import AT_ANSWERED
from tests.faults.downloads import ALWAYS, NEVER, hours_later
from tests.faults.killing import SETTLE, in_the_air, killed_at
from tests.faults.table import B64, KILLED, PAID_FOR, Act, Expected, Row, both, bought, do, fails, replayed, told
from tests.faults.world import World, forget, painted

YES = Charged.YES
THREE = {"n": 3}
NO_REPLAY = {"LUMENFALL_REPLAY": "0"}
KEY = "a-key-that-is-right"


def _clean(world: World) -> None:
    forget()
    clean(Journal(world.folder), 0)


def _pictures(change: Callable[[Path], object], count: int = 1) -> Act:
    def between(world: World, patch: pytest.MonkeyPatch) -> None:
        pictures = sorted(world.folder.glob("store/*/*.png"))
        for picture in pictures[:count]:
            change(picture)

    return between


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _full_folder(path: Path) -> None:
    _folder(path)
    (path / "thing").write_bytes(b"of somebody's")


def _pipe(path: Path) -> None:
    """Who reads it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _grown(path: Path) -> None:
    """To more than any memory holds; it takes no room on the disk."""
    with path.open("r+b") as file:
        file.truncate(40 * 2**30)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _same_size(path: Path) -> None:
    path.write_bytes(b"?" * path.stat().st_size)


def _flipped(path: Path) -> None:
    """One bit of a chunk that no decoder checks: the picture still opens."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1] ^= 32
    path.write_bytes(content)


DAMAGES = {
    "truncated": _half,
    "replaced by a folder": _folder,
    "replaced by a full folder": _full_folder,
    "replaced by a pipe": _pipe,
    "replaced by a link to what never ends": _endless,
    "grown": _grown,
    "emptied": _emptied,
    "overwritten": _same_size,
    "flipped in a bit": _flipped,
    "damaged in its header": _header,
}


def _expire_links(world: World, patch: pytest.MonkeyPatch) -> None:
    for name in world.sandbox._shelf._media:
        world.sandbox._shelf.expire(name)


def _bought_knowingly(world: World, patch: pytest.MonkeyPatch) -> None:
    """Where the user says so, it is bought again; and then it is replayed."""
    bills = world.bills
    world.env["LUMENFALL_REPLAY"] = "off"
    assert world.run().replayed is False and world.bills == bills + 1
    del world.env["LUMENFALL_REPLAY"]


def _replayed_later(world: World, patch: pytest.MonkeyPatch) -> None:
    """Once the host of the links is well again."""
    bills = world.bills
    assert world.run().replayed is True and world.bills == bills


def _mended(world: World) -> None:
    """Each file is what its name says, and what stood in its place has not taken somebody's things with it."""
    files = sorted(world.folder.glob("store/*/*.png"))
    assert len(files) == 1 and all(hashlib.sha256(file.read_bytes()).hexdigest() == file.stem for file in files)
    assert all(thing.read_bytes() for thing in world.folder.glob("store/*/*/thing"))


def _damaged(name: str, change: Callable[[Path], object]) -> list[Row]:
    """A link that lives brings it once more; otherwise it is not bought again by itself."""
    asks = told("store is damaged", "To buy it again", never="it is free")
    lost = fails(errors.DownloadError, YES)
    act = _pictures(change)
    return [
        _again(f"picture {name}", replayed(), act, after=do(_mended)),
        _again(f"picture {name}, link expired", lost, both(act, _expire_links), again=asks, after=_bought_knowingly),
        _again(f"picture {name}, in base64", lost, act, again=asks, inputs=B64, after=_bought_knowingly),
        _again(
            f"picture {name}, and refused for long", lost, both(act, REFUSED), again=told("it is free", never="seed")
        ),
        _again(
            f"picture {name}, refused for a while",
            replayed(),
            both(act, do(lambda w: w.sandbox.fail_next("download-404:6"))),
        ),
        _again(f"picture {name}, after the hour", lost, both(act, hours_later("download-404")), again=asks),
        _again(f"picture {name}, of three", replayed(3), act, inputs=THREE),
        _again(
            f"picture {name}, of three, link expired",
            replayed(2),
            both(act, _expire_links),
            again=told("store is damaged", "To buy it again"),
            inputs=THREE,
        ),
    ]


REFUSED = do(lambda world: world.sandbox.fail_next(f"download-403:{NEVER}"))


def _with_part(content: Callable[[World], bytes]) -> Act:
    """What is on disk of an unfinished download belongs to another file."""

    def between(world: World, patch: pytest.MonkeyPatch) -> None:
        (part,) = world.folder.glob("calls/open/*.part")
        part.write_bytes(content(world))

    return between


def _again(name: str, second: Expected, between: Act, **more: Any) -> Row:
    pictures = more.get("inputs", {}).get("n", 1)
    bills = (1, 1 if second.replayed or second.error else 2)
    return Row(name, bought(pictures), second, bills, between=between, **more)


def _unfinished(name: str, second: Expected, between: Act, **more: Any) -> Row:
    first = fails(errors.DownloadError, YES)
    return Row(name, first, second, (1, 1), faults=("download-reset:4",), between=between, **more)


def _replay_again(world: World, patch: pytest.MonkeyPatch) -> None:
    del world.env["LUMENFALL_REPLAY"]


def _no_replay_any_more(world: World, patch: pytest.MonkeyPatch) -> None:
    """What a node has handed on is bought anew, where replay is off."""
    assert world.run().replayed is False
    _replay_again(world, patch)


def _gone(world: World, patch: pytest.MonkeyPatch) -> None:
    world.stop_server()


def _back(then: Expected) -> Act:
    def after(world: World, patch: pytest.MonkeyPatch) -> None:
        world.start_server()
        then.check(world.run(), painted(world.folder.parent, world.inputs))

    return after


def _locked_up(world: World, patch: pytest.MonkeyPatch) -> None:
    world.sandbox._api_key = world.env["LUMENFALL_API_KEY"] = KEY


def _wrong_key(world: World, patch: pytest.MonkeyPatch) -> None:
    world.sandbox._api_key = KEY
    world.env["LUMENFALL_API_KEY"] = "a-key-that-is-wrong"


def _right_key(then: Expected) -> Act:
    def after(world: World, patch: pytest.MonkeyPatch) -> None:
        world.env["LUMENFALL_API_KEY"] = KEY
        then.check(world.run(), painted(world.folder.parent, world.inputs))

    return after


def _model_list(fault: str) -> Act:
    def provoke(world: World, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(*find("nodes.api.client.FREE_TIMEOUT"), httpx.Timeout(0.3))
        world.sandbox.fail_next(dataclasses.replace(FAULTS[fault], endpoint="models"))

    return provoke


def _slow_server(world: World, patch: pytest.MonkeyPatch) -> None:
    world.sandbox.latency = 1.5


def _no_money(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world.sandbox.account, "balance", type(world.sandbox.account.balance)(0))


def _killed(die: dict[str, Any], second: Expected, name: str, **more: Any) -> Row:
    return Row(name, KILLED, second, (1, 1), runs=killed_at(die), ledger_late=True, **more)


AT_DONE = {"target": SETTLE, "when": "after", "about": "done", "count": 1}
BEFORE_DELIVERED = {"target": "nodes.spend.journal.Journal.mark_delivered", "when": "before", "about": None, "count": 1}
UNKNOWN = fails(errors.Unresolved, Charged.UNKNOWN)

ROWS = [
    # What is on disk
    _again("run again", replayed(), do(lambda world: None)),
    _again("run again, replay off", bought(), do(lambda world: None), env=NO_REPLAY, after=_replay_again),
    _killed(AT_ANSWERED, replayed(), "replay off, and never handed on", env=NO_REPLAY, after=_replay_again),
    _killed(
        AT_DONE,
        replayed(),
        "replay off, and killed when done",
        env=NO_REPLAY,
        after=_no_replay_any_more,
    ),
    _again("store cleaned", bought(), do(_clean)),
    _killed(BEFORE_DELIVERED, replayed(), "store cleaned, and never handed on", between=do(_clean)),
    _again("picture deleted", replayed(), _pictures(Path.unlink)),
    _again("picture deleted, link expired", bought(), both(_pictures(Path.unlink), _expire_links)),
    _again("picture deleted, in base64", bought(), _pictures(Path.unlink), inputs=B64),
    _again("picture deleted, after the hour", bought(), both(_pictures(Path.unlink), hours_later("download-404"))),
    *(
        _again(
            f"picture deleted, and {fault} hours later",
            fails(errors.DownloadError, YES),
            both(_pictures(Path.unlink), hours_later(fault)),
            again=told("it is free", never="seed"),
            after=_replayed_later,
        )
        for fault in (f"download-503:{ALWAYS}", f"download-reset:{ALWAYS}", "download-html:2")
    ),
    _again("picture deleted, of three", replayed(3), _pictures(Path.unlink), inputs=THREE),
    _again(
        "picture deleted, of three, link expired",
        replayed(2),
        both(_pictures(Path.unlink), _expire_links),
        inputs=THREE,
    ),
    *(row for name, change in DAMAGES.items() for row in _damaged(name, change)),
    _unfinished("partial download goes on", replayed(), do(lambda world: None)),
    _unfinished(
        "partial download deleted", replayed(), do(lambda w: next(w.folder.glob("calls/open/*.part")).unlink())
    ),
    _unfinished(
        "partial download replaced by a pipe",
        replayed(),
        do(lambda w: [_pipe(part) for part in w.folder.glob("calls/open/*.part")]),
    ),
    _again(
        "a pipe among the records", replayed(), do(lambda world: os.mkfifo(world.folder / "calls" / "open" / "x.json"))
    ),
    _unfinished("partial download of nothing", replayed(), _with_part(lambda world: b"")),
    _unfinished("partial download of garbage", replayed(), _with_part(lambda world: b"garbage")),
    _unfinished("partial download too long", replayed(), _with_part(lambda world: b"garbage" * 100_000)),
    # Who is on the other side
    _again("server gone", replayed(), _gone),
    _again("server gone, in base64", replayed(), _gone, inputs=B64),
    _again("server gone, after three pictures", replayed(3), _gone, inputs=THREE),
    _unfinished(
        "server gone, when a download had failed",
        fails(errors.DownloadError, YES),
        _gone,
        after=_back(replayed()),
        overtaken=True,
    ),
    Row(
        "server gone, after a call was lost",
        fails(errors.ConnectionFailed, YES),
        PAID_FOR,
        (1, 1),
        faults=("reset-before-headers",),
        between=_gone,
        after=_back(PAID_FOR),
    ),
    Row(
        "server gone, after a call was killed in the air",
        KILLED,
        UNKNOWN,
        (1, 1),
        runs=in_the_air,
        ledger_late=True,
        between=_gone,
        after=_back(PAID_FOR),
    ),
    Row(
        "server not there yet",
        fails(errors.ConnectionFailed),
        bought(),
        (0, 1),
        provoke=_gone,
        between=do(World.start_server),
    ),
    _again("wrong key", replayed(), _wrong_key, provoke=_locked_up),
    _unfinished("wrong key, when a download had failed", replayed(), _wrong_key, provoke=_locked_up),
    Row(
        "wrong key, after a call was killed in the air",
        KILLED,
        UNKNOWN,
        (1, 1),
        runs=in_the_air,
        ledger_late=True,
        between=_wrong_key,
        after=_right_key(PAID_FOR),
    ),
    Row(
        "wrong key from the start",
        fails(errors.AuthenticationFailed),
        bought(),
        (0, 1),
        provoke=_wrong_key,
        between=_locked_up,
    ),
    Row("no money left", fails(errors.InsufficientBalance), bought(), (0, 1), provoke=_no_money),
    *(
        Row(f"model list: {fault}", bought(), replayed(), (1, 1), provoke=_model_list(fault))
        for fault in ("status-500", "html-502", "hang", "cut-json", "reset-mid-body")
    ),
    Row(
        "timeout, while the server still works",
        fails(errors.ConnectionFailed, Charged.UNKNOWN),
        PAID_FOR,
        (0, 1),
        provoke=both(_slow_server, setting("nodes.api.client.TIMEOUT", httpx.Timeout(0.5))),
        between=do(World.wait_for_bill),
    ),
]
