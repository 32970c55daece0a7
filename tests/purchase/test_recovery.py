"""Whatever is run next brings home what a killed process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest
from aiohttp import web

from nodes import errors
from nodes.api import Server
from nodes.errors import Charged
from nodes.headless.sandbox import Fault, Sandbox
from nodes.purchase import recovery
from nodes.purchase.recovery import look_after
from nodes.spend import Call, Journal, State, nanos
from tests.conftest import Nodes, wait_until_idle
from tests.purchase.test_ask import SMALL
from tests.purchase.test_checkout import ledger, restarted


def killed(nodes: Nodes, sandbox: Sandbox, state: State) -> Journal:
    """A call that was made, with its journal as a process left it that was killed in ``state``."""
    made = nodes("LumenfallGenerate", **SMALL)
    wait_until_idle(10)
    journal = Journal(nodes.host.data_dir())
    call = journal.find(made.report["request_id"])
    assert call
    journal.files.remove(call.pictures[0])
    links = [f"{sandbox.base_url.removesuffix('/openai/v1')}/media/{call.request_id}-0.png"]
    left = replace(call, state=state, pictures=(), delivered_at=None, facts={"entries": 1, "links": links})
    if state is State.SENT:
        left = replace(left, cost=None, charged=Charged.UNKNOWN, request_id=None)
    with journal.open().write() as connection:
        from nodes.spend.tables import calls, pictures

        connection.execute(pictures.delete())
        connection.execute(calls.update().values(left.columns()))
    journal.records.remove(call)  # which was never put away then
    (journal.folder / "calls" / "newest" / call.id).unlink()
    journal.records.write(left)
    return journal


def test_a_picture_is_fetched_before_its_link_expires(nodes: Nodes, sandbox: Sandbox) -> None:
    journal = killed(nodes, sandbox, State.ANSWERED)
    restarted(nodes)("LumenfallGenerate", **SMALL, seed=99)
    wait_until_idle(10)
    call = journal.undelivered()
    assert call and call.state is State.DONE and journal.files.has(call.pictures[0])
    sandbox._shelf.purge("req_")
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"]
    assert len(sandbox.bill) == 2


def test_what_was_charged_gets_into_the_ledger(nodes: Nodes, sandbox: Sandbox) -> None:
    killed(nodes, sandbox, State.SENT)
    assert ledger(nodes) == {}
    restarted(nodes)("LumenfallGenerate", **SMALL, seed=99)
    wait_until_idle(10)
    assert sum(ledger(nodes).values()) == nanos(sandbox.billed) and len(ledger(nodes)) == 2


def test_a_call_in_the_air_is_left_alone(nodes: Nodes, sandbox: Sandbox) -> None:
    journal = killed(nodes, sandbox, State.SENT)
    call = journal.unresolved([sandbox.base_url], since=0)[0]
    lock = journal.lock(call.key)
    assert lock.acquire()
    asyncio.run(look_after(Server(sandbox.base_url), journal))
    assert journal.find(call.id) == call
    lock.release()


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/openai/v1", "http://127.0.0.1:9/v1"])
def test_without_a_server_everything_waits(nodes: Nodes, sandbox: Sandbox, base_url: str) -> None:
    journal = killed(nodes, sandbox, State.ANSWERED)
    with journal.open().write() as connection:
        from nodes.spend.tables import calls

        connection.execute(calls.update().values(server=base_url, facts={"entries": 1, "links": [f"{base_url}/x.png"]}))
    asyncio.run(look_after(Server(base_url), journal))
    assert journal.unresolved([base_url], since=0)[0].state is State.ANSWERED


def test_what_nobody_can_use_is_fetched_a_few_times_only_while_nobody_asks(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that poisons itself costs the unrelated runs that follow a bounded number of tries and bytes."""
    monkeypatch.setattr(recovery, "MOST_BYTES", 2**18)
    journal = killed(nodes, sandbox, State.ANSWERED)
    (call,) = journal.unresolved([sandbox.base_url], since=0)
    sandbox.requests.clear()
    for _ in range(8):
        sandbox.faults.clear()
        sandbox.fail_next("download-html:2")
        asyncio.run(look_after(Server(sandbox.base_url), journal))
    fetched = [one for one in sandbox.requests if "/media/" in one.path]
    assert len(fetched) == 2 * recovery.MOST_TRIES
    kept = journal.find(call.id)
    assert kept and kept.facts["unasked"]["tries"] == recovery.MOST_TRIES
    # Whoever asks for it gets it all the same
    sandbox.faults.clear()
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"] and len(sandbox.bill) == 1


def test_bytes_that_come_while_nobody_asks_are_bounded(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "MOST_BYTES", 2**20)
    journal = killed(nodes, sandbox, State.ANSWERED)
    (call,) = journal.unresolved([sandbox.base_url], since=0)
    sandbox.requests.clear()
    for _ in range(4):
        sandbox.faults.clear()
        sandbox.fail_next("download-endless")
        asyncio.run(look_after(Server(sandbox.base_url), journal))
    assert sum("/media/" in one.path for one in sandbox.requests) == 1
    kept = journal.find(call.id)
    assert kept and 2**20 < kept.facts["unasked"]["bytes"] < 2**21


