"""What was put off, and sent again, may have been billed all the same."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from nodes import errors
from nodes.headless.sandbox import Fault, Sandbox
from nodes.purchase import outcome, recovery
from nodes.spend import Journal, nanos, newest, uncertain_count
from tests.conftest import Nodes, wait_until_idle
from tests.purchase.test_ask import SMALL
from tests.purchase.test_checkout import ledger, restarted

MEDIUM = {**SMALL, "model": "flux.2-pro"}


def _put_off(request_ids: list[str], *, named: bool = True) -> Any:
    """It is worked off and billed, and then the client is told to come again."""

    def spoil(response: web.Response) -> web.Response:
        request_ids.append(response.headers["X-Lumenfall-Request-Id"])
        busy = {"error": {"message": "later", "code": "OVERLOADED"}}
        headers = {"X-Lumenfall-Request-Id": request_ids[-1]} if named else {}
        return web.json_response(busy, status=503, headers={**headers, "Retry-After": "0"})

    return Fault("put-off", "a billed 503", spoil_answer=spoil)


def _out_of_reach() -> Any:
    raise web.HTTPServiceUnavailable


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("lags", [False, True])
def test_what_was_put_off_and_billed_is_in_the_ledger_beside_what_came(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, lags: bool, named: bool
) -> None:
    """At once, or by the next run, where the log lags; whether or not the server names the requests."""
    put_off: list[str] = []
    sandbox.fail_next(_put_off(put_off, named=named), _put_off(put_off, named=named))
    with monkeypatch.context() as patch:
        if lags:
            patch.setattr(sandbox, "_logged", list)
        nodes("LumenfallGenerate", **SMALL)
        assert wait_until_idle(10) == 0
    if lags:
        assert len(ledger(nodes)) == 1
        restarted(nodes)("LumenfallGenerate", **SMALL, seed=9)
        assert wait_until_idle(10) == 0
    assert set(put_off) < set(ledger(nodes)) and sum(ledger(nodes).values()) == nanos(sandbox.billed)
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"]


def test_what_was_put_off_counts_against_the_limits_as_long_as_the_log_is_out_of_reach(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY="0.07")  # a picture costs 0.03
    sandbox.fail_next(_put_off([], named=False))
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_logged", _out_of_reach)
        limited("LumenfallGenerate", **MEDIUM)
        assert wait_until_idle(10) == 0
        with pytest.raises(errors.BudgetExceeded, match=r"0\.06 are spent or reserved"):
            limited("LumenfallGenerate", **MEDIUM, seed=2)
    assert len(sandbox.bill) == 2


def test_a_storm_uses_up_no_limit_once_the_log_can_be_asked_again(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many were put off: the first run after it finds out, and is not refused for them."""
    monkeypatch.setattr(recovery, "MOST_CALLS", 6)
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY="0.37")  # twelve requests of 0.03, and less than that of thirteen
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_logged", _out_of_reach)
        for seed in range(3):
            sandbox.fail_next("status-429:4")
            with pytest.raises(errors.RateLimited):
                limited("LumenfallGenerate", **MEDIUM, seed=seed)
            assert wait_until_idle(10) == 0
        with pytest.raises(errors.BudgetExceeded, match=r"0\.36 are spent or reserved"):
            limited("LumenfallGenerate", **MEDIUM, seed=7)
        assert wait_until_idle(10) == 0
    monkeypatch.setattr(outcome, "FINAL_AFTER_PUT_OFF", 0.0)
    again = restarted(nodes, LUMENFALL_LIMIT_DAY="0.37")
    assert not again("LumenfallGenerate", **MEDIUM, seed=7).report["replayed"]
    assert len(sandbox.bill) == 1
    assert wait_until_idle(10) == 0
    assert uncertain_count(Journal(nodes.host.data_dir())) == (0, 0)


def test_the_log_is_asked_once_about_what_was_put_off(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-503", "status-500")
    with pytest.raises(errors.ServerFault):
        nodes("LumenfallGenerate", **SMALL)
    assert wait_until_idle(10) == 0
    put_off = next(one.request_id for one in sandbox.requests if one.method == "POST")
    assert [one.path.endswith(put_off) for one in sandbox.requests].count(True) == 1


def test_what_was_put_off_and_not_billed_leaves_nothing_behind(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-503:2")
    nodes("LumenfallGenerate", **SMALL)
    assert wait_until_idle(10) == 0
    assert [call.request_id for call in newest(Journal(nodes.host.data_dir()), 9)] == [sandbox.bill[0].request_id]
