"""Whom the user's word covers: what was sent before the run that it was given with, and nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nodes import errors
from nodes.errors import Charged, InputError
from nodes.headless.host import Headless
from nodes.host import use
from nodes.purchase.consent import release
from nodes.purchase.session import Session
from nodes.spend import State, newest
from tests.faults.answers import SHORT, without_log
from tests.faults.child import Outcome, attempt, failed, start, succeeded
from tests.faults.giving_up import LOST, send_again
from tests.faults.killing import NOT_KNOWN
from tests.faults.table import bought, fails, replayed
from tests.faults.test_races import in_air, in_line, right
from tests.faults.world import GENERATE, World, forget

WORDS = [pytest.param({"LUMENFALL_REPLAY": "off"}, False, id="replay off"), pytest.param({}, True, id="send again")]


@pytest.fixture
def unheard(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A server without a log, of which calls are lost."""
    SHORT(world, monkeypatch)
    without_log(world, monkeypatch)
    yield world


def _released(world: World, call_id: str) -> State:
    return asyncio.run(release(Session(world.host()), call_id)).state


@pytest.mark.parametrize(("env", "sends_again"), WORDS)
def test_two_equal_nodes_of_a_run_are_not_sent_again(unheard: World, env: dict[str, str], sends_again: bool) -> None:
    """One after the other, as a node that tries again, or is called for each item of a list."""
    unheard.sandbox.fail_next("hang")
    host = Headless({**unheard.env, **env}, sends_again=sends_again)
    LOST.check(attempt(host, GENERATE, unheard.inputs), ())
    NOT_KNOWN.check(attempt(host, GENERATE, unheard.inputs), ())
    assert len(unheard.orders) == 1


@pytest.mark.parametrize(("env", "sends_again"), WORDS)
def test_of_equal_nodes_at_once_one_is_sent(unheard: World, env: dict[str, str], sends_again: bool) -> None:
    unheard.sandbox.fail_next("hang")
    LOST.check(unheard.run(), ())
    unheard.sandbox.fail_next("hang")

    async def one() -> Outcome:
        try:
            return succeeded(await start(GENERATE, unheard.inputs))
        except Exception as error:
            return failed(error)

    async def both() -> list[Outcome]:
        return await asyncio.gather(one(), one())

    with use(Headless({**unheard.env, **env}, sends_again=sends_again)), torch.inference_mode():
        outcomes = asyncio.run(both())
    assert sorted(outcome.error or "" for outcome in outcomes) == ["ConnectionFailed", "Unresolved"]
    assert len(unheard.orders) == 2


def test_equal_pictures_of_a_batch_are_not_sent_again(unheard: World) -> None:
    unheard.sandbox.fail_next("hang")
    options: dict[str, Any] = {"model": "", "parameters": {}, "on_failure": "keep", "too_large": "refuse"}
    inputs = {"image": torch.full((2, 64, 64, 3), 0.5), "model": "flux.2-pro", "options": options}
    host = Headless({**unheard.env, "LUMENFALL_REPLAY": "off"})
    outcome = attempt(host, "LumenfallVariations", inputs)
    assert outcome.error and "An equal request was sent at" in outcome.text
    assert len(unheard.orders) == 1


def test_what_was_sent_after_a_run_began_is_not_covered(unheard: World) -> None:
    """By another run, that is; whoever began this one could not have meant it."""
    host = Headless(unheard.env, sends_again=True)
    unheard.sandbox.fail_next("hang")
    LOST.check(unheard.run(), ())
    NOT_KNOWN.check(attempt(host, GENERATE, unheard.inputs), ())
    assert len(unheard.orders) == 1


def test_consent_is_for_once(unheard: World) -> None:
    unheard.sandbox.fail_next("hang", "hang")
    LOST.check(unheard.run(), ())
    LOST.check(send_again(unheard), ())
    NOT_KNOWN.check(unheard.run(), ())
    assert len(unheard.orders) == 2
    bought().check(send_again(unheard), right(unheard))


def test_a_call_in_the_air_is_never_given_up(world: World) -> None:
    first, gate = in_air(world)
    (call,) = newest(Session(world.host()).journal, 1)
    with pytest.raises(InputError) as caught:
        _released(world, call.id)
    assert (caught.value.code, caught.value.charged) == ("IN_THE_AIR", Charged.NO)
    second = in_line(world, env={"LUMENFALL_REPLAY": "off"})
    gate.open()
    bought().check(first.outcome(), right(world))
    assert second.outcome().pictures == right(world)
    forget()
    assert _released(world, call.id) is State.DONE
    # Without replay the second has bought one of its own, after the first was home.
    assert world.bills == 2
    world.check_ledger()


def test_who_says_so_waits_for_an_equal_one_all_the_same(world: World) -> None:
    first, gate = in_air(world)
    second = in_line(world, sends_again=True)
    gate.open()
    bought().check(first.outcome(), right(world))
    replayed().check(second.outcome(), right(world))
    assert world.bills == 1


def test_what_the_log_settles_is_not_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sandbox.fail_next("html-502")
    with monkeypatch.context() as patch:
        without_log(world, patch)
        fails(errors.ServerFault, Charged.UNKNOWN).check(world.run(), ())
    forget()
    (call,) = newest(Session(world.host()).journal, 1)
    assert _released(world, call.id) is State.REFUSED
    with pytest.raises(InputError, match="no call"):
        _released(world, "0" * 32)


def test_the_error_names_the_ways_on_and_the_call(unheard: World) -> None:
    unheard.sandbox.fail_next("hang")
    for kind in (errors.ConnectionFailed, errors.Unresolved):
        with use(unheard.host()), torch.inference_mode(), pytest.raises(kind) as caught:
            asyncio.run(start(GENERATE, unheard.inputs))
        text = str(caught.value)
        assert all(way in text for way in ("change the seed", "--send-again", "button", "may then be charged twice"))
        (call,) = newest(Session(unheard.host()).journal, 1)
        assert caught.value.as_dict()["call"] == call.id
