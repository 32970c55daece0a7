"""Nobody knows what became of a call, and the user wants it sent again all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nodes import errors
from nodes.api import Logged
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.purchase.consent import release
from nodes.purchase.session import Session
from nodes.spend import newest
from tests.faults.answers import SHORT, THREE, without_log
from tests.faults.child import Outcome, attempt
from tests.faults.databases import database, garbage
from tests.faults.killing import NOT_KNOWN, in_the_air
from tests.faults.limits import DAY, ONE_A_DAY, TOO_DEAR, at
from tests.faults.links import PRIVATE, _spoilt, at_host
from tests.faults.stores import _expire_links, _pictures
from tests.faults.table import KILLED, PAID_FOR, Act, Expected, Row, both, bought, do, fails, replayed, told
from tests.faults.world import GENERATE, World, forget

UNKNOWN = Charged.UNKNOWN
LOST = fails(errors.ConnectionFailed, UNKNOWN)

at_private = at_host("10.0.0.1")


def send_again(world: World, **inputs: Any) -> Outcome:
    """A run with which the user says so."""
    forget()
    return attempt(Headless(world.env, sends_again=True), GENERATE, {**world.inputs, **inputs})


def give_up(world: World, patch: pytest.MonkeyPatch) -> None:
    """The button on the error, and on the call in the sidebar."""
    forget()
    session = Session(world.host())
    (call,) = newest(session.journal, 1)
    asyncio.run(release(session, call.id))
    forget()


def replay_off(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(world.env, "LUMENFALL_REPLAY", "off")


def logged(status: str, cost: float | None) -> Act:
    """The server's log says so, for this run."""

    async def say(*_: object) -> Logged:
        return Logged("req_1", status, cost)

    def act(world: World, patch: pytest.MonkeyPatch) -> None:
        patch.setattr("nodes.api.request_log.by_id", say)
        patch.setattr("nodes.api.request_log.by_trace", say)

    return act


def _then(expected: Expected) -> Act:
    """The same inputs once more, without a word of the user's."""

    def after(world: World, patch: pytest.MonkeyPatch) -> None:
        expected.check(world.run(), ())
        world.env.pop("LUMENFALL_LIMIT_DAY", None)
        world.run()
        world.run(seed=5)

    return after


ONE_LOST = both(_pictures(Path.unlink), _expire_links)


def _replayed_by_all(world: World, patch: pytest.MonkeyPatch) -> None:
    """What was bought again is whole, so that there is nothing more to send again."""
    for run in (World.run, send_again):
        assert run(world).replayed is True


def _row(name: str, second: Expected = bought(), bills: tuple[int, int] = (1, 2), **more: Any) -> Row:  # noqa: B008
    usual: dict[str, Any] = {
        "faults": ("hang",),
        "provoke": both(SHORT, without_log),
        "between": without_log,
        # Whoever runs next learns what the lost one cost.
        "after": do(lambda world: world.run(seed=5)),
        "overtaken": True,
    }
    return Row(f"given up {name}", more.pop("first", LOST), second, bills, **{**usual, **more})


