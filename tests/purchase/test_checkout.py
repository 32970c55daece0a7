"""What a user relies on in a graph: the same again is free, another take is not, and two equal nodes pay once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import torch

from nodes import errors
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import Interrupted, use
from nodes.spend import Journal, nanos
from tests.conftest import Nodes, Outcome, wait_until_idle
from tests.contract.test_nodes import options
from tests.purchase.test_ask import SMALL, until
from tests.spend.conftest import forget_databases


def restarted(nodes: Nodes, **environ: str) -> Nodes:
    """The same user in a new process, with nothing in memory."""
    forget_databases()
    return Nodes(Headless({"LUMENFALL_BASE_URL": nodes.host.environ()["LUMENFALL_BASE_URL"], **environ}))


def ledger(nodes: Nodes) -> dict[str, int]:
    """Request id -> confirmed cost in nanos."""
    import sqlalchemy as sa

    from nodes.spend.tables import calls

    with Journal(nodes.host.data_dir()).open().read() as connection:
        query = sa.select(calls.c.request_id, calls.c.cost).where(calls.c.cost > 0)
        return {request_id: cost for request_id, cost in connection.execute(query)}


def test_two_equal_nodes_make_one_call(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3

    async def both() -> list[Outcome]:
        return await asyncio.gather(*(nodes.start("LumenfallGenerate", **SMALL) for _ in range(2)))

    with use(nodes.host):
        one, two = asyncio.run(both())
    assert torch.equal(one.images, two.images) and len(sandbox.bill) == 1
    assert sorted([one.report["cost"], two.report["cost"]]) == [0.0, float(sandbox.billed)]


def test_stop_loses_no_picture(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(nodes.host, "progress", lines.append)
    sandbox.latency = 0.5

    async def stopped() -> None:
        task = asyncio.create_task(nodes.start("LumenfallGenerate", **SMALL))
        await asyncio.to_thread(until, lambda: any(one.method == "POST" for one in sandbox.requests))
        nodes.host.stop()
        await task

    with use(nodes.host), pytest.raises(Interrupted):
        asyncio.run(stopped())
    assert "a request was already sent and finishes in the background" in lines[-1]
    assert wait_until_idle(10) == 0
    made = restarted(nodes)("LumenfallGenerate", **SMALL)
    assert made.report["replayed"] and len(sandbox.bill) == 1


def test_what_was_not_sent_when_stop_was_pressed_is_not_sent_later(nodes: Nodes, sandbox: Sandbox) -> None:
    from nodes.settings import Settings

    sandbox.latency = 0.5

    async def stopped() -> None:
        task = asyncio.create_task(nodes.start("LumenfallVariations", image=torch.rand(9, 64, 64, 3)))
        await asyncio.to_thread(until, lambda: any(one.method == "POST" for one in sandbox.requests))
        nodes.host.stop()
        await task

    with use(nodes.host), pytest.raises(Interrupted):
        asyncio.run(stopped())
    wait_until_idle(10)
    assert 1 <= len(sandbox.bill) <= Settings().parallel
    assert sum(ledger(nodes).values()) == nanos(sandbox.billed)


def test_a_call_whose_end_is_not_known_is_not_sent_again(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("reset-before-headers")
    with pytest.raises(errors.ConnectionFailed) as caught:
        nodes("LumenfallGenerate", **SMALL)
    assert "change the seed" in str(caught.value)
    with pytest.raises(errors.Unresolved, match="Nothing was sent now"):
        restarted(nodes)("LumenfallGenerate", **SMALL)
    assert len(sandbox.bill) == 1
    nodes("LumenfallGenerate", **SMALL, seed=1)
    assert len(sandbox.bill) == 2 and sum(ledger(nodes).values()) == nanos(sandbox.billed)


def test_a_call_that_was_refused_may_be_sent_again(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-502")
    with pytest.raises(errors.ProvidersExhausted) as caught:
        nodes("LumenfallGenerate", **SMALL)
    assert "this request cost nothing" in str(caught.value)
    assert not nodes("LumenfallGenerate", **SMALL).report["replayed"]
    assert len(sandbox.bill) == 1


def test_keep_hands_on_what_succeeded(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-500")
    images, mask = torch.rand(3, 64, 64, 3), torch.ones(1, 64, 64)
    made = nodes("LumenfallInpaint", image=images, mask=mask, prompt="a cat", options=options(on_failure="keep"))
    assert made.images.shape[0] == 2 and made.mask.shape[0] == 2
    (failure,) = made.report["failures"]
    assert failure["code"] == "INTERNAL_ERROR" and failure["charged"] == "not charged"
    assert {failure["index"], *(one["index"] for one in made.report["requests"])} == {0, 1, 2}
    assert len(sandbox.bill) == 2


def test_keep_lays_each_answer_into_its_own_picture(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-500")
    images = torch.stack([torch.full((64, 64, 3), value) for value in (0.0, 0.2, 0.4, 0.6)])
    mask = torch.zeros(1, 64, 64)
    mask[:, :8, :8] = 1.0
    made = nodes("LumenfallInpaint", image=images, mask=mask, prompt="a cat", options=options(on_failure="keep"))
    for picture, request in zip(made.images, made.report["requests"], strict=True):
        assert torch.equal(picture[8:], images[request["index"], 8:])


def test_keep_is_an_error_where_nothing_succeeded(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-500:3")
    with pytest.raises(errors.ServerFault):
        nodes("LumenfallVariations", image=torch.rand(3, 64, 64, 3), options=options(on_failure="keep"))


# Limits


def test_a_limit_refuses_before_anything_is_sent(nodes: Nodes, sandbox: Sandbox) -> None:
    price = float(nodes("LumenfallGenerate", **SMALL).report["cost"])
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY=str(price * 1.5))
    with pytest.raises(errors.BudgetExceeded, match="limit per day"):
        limited("LumenfallGenerate", **SMALL, seed=1)
    assert len(sandbox.bill) == 1
    assert limited("LumenfallGenerate", **SMALL).report["replayed"], "replays cost nothing"


def test_parallel_requests_do_not_overshoot_a_limit_together(nodes: Nodes, sandbox: Sandbox) -> None:
    price = float(nodes("LumenfallVariations", image=torch.rand(1, 64, 64, 3)).report["cost"])
    limited = restarted(nodes, LUMENFALL_LIMIT_RUN=str(price * 2), LUMENFALL_ON_FAILURE="keep")
    report = limited("LumenfallVariations", image=torch.rand(6, 64, 64, 3)).report
    assert len(sandbox.bill) == 3
    assert [failure["code"] for failure in report["failures"]] == ["BUDGET_EXCEEDED"] * 4


def test_without_a_price_a_limit_refuses(tmp_path: Path, sandbox: Sandbox) -> None:
    other = sandbox.base_url.removesuffix("/openai/v1") + "/v1"
    host = Headless({"LUMENFALL_BASE_URL": other, "LUMENFALL_LIMIT_DAY": "1"})
    with pytest.raises(errors.BudgetExceeded, match="nobody knows the price") as caught:
        Nodes(host)("LumenfallGenerate", **SMALL, model="somebody/new")
    assert "prices" in caught.value.hint
    assert all(request.method == "GET" for request in sandbox.requests)


def test_limits_in_a_workflow_count_for_nothing(nodes: Nodes, sandbox: Sandbox) -> None:
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY="0")
    with pytest.raises(errors.BudgetExceeded):
        limited("LumenfallGenerate", **SMALL, options=options(extra=json.dumps({"limits": {"day": 100}})))
    assert sandbox.bill == []
