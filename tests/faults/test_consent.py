"""Whom the user's word covers: what was sent before the run that it was given with, and nobody waits for any more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import errors
from nodes.api import Logged
from nodes.errors import Charged, InputError
from nodes.headless.checks import build
from nodes.headless.core_nodes import table
from nodes.headless.executor import Result, execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.host import use
from nodes.purchase.consent import begin, release
from nodes.purchase.session import Session
from nodes.spend import State, newest
from nodes.table import NODE_CLASS_MAPPINGS
from tests.faults.answers import SHORT, without_log
from tests.faults.child import Outcome, attempt, failed, start, succeeded
from tests.faults.giving_up import LOST, send_again
from tests.faults.killing import NOT_KNOWN
from tests.faults.limits import DAY
from tests.faults.table import KILLED, PAID_FOR, Act, bought, do, fails, replayed
from tests.faults.test_races import in_air, in_line, right
from tests.faults.world import GENERATE, World, forget

WORDS = [pytest.param({"LUMENFALL_REPLAY": "off"}, False, id="replay off"), pytest.param({}, True, id="send again")]


@pytest.fixture
def unheard(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A server without a log, of which calls are lost."""
    without_log(world, monkeypatch)
    yield world


@pytest.fixture
def impatient(unheard: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, for who does not wait long for what hangs."""
    SHORT(unheard, monkeypatch)
    return unheard


def _released(world: World, call_id: str) -> State:
    return asyncio.run(release(Session(world.host()), call_id)).state


@pytest.mark.parametrize(("env", "sends_again"), WORDS)
def test_two_equal_nodes_of_a_run_are_not_sent_again(impatient: World, env: dict[str, str], sends_again: bool) -> None:
    """One after the other, as a node that tries again, or is called for each item of a list."""
    impatient.sandbox.fail_next("hang")
    host = Headless({**impatient.env, **env}, sends_again=sends_again)
    LOST.check(attempt(host, GENERATE, impatient.inputs), ())
    NOT_KNOWN.check(attempt(host, GENERATE, impatient.inputs), ())
    assert len(impatient.orders) == 1


@pytest.mark.parametrize(("env", "sends_again"), WORDS)
def test_of_equal_nodes_at_once_one_is_sent(impatient: World, env: dict[str, str], sends_again: bool) -> None:
    impatient.sandbox.fail_next("hang")
    LOST.check(impatient.run(), ())
    impatient.sandbox.fail_next("hang")

    async def one() -> Outcome:
        try:
            return succeeded(await start(GENERATE, impatient.inputs))
        except Exception as error:
            return failed(error)

    async def both() -> list[Outcome]:
        return await asyncio.gather(one(), one())

    with use(Headless({**impatient.env, **env}, sends_again=sends_again)), torch.inference_mode():
        outcomes = asyncio.run(both())
    assert sorted(outcome.error or "" for outcome in outcomes) == ["ConnectionFailed", "Unresolved"]
    assert len(impatient.orders) == 2


def test_equal_pictures_of_a_batch_are_not_sent_again(impatient: World) -> None:
    impatient.sandbox.fail_next("hang")
    options: dict[str, Any] = {"model": "", "parameters": {}, "on_failure": "keep", "too_large": "refuse"}
    inputs = {"image": torch.full((2, 64, 64, 3), 0.5), "model": "flux.2-pro", "options": options}
    host = Headless({**impatient.env, "LUMENFALL_REPLAY": "off"})
    outcome = attempt(host, "LumenfallVariations", inputs)
    assert outcome.error and "An equal request was sent at" in outcome.text
    assert re.search(r"no pictures of it came: [^.(]+\. Nothing was sent now\.", outcome.text)
    assert len(impatient.orders) == 1


@pytest.mark.parametrize("clock", [0, -DAY, DAY])
@pytest.mark.parametrize(("env", "sends_again"), WORDS)
def test_what_was_sent_after_a_run_began_is_not_covered(
    unheard: World, env: dict[str, str], sends_again: bool, clock: float
) -> None:
    """By another run, that is, whatever its clock says; whoever began this one could not have meant it."""
    assert len(unheard.run(seed=9).pictures) == 1
    host = Headless({**unheard.env, **env}, sends_again=sends_again)
    begin(host)
    unheard.sandbox.fail_next("reset-before-headers")
    fails(errors.ConnectionFailed, Charged.YES).check(unheard.start(clock=clock).outcome(), ())
    PAID_FOR.check(attempt(host, GENERATE, unheard.inputs), ())
    assert len(unheard.orders) == 2


def test_a_run_of_the_command_line_begins_before_its_first_node(
    unheard: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While that waits for another, an equal request is sent, and lost."""
    assert len(unheard.run(seed=9).pictures) == 1

    class Slow:
        RETURN_TYPES = ("STRING",)
        FUNCTION = "make"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {}}

        def make(self) -> tuple[str]:
            unheard.sandbox.fail_next("reset-before-headers")
            fails(errors.ConnectionFailed, Charged.YES).check(unheard.start().outcome(), ())
            return (unheard.inputs["prompt"],)

    prompt = {
        "1": {"class_type": "Slow", "inputs": {}},
        "2": {"class_type": GENERATE, "inputs": {**unheard.inputs, "n": 1, "seed": 0, "prompt": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    nodes = {**table(Folders(tmp_path, tmp_path, tmp_path)), **NODE_CLASS_MAPPINGS, "Slow": Slow}
    host = Headless(unheard.env, sends_again=True)

    async def go() -> Result:
        return await execute(await build(prompt, nodes, []), host)

    with use(host):
        result = asyncio.run(go())
    assert result.errors["2"]["code"] == "SENT_BEFORE"
    assert len(unheard.orders) == 2


def nobody(world: World, patch: pytest.MonkeyPatch) -> None:
    world.stop_server()
    fails(errors.ConnectionFailed).check(send_again(world), ())
    world.start_server()


def refused(world: World, patch: pytest.MonkeyPatch) -> None:
    world.sandbox.fail_next("status-400")
    fails(errors.InvalidRequest).check(send_again(world), ())


def free_in_the_end(world: World, patch: pytest.MonkeyPatch) -> None:
    """Lost too, until the log says that it was not charged."""
    world.sandbox.fail_next("html-502")
    fails(errors.ServerFault, Charged.UNKNOWN).check(send_again(world), ())
    (call,) = newest(Session(world.host()).journal, 1)

    async def say(*args: Any) -> Logged | None:
        is_asked_for = call.id in args or call.request_id in args
        return Logged("req_2", "upstream_failure", 0.0) if is_asked_for else None

    patch.setattr("nodes.api.request_log.by_id", say)
    patch.setattr("nodes.api.request_log.by_trace", say)


def killed(*moment: str) -> Act:
    die = dict(zip(("target", "when"), moment, strict=True)) | {"about": None, "count": 1}
    return do(lambda world: KILLED.check(world.start(die, sends_again=True).outcome(), ()))


@pytest.mark.parametrize(
    "use_up",
    [
        pytest.param(nobody, id="no server"),
        pytest.param(refused, id="refused"),
        pytest.param(free_in_the_end, id="free in the end"),
        pytest.param(killed("nodes.api.client.Client.send", "before"), id="killed before it leaves"),
        pytest.param(killed("nodes.spend.records.Records.prepare", "before"), id="killed before it is entered"),
    ],
)
def test_consent_that_was_of_no_use_is_not_kept(impatient: World, use_up: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was given for a run that brought nothing; days later a plain one must not send by it."""
    impatient.sandbox.fail_next("hang")
    LOST.check(impatient.run(), ())
    use_up(impatient, monkeypatch)
    ordered = len(impatient.orders)
    for _ in range(2):
        assert impatient.run().code == "SENT_BEFORE"
    assert len(impatient.orders) == ordered
    bought().check(send_again(impatient), right(impatient))


def test_what_was_bought_by_consent_is_replayed_by_whom_it_was_not_entered(impatient: World) -> None:
    impatient.sandbox.fail_next("hang")
    LOST.check(impatient.run(), ())
    killed("nodes.purchase.consent.give_up", "before")(impatient, pytest.MonkeyPatch())
    replayed().check(impatient.run(), right(impatient))
    assert len(impatient.orders) == 2


def test_consent_is_for_once(impatient: World) -> None:
    impatient.sandbox.fail_next("hang", "hang")
    LOST.check(impatient.run(), ())
    LOST.check(send_again(impatient), ())
    NOT_KNOWN.check(impatient.run(), ())
    assert len(impatient.orders) == 2
    bought().check(send_again(impatient), right(impatient))


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


def test_the_error_names_the_ways_on_and_the_call(impatient: World) -> None:
    impatient.sandbox.fail_next("hang")
    for kind in (errors.ConnectionFailed, errors.Unresolved):
        with use(impatient.host()), torch.inference_mode(), pytest.raises(kind) as caught:
            asyncio.run(start(GENERATE, impatient.inputs))
        text = str(caught.value)
        assert all(way in text for way in ("change the seed", "--send-again", "button", "may then be charged twice"))
        (call,) = newest(Session(impatient.host()).journal, 1)
        assert caught.value.as_dict()["call"] == call.id
