"""One run of a node; and real processes that run one, and may be killed at any moment.

As a script it imports the pack once, and then forks a child for each order, a line of JSON on stdin. A child writes
lines into the named pipe of its order: its process id first, then what it waits for, and last its outcome. However it
ends, the pipe ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import hashlib
import importlib
import json
import os
import signal
import sqlite3
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import anyio
import anyio.lowlevel
import httpx
import tenacity
import torch
from PIL import Image

from nodes.errors import LumenfallError
from nodes.host import Bare, Host, Place, use
from nodes.spend import Call
from nodes.table import NODE_CLASS_MAPPINGS

QUICK: dict[str, Any] = {
    "nodes.api.client.TIMEOUT": httpx.Timeout(3.0),
    "nodes.api.client.FREE_TIMEOUT": httpx.Timeout(3.0),
    "nodes.api.client.MEDIA_TIMEOUT": httpx.Timeout(3.0),
    "nodes.api.retries._backoff": tenacity.wait_none(),
    "nodes.api.downloads._backoff": tenacity.wait_none(),
    "nodes.api.downloads.LAG": (0.0,) * 6,
}
"""Waiting, cut short: what is tested is what happens afterwards."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: with pictures (a digest for each), with an error, or not at all (``died``)."""

    pictures: tuple[str, ...] = ()
    replayed: bool = False
    cost: float | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    error: str | None = None
    code: str | None = None
    charged: str | None = None
    request_id: str | None = None
    text: str = ""
    died: bool = False


def attempt(host: Host, node_id: str, inputs: dict[str, Any]) -> Outcome:
    """Run a node as ComfyUI does: a new event loop, inference mode, defaults filled in."""
    with use(host), torch.inference_mode():
        try:
            return succeeded(asyncio.run(start(node_id, inputs)))
        except Exception as error:
            return failed(error)


async def start(node_id: str, inputs: dict[str, Any]) -> dict[str, Any]:
    node = NODE_CLASS_MAPPINGS[node_id]
    declared = node.INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[-1]}
    answer: dict[str, Any] = await getattr(node(), node.FUNCTION)(**{**defaults, **inputs})
    return answer


def succeeded(answer: dict[str, Any]) -> Outcome:
    images, _, text = answer["result"]
    report = json.loads(text)
    return Outcome(
        pictures=tuple(digest((image * 255).round().to(torch.uint8)) for image in images),
        replayed=report["replayed"],
        cost=report["cost"],
        notes=tuple(report["notes"]),
        failures=tuple(failure["charged"] for failure in report["failures"]),
    )


def failed(error: Exception) -> Outcome:
    if not isinstance(error, LumenfallError):
        return Outcome(error=type(error).__name__, text=str(error))
    return Outcome(
        error=type(error).__name__,
        code=error.code,
        charged=error.charged.value,
        request_id=error.request_id,
        text=str(error),
    )


def digest(pixels: torch.Tensor) -> str:
    """Of ``[H, W, C]`` in whole numbers from 0 to 255."""
    return hashlib.sha256(repr(tuple(pixels.shape)).encode() + pixels.numpy().tobytes()).hexdigest()


def assign(name: str, value: Any) -> None:
    """Set ``package.module.Class.attribute``."""
    owner, attribute = find(name)
    setattr(owner, attribute, value)


def find(name: str) -> tuple[Any, str]:
    """The object that holds the last part of a dotted name, and that part."""
    path, attribute = name.rpartition(".")[::2]
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            owner = importlib.import_module(".".join(parts[:size]))
            for part in parts[size:]:
                owner = getattr(owner, part)
            return owner, attribute
    raise ValueError(f"there is no {name}")


# What only real processes do


class Telling(Bare):
    """The bare host, which says what it is waiting for, and may be told to send again what was lost."""

    def __init__(self, say: Callable[[str], None], sends_again: bool) -> None:
        self.progress = say  # type: ignore[method-assign]
        # Not that of the process, which would be the same in all forks.
        self._place = Place(uuid.uuid4().hex, sends_again=sends_again)

    def place(self) -> Place:
        return self._place


def die_at(target: str, when: str, about: str | None, count: int) -> None:
    """Let this process be killed before or after the ``count``-th call of ``target``; of those only that are ``about``
    a Call in this state, or a file whose name ends so.

    With when = "half", ``target`` is handed only half of its last argument, and then the process dies.
    """
    owner, attribute = find(target)
    original: Callable[..., Any] = getattr(owner, attribute)
    left = count

    def doomed(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if about is None or any(_is_about(arg, about) for arg in args):
            left -= 1
        if left:
            return original(*args, **kwargs)
        if when == "after":
            original(*args, **kwargs)
        elif when == "half":
            original(*args[:-1], args[-1][: len(args[-1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, attribute, doomed)


def _is_about(arg: object, about: str) -> bool:
    return arg.state.value == about if isinstance(arg, Call) else isinstance(arg, Path) and arg.name.endswith(about)


def shift_clock(seconds: float) -> None:
    real = time.time
    assign("time.time", lambda: real() + seconds)


def hold_database(path: str, say: Callable[[str], None]) -> None:
    """Be another program that writes to the database, and does not come to an end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        say("holding")
        signal.pause()


def work(order: dict[str, Any], say: Callable[[str], None]) -> None:
    say(str(os.getpid()))
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    if order.get("hold"):
        hold_database(order["hold"], say)
    for name, value in {**QUICK, **order["settings"]}.items():
        assign(name, value)
    if order.get("clock"):
        shift_clock(order["clock"])
    if order.get("die"):
        die_at(**order["die"])
    say(json.dumps(asdict(attempt(Telling(say, order.get("sends_again", False)), order["node"], order["inputs"]))))


def serve() -> None:
    # What a child would load by itself, each time anew.
    for name in ("alembic.command", "alembic.config", "filelock", "sqlalchemy.dialects.sqlite", "nodes.spend.tables"):
        importlib.import_module(name)
    asyncio.run(anyio.lowlevel.checkpoint())
    Image.init()
    # So that children do not copy all that is in memory only to find that it is in use.
    gc.freeze()
    # Torch's threads would not survive a fork.
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            with contextlib.suppress(BrokenPipeError), open(order["pipe"], "w", buffering=1, encoding="utf-8") as pipe:
                say = functools.partial(print, file=pipe)
                try:
                    work(order, say)
                except BaseException:
                    say(json.dumps({"crash": traceback.format_exc()}))
            os._exit(0)


if __name__ == "__main__":
    serve()