ROWS = [
    _row("by a run", again=send_again),
    Row(
        "given up: pictures of which one never comes",
        bought(2),
        bought(3),
        (1, 2),
        inputs=THREE,
        provoke=_spoilt(lambda data: [*data[:2], {"url": "http://10.0.0.1/1.png"}]),
        again=send_again,
        overtaken=True,
        between=do(told("--send-again")),
        after=_then(replayed(3, spoilt=True)),
    ),
    _row("by a run without replay", between=both(without_log, replay_off)),
    _row("with the button", between=both(without_log, give_up)),
    _row("with the button, and the database lost", between=both(without_log, give_up, database(garbage))),
    _row("by nobody", NOT_KNOWN, (1, 1)),
    # Whose clock was right when is no matter: the journal has an order of its own.
    *(
        _row(
            f"by a run, a call of a clock that was {name}",
            faults=("reset-before-headers",),
            provoke=do(lambda world: None),
            first=fails(errors.ConnectionFailed, Charged.YES),
            **{"between": do(lambda world: None), "runs": at(clock), "again": send_again, **more},
        )
        for name, clock, more in (
            ("a day ahead", DAY, {}),
            ("a day behind", -DAY, {}),
            ("right, while that of the run is a day behind", 0, {"again": at(-DAY, sends_again=True)}),
            ("a day ahead, without replay", DAY, {"again": World.run, "between": replay_off}),
            ("a day ahead, and the database is lost then", DAY, {"after": database(garbage)}),
        )
    ),
    _row(
        "a plain 500", bills=(0, 1), faults=("plain-500",), first=fails(errors.ServerFault, UNKNOWN), again=send_again
    ),
    _row("a call of which the log says that it was charged", between=do(lambda world: None), again=send_again),
    _row(
        "a call of which the log says that it was not charged, which was not needed",
        bills=(0, 1),
        faults=("html-502",),
        first=fails(errors.ServerFault, UNKNOWN),
        between=give_up,
    ),
    _row(
        "a call of a process that was killed",
        faults=(),
        provoke=do(lambda world: None),
        first=KILLED,
        runs=in_the_air,
        ledger_late=True,
        again=send_again,
    ),
    _row("twice over", between=both(without_log, give_up, give_up)),
    # What was given up counts against the limits, until the log says otherwise.
    _row(
        "with no money left",
        TOO_DEAR,
        (1, 1),
        env=ONE_A_DAY,
        again=send_again,
        after=_then(PAID_FOR),  # consent that was of no use is not kept
    ),
    _row(
        "with the button, and no money left",
        TOO_DEAR,
        (1, 1),
        env=ONE_A_DAY,
        between=both(without_log, give_up),
        after=_then(TOO_DEAR),
    ),
    # A log that names no cost is no verdict, and one that names none at last is.
    _row(
        "by nobody, while the log names no cost",
        NOT_KNOWN,
        (0, 0),
        faults=("html-502",),
        first=fails(errors.ServerFault, UNKNOWN),
        provoke=logged("upstream_failure", None),
        between=logged("upstream_failure", None),
    ),
    _row(
        "by nobody, and the log names its cost at last",
        bills=(0, 1),
        faults=("html-502",),
        first=fails(errors.ServerFault, UNKNOWN),
        provoke=logged("upstream_failure", None),
        between=logged("upstream_failure", 0.0),
    ),
    # What was paid for, and cannot be had.
    *(
        _row(
            f"{name}, a picture on a private machine",
            second,
            (1, bills),
            faults=(),
            provoke=at_private,
            first=PRIVATE,
            says="send it again",
            after=do(lambda world: None),
            **more,
        )
        for name, second, bills, more in (
            ("by a run", bought(), 2, {"again": send_again, "between": do(lambda world: None)}),
            ("by a run without replay", bought(), 2, {"between": replay_off}),
            ("with the button", bought(), 2, {"between": give_up}),
            ("by nobody", PRIVATE, 1, {"between": do(lambda world: None)}),
        )
    ),
    # One of several pictures is lost.
    *(
        Row(
            f"given up {name}, one of three pictures that is lost",
            bought(3),
            bought(3),
            (1, 2),
            inputs=THREE,
            after=_replayed_by_all,
            **more,
        )
        for name, more in (
            ("by a run", {"again": send_again, "between": ONE_LOST}),
            ("by a run without replay", {"between": both(ONE_LOST, replay_off)}),
            ("with the button", {"between": both(ONE_LOST, give_up)}),
        )
    ),
    Row(
        "one of three pictures that is lost, given up by nobody",
        bought(3),
        replayed(2),
        (1, 1),
        inputs=THREE,
        again=told("--send-again"),
        between=ONE_LOST,
    ),
    # What is paid for and there is not bought again by the way.
    Row("given up, and nothing was wrong", bought(), replayed(), (1, 1), again=send_again),
    Row("given up with the button, and nothing was wrong", bought(), replayed(), (1, 1), between=give_up),
]
