"""A cost that the server's log knows later than the answer."""

from __future__ import annotations

import asyncio

import pytest

from nodes.api import Server
from nodes.errors import Charged
from nodes.headless.sandbox import Sandbox
from nodes.headless.sandbox.log import Received
from nodes.purchase import late_prices
from nodes.purchase.recovery import look_after
from nodes.spend import Call, Journal, nanos
from tests.conftest import Nodes, wait_until_idle
from tests.purchase.test_ask import SMALL
from tests.purchase.test_checkout import ledger, restarted
from tests.purchase.test_money import answering


def logging(monkeypatch: pytest.MonkeyPatch, cost: float | None) -> None:
    entry = Received.entry
    monkeypatch.setattr(Received, "entry", lambda received: {**entry(received), "cost": cost})


def bought_unpriced(nodes: Nodes, sandbox: Sandbox) -> Journal:
    sandbox.fail_next(answering(cost=None))
    nodes("LumenfallGenerate", **SMALL)
    wait_until_idle(10)
    return Journal(nodes.host.data_dir())


def entry(journal: Journal, sandbox: Sandbox) -> Call:
    call = journal.find(sandbox.bill[0].request_id)
    assert call
    return call


def test_what_is_given_away_is_free_once_nobody_asks_any_more(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging(monkeypatch, 0)
    monkeypatch.setattr(late_prices, "FIRST_PAUSE", 0.0)
    journal = bought_unpriced(nodes, sandbox)
    for number in range(1, late_prices.MOST_LOOKS + 1):
        assert entry(journal, sandbox).cost is None
        asyncio.run(look_after(Server(sandbox.base_url), journal))
        assert entry(journal, sandbox).facts["looks"] == number
    settled = entry(journal, sandbox)
    assert (settled.cost, settled.charged) == (0, Charged.NO)


def test_the_log_is_not_asked_again_at_once(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    logging(monkeypatch, None)
    journal = bought_unpriced(nodes, sandbox)
    for _ in range(5):
        asyncio.run(look_after(Server(sandbox.base_url), journal))
    assert entry(journal, sandbox).facts["looks"] == 1


def test_whoever_runs_it_again_learns_its_price(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though who looks after all calls finds this one in use."""
    with monkeypatch.context() as patch:
        logging(patch, None)
        bought_unpriced(nodes, sandbox)

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr("nodes.purchase.ask.look_after", nothing)
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"]
    wait_until_idle(10)
    assert sum(ledger(nodes).values()) == nanos(sandbox.billed) > 0
