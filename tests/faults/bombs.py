"""Answers that are small on the wire, and would fill the memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from nodes.spend.records import Records
from tests.faults.answers import without_log
from tests.faults.child import Outcome
from tests.faults.killing import NOT_KNOWN
from tests.faults.table import PAID_FOR, Act, Row, bought, do, fails, replayed
from tests.faults.world import World

PARTS = 1_000_000


def _with_parts(keep: int) -> Act:
    """A million entries come, behind the first ``keep``."""

    def spoil(response: web.Response) -> web.Response:
        data = json.loads(response.text or "")["data"][:keep]
        text = '{"data":[' + "".join(f"{json.dumps(entry)}," for entry in data) + "{}," * PARTS + "{}]}"
        headers = {name: value for name, value in response.headers.items() if name.startswith("X-")}
        headers |= {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(text.encode(), 1), headers=headers, content_type="application/json")

    return do(lambda world: world.sandbox.fail_next(Fault("bomb", "a million entries", spoil_answer=spoil)))


def _bomb_without_log(world: World, patch: pytest.MonkeyPatch) -> None:
    without_log(world, patch)
    _with_parts(0)(world, patch)


def _is_left_alone(world: World, patch: pytest.MonkeyPatch) -> None:
    """Its answer lies on disk, and runs that have nothing to do with it do not read it."""
    (kept,) = world.folder.glob("calls/open/*.answer")
    assert kept.stat().st_size > PARTS
    with pytest.MonkeyPatch.context() as own:
        without_log(world, own)
        read = []
        own.setattr(Records, "answer", lambda _, call: read.append(call.id) or b"")
        assert len(world.run(seed=6).pictures) == 1
        assert read == []
    world.run()


ZEROS = 12 * 2**20
PACKED = gzip.compress(bytes(ZEROS))


def _of_zeros(response: web.Response) -> web.Response:
    return web.Response(body=PACKED, headers={"Content-Encoding": "gzip"})


def _small_memory(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("nodes.api.downloads.MAX_BYTES", ZEROS + 2**20)
    patch.setattr("nodes.api.memory.MOST_HELD", 3 * ZEROS)


def _bombs(world: World, patch: pytest.MonkeyPatch) -> None:
    """Each link leads to a few kilobytes that become many megabytes, whenever it is asked."""
    _small_memory(world, patch)
    world.sandbox.fail_next(*[Fault("zeros", "", endpoint="media/", spoil_answer=_of_zeros)] * (2 * len(TEN)))


def _in_little_memory(world: World) -> Outcome:
    tracemalloc.start()
    try:
        outcome = world.run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * ZEROS
    return outcome


TEN = range(10)

ROWS = [
    Row(
        "ten pictures that are small on the wire only",
        fails(errors.AnswerError, Charged.YES),
        replayed(len(TEN)),
        (1, 1),
        inputs={"n": len(TEN)},
        provoke=_bombs,
        runs=_in_little_memory,
        between=_small_memory,
        again=_in_little_memory,
    ),
    Row(
        "a million entries",
        fails(errors.AnswerError, Charged.YES),
        PAID_FOR,
        (1, 1),
        provoke=_with_parts(0),
        says="more than 200,000 parts",
    ),
    Row("a million entries behind the picture", bought(), replayed(), (1, 1), provoke=_with_parts(1)),
    Row(
        "a million entries, and no log",
        fails(errors.AnswerError, Charged.UNKNOWN),
        NOT_KNOWN,
        (1, 1),
        provoke=_bomb_without_log,
        between=without_log,
        after=_is_left_alone,
    ),
]