def test_a_process_that_dies_of_a_picture_has_written_down_that_it_tried(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = killed(nodes, sandbox, State.ANSWERED)
    (call,) = journal.unresolved([sandbox.base_url], since=0)

    class Killed(BaseException):
        pass

    def die(_: bytes) -> None:
        raise Killed

    monkeypatch.setattr("nodes.purchase.recovery.fetch", lambda *_, **__: die(b""))
    for _ in range(5):
        with contextlib.suppress(Killed):
            asyncio.run(look_after(Server(sandbox.base_url), journal))
    kept = journal.find(call.id)
    assert kept and kept.facts["unasked"]["tries"] == recovery.MOST_TRIES


def test_a_picture_that_drips_holds_up_nobody_who_did_not_ask_for_it(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PATIENCE", 0.5)
    journal = killed(nodes, sandbox, State.ANSWERED)
    sandbox.fail_next("download-drip:9")
    began = time.monotonic()
    asyncio.run(look_after(Server(sandbox.base_url), journal))
    assert time.monotonic() - began < 10
    sandbox.faults.clear()
    # Nothing is lost by leaving.
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"] and len(sandbox.bill) == 1


def test_calls_that_were_lost_are_looked_up_a_few_at_a_time(nodes: Nodes, sandbox: Sandbox) -> None:
    """The newest first, and each in turn: what the log never knows does not keep it from being asked about others."""
    journal = Journal(nodes.host.data_dir())
    count = recovery.MOST_CALLS
    for number in range(count + 5):
        call = Call(f"{number:04x}" * 16, sandbox.base_url, "images/generations", "flux.2-pro", state=State.LOST)
        journal.settle(replace(call, request_id=f"req_{number}", sent_at=time.time() - 600 + number))

    def asked() -> set[int]:
        sandbox.requests.clear()
        asyncio.run(look_after(Server(sandbox.base_url), journal))
        paths = [one.path for one in sandbox.requests if one.path.startswith("/v1/requests/req_")]
        return {int(path.rpartition("_")[2]) for path in paths}

    assert asked() == set(range(5, count + 5))
    assert asked() > set(range(5)) and len(asked()) == count


def test_a_refusal_that_the_log_did_not_confirm_is_asked_about_again(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was billed, and whoever runs next learns that."""
    blocked = Fault("blocked", "a billed 403", spoil_answer=lambda _: web.Response(status=403))
    sandbox.fail_next(blocked)
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_logged", list)
        with pytest.raises(errors.AuthenticationFailed):
            nodes("LumenfallGenerate", **SMALL)
    assert ledger(nodes) == {}
    restarted(nodes)("LumenfallGenerate", **SMALL, seed=99)
    wait_until_idle(10)
    assert sum(ledger(nodes).values()) == nanos(sandbox.billed) and len(ledger(nodes)) == 2


DAY = 24 * 3600.0


@pytest.mark.parametrize("facts", [{}, {"given_up": 1.0}])
def test_what_nobody_asks_for_again_is_looked_up_for_days(
    nodes: Nodes, sandbox: Sandbox, facts: dict[str, float]
) -> None:
    """The log knew it only later, or the computer was off."""
    journal = killed(nodes, sandbox, State.SENT)
    (call,) = journal.unresolved([sandbox.base_url], since=0)
    state = State.LOST if facts else State.SENT
    changed = replace(call, state=state, sent_at=time.time() - 3 * DAY, facts=facts)
    with journal.open().write() as connection:
        from nodes.spend.tables import calls

        connection.execute(calls.update().values(changed.columns()))
    journal.records.write(changed)
    restarted(nodes)("LumenfallGenerate", **SMALL, seed=99)
    wait_until_idle(10)
    assert sum(ledger(nodes).values()) == nanos(sandbox.billed) and len(ledger(nodes)) == 2


def test_the_pauses_between_looks_grow_with_the_age_of_a_call(nodes: Nodes, sandbox: Sandbox) -> None:
    journal = Journal(nodes.host.data_dir())
    now = time.time()

    def lost(name: str, age: float, looked_at: float) -> None:
        call = Call(f"{len(name):04x}" * 16, sandbox.base_url, "images/generations", "flux.2-pro", state=State.LOST)
        facts = {"looked_at": now - looked_at}
        journal.settle(replace(call, key=name * 16, request_id=f"req_{name}", sent_at=now - age, facts=facts))

    lost("0001", 1800, 1)
    lost("0002", 4 * 3600, 3600)
    lost("0003", 4 * 3600, 2.5 * 3600)
    lost("0004", 3 * DAY, 11 * 3600)
    lost("0005", 3 * DAY, 13 * 3600)
    lost("0006", 8 * DAY, 7 * DAY)
    sandbox.requests.clear()
    asyncio.run(look_after(Server(sandbox.base_url), journal))
    asked = {one.path.rpartition("/")[2] for one in sandbox.requests if "/v1/requests/req_" in one.path}
    assert asked == {"req_0001", "req_0003", "req_0005"}


def test_who_recovers_nothing_is_told_what_may_have_been_charged(nodes: Nodes, sandbox: Sandbox) -> None:
    journal = Journal(nodes.host.data_dir())
    call = Call("ab" * 32, sandbox.base_url, "images/generations", "flux.2-pro", state=State.LOST)
    journal.settle(replace(call, request_id="req_lost"))
    with pytest.raises(errors.InputError) as caught:
        nodes("LumenfallRecover")
    assert "may have been charged: req_lost (" in str(caught.value.hint)
    assert "asks the server again" in str(caught.value.hint)
