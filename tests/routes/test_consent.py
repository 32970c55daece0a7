"""Giving a call up, as the browser does it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodes.errors import Charged
from nodes.headless.sandbox import Sandbox
from nodes.spend import Call, State
from tests.routes.page import Routes


@pytest.fixture
def lost(routes: Routes, locked: Sandbox) -> Call:
    """A call of which nobody knows what became."""
    call = Call("a" * 64, locked.base_url, "images/generations", "m", state=State.LOST, charged=Charged.UNKNOWN)
    routes.journal.settle(call)
    return call


def shown(routes: Routes) -> tuple[bool, bool]:
    (listed,) = routes.get("/calls")["calls"]
    return listed["blocking"], listed["given_up"]


def test_a_lost_call_is_given_up(routes: Routes, lost: Call) -> None:
    assert shown(routes) == (True, False)
    for _ in range(2):
        told = routes.post(f"/calls/{lost.id}/give-up", {})
        assert told == {"id": lost.id, "state": "lost", "charged": "may have been charged", "given_up": True}
    assert shown(routes) == (False, True)


def test_only_who_may_change_settings_may(routes: Routes, lost: Call) -> None:
    address = f"/calls/{lost.id}/give-up"
    far = routes.http.post(address, json={}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert (far.status_code, far.json()["error"]["code"]) == (403, "REMOTE")
    assert routes.http.post(address, json={}, headers={"X-Lumenfall": ""}).status_code == 403
    assert routes.http.post(address, content=b"{}").status_code == 415
    assert shown(routes) == (True, False)


def test_a_call_that_is_waited_for_stays(routes: Routes, lost: Call) -> None:
    lock = routes.journal.lock(lost.key)
    assert lock.acquire()
    assert routes.post(f"/calls/{lost.id}/give-up", {}, 409)["error"]["code"] == "IN_THE_AIR"
    lock.release()
    assert shown(routes) == (True, False)


def test_what_is_done_is_left_as_it_is_and_what_is_not_there_is_not_found(routes: Routes, lost: Call) -> None:
    done = replace(lost, id="d" * 32, state=State.DONE, charged=Charged.YES, cost=1)
    routes.journal.settle(done)
    assert routes.post(f"/calls/{done.id}/give-up", {})["given_up"] is False
    assert routes.post(f"/calls/{lost.id[:8]}/give-up", {}, 404)["error"]["code"] == "NOT_FOUND"
