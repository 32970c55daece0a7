"""Prices and limits: a dry run that fails, lies or is taken for the order; other currencies; limits that all share."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import FAULTS, Fault, billing
from nodes.headless.sandbox.refusal import Refusal
from nodes.spend import Journal
from tests.faults.answers import setting, without_log
from tests.faults.databases import database, garbage
from tests.faults.limits import ONE_A_DAY, TOO_DEAR, _another
from tests.faults.table import B64, PAID_FOR, Act, Row, both, bought, do, fails, replayed
from tests.faults.world import World, forget, painted

ESTIMATE = "nodes.headless.sandbox.server.estimate"
TEN_CENTS = {"LUMENFALL_LIMIT_DAY": "0.10"}
TWO_CENTS = {"LUMENFALL_LIMIT_DAY": "0.02"}
"""A picture costs 0.03."""

LIFTED = do(lambda world: world.env.pop("LUMENFALL_LIMIT_DAY"))

ORDERS_AT_DRY_RUN: Act = setting("nodes.headless.sandbox.log.Received.is_dry_run", property(lambda _: False))
"""A server that takes every dry run for an order, and bills it."""


def _estimates(**changes: Any) -> Act:
    """Dry runs say something else than what is billed."""
    return setting(ESTIMATE, lambda *order: {**billing.estimate(*order), **changes})


def _no_estimate(*_: Any) -> Any:
    raise Refusal("INTERNAL_ERROR", "The estimator is down.")


NO_DRY_RUN = setting(ESTIMATE, _no_estimate)


def _answers(endpoint: str = "images/", **changes: Any) -> Act:
    """The next answer has other metadata; given ``data`` or anything else, that too."""

    def change(text: str) -> str:
        body = json.loads(text)
        metadata = {**body.get("metadata", {}), **changes.pop("metadata", {})}
        return json.dumps({**body, **changes, "metadata": metadata})

    fault = dataclasses.replace(FAULTS["cut-json"], endpoint=endpoint, spoil_text=change)
    return do(lambda world: world.sandbox.faults.append(fault))


def _says(answer: Any, endpoint: str = "images/") -> Act:
    """The next answer is something else altogether."""
    fault: Fault = dataclasses.replace(FAULTS["cut-json"], endpoint=endpoint, spoil_text=lambda _: json.dumps(answer))
    return do(lambda world: world.sandbox.faults.append(fault))


def _settings(**content: Any) -> Act:
    def write(world: World) -> None:
        world.folder.mkdir(parents=True, exist_ok=True)
        (world.folder / "settings.json").write_text(json.dumps(content), encoding="utf-8")

    return do(write)


def _shared(**limits: float | None) -> Act:
    """Set by another program."""

    def share(world: World, patch: pytest.MonkeyPatch) -> None:
        Journal(world.folder).share_limits(limits)
        forget()

    return share


def _under(trouble: Act, act: Act) -> Act:
    """``act`` while ``trouble`` lasts."""

    def after(world: World, _: pytest.MonkeyPatch) -> None:
        with pytest.MonkeyPatch.context() as patch:
            trouble(world, patch)
            act(world, patch)

    return after


def _one_more(world: World, patch: pytest.MonkeyPatch) -> None:
    before = world.bills
    bought().check(world.run(seed=5), painted(world.folder.parent, {**world.inputs, "seed": 5}))
    assert world.bills == before + 1


def _asks_for_no_dry_run(act: Act) -> Act:
    def after(world: World, patch: pytest.MonkeyPatch) -> None:
        before = len(world.sandbox.requests)
        act(world, patch)
        assert not [one for one in world.sandbox.requests[before:] if "dryRun" in one.query]

    return after


def _refused(name: str, **more: Any) -> Row:
    """Nothing is sent as long as the limit holds."""
    return Row(name, TOO_DEAR, bought(), (0, 1), **{"env": TEN_CENTS, "between": LIFTED, **more})


def _stops(name: str, **more: Any) -> Row:
    """What a call has cost stops the next one, though the limit let it through."""
    return Row(name, bought(), replayed(), (1, 1), **{"env": ONE_A_DAY, "after": _another(TOO_DEAR), **more})


ROWS = [
    # A dry run that fails
    _refused("dry run fails, and nobody knows more than a starting price", provoke=NO_DRY_RUN, says='{"prices"'),
    _stops(
        "dry run fails, and the dearest picture so far does not fit any more",
        env={"LUMENFALL_LIMIT_DAY": "0.05"},
        after=_under(NO_DRY_RUN, _another(TOO_DEAR)),
    ),
    _stops("dry run fails, and the dearest picture so far fits", env=TEN_CENTS, after=_under(NO_DRY_RUN, _one_more)),
    Row(
        "dry run fails, and the user has a figure",
        bought(),
        replayed(),
        (1, 1),
        env=TEN_CENTS,
        provoke=both(NO_DRY_RUN, _settings(prices={"flux.2-pro": 0.05})),
    ),
    *(
        _refused(
            f"dry run fails, and the user has a figure for each of four {name}",
            inputs={"options": {**B64["options"], "parameters": parameters}},
            provoke=both(NO_DRY_RUN, _settings(prices={"flux.2-pro": 0.05})),
            says="0.2 would be needed",
        )
        for name, parameters in (
            ("num_images", {"num_images": 4}),
            ("sampleCount", {"sampleCount": 4}),
            ("sampleCount inside", {"parameters": {"sampleCount": 4}}),
        )
    ),
    _stops(
        "dearer than its dry run", env={"LUMENFALL_LIMIT_DAY": "0.02"}, provoke=_estimates(total_cost_micros=10_000)
    ),
    # Another currency
    _refused("dry run in another currency", provoke=_estimates(currency="EUR"), says='{"rates": {"EUR"'),
    _refused(
        "dry run in another currency, too dear when converted",
        provoke=both(_estimates(currency="EUR"), _settings(rates={"EUR": 4})),
        says="limit per day",
    ),
    Row(
        "dry run in another currency, converted",
        bought(),
        replayed(),
        (1, 1),
        env=TEN_CENTS,
        provoke=both(_estimates(currency="eur"), _settings(rates={"EUR": 3})),
    ),
    _stops("billed in another currency", env=TEN_CENTS, provoke=_answers(metadata={"cost_currency": "EUR"})),
    _stops(
        "billed in another currency, converted",
        env=TEN_CENTS,
        provoke=both(_answers(metadata={"cost_currency": "EUR"}), _settings(rates={"eur": 3})),
    ),
    # A cost that only the answer names
    Row(
        "no pictures but a cost, and no log",
        fails(errors.AnswerError, Charged.YES),
        PAID_FOR,
        (1, 1),
        env=ONE_A_DAY,
        provoke=both(_answers(data=[]), without_log),
        between=without_log,
        after=_another(TOO_DEAR),
    ),
    # A server that has no dry runs
    *(
        _refused(f"everything is answered with {answer}", provoke=both(_says(answer, "balance"), ORDERS_AT_DRY_RUN))
        for answer in ({}, {"data": []}, {"available": {}}, {"object": "balance", "available": {}})
    ),
    _stops("dry run taken for the order", provoke=ORDERS_AT_DRY_RUN),
    _stops(
        "dry run taken for the order, again and again",
        env=TWO_CENTS,
        provoke=ORDERS_AT_DRY_RUN,
        after=_under(ORDERS_AT_DRY_RUN, _another(TOO_DEAR)),
    ),
    _stops(
        "dry run taken for the order, and a limit that allows more",
        env={"LUMENFALL_LIMIT_DAY": "9"},
        provoke=ORDERS_AT_DRY_RUN,
        after=_under(ORDERS_AT_DRY_RUN, _asks_for_no_dry_run(_one_more)),
    ),
    _stops(
        "limit reached before the first dry run",
        env={"LUMENFALL_LIMIT_DAY": "0.03"},
        after=_under(ORDERS_AT_DRY_RUN, _asks_for_no_dry_run(_another(TOO_DEAR))),
    ),
    Row(
        "dry run taken for a job",
        fails(errors.AnswerError, Charged.YES),
        PAID_FOR,
        (1, 1),
        env=TEN_CENTS,
        provoke=both(ORDERS_AT_DRY_RUN, _says({"id": "job_7", "status": "queued"})),
    ),
    # Limits that all share
    _refused("shared limit below the price", env={}, provoke=_shared(day=0.02), between=_shared(day=None)),
    _refused(
        "shared limit below the price, and a wider one here",
        provoke=_shared(day=0.02),
        between=_shared(day=None),
        after=do(lambda world: world.env.pop("LUMENFALL_LIMIT_DAY")),
    ),
    _refused(
        "limit below the price, and a wider one that all share",
        env={"LUMENFALL_LIMIT_DAY": "0.02"},
        provoke=_shared(day=9),
    ),
    Row(
        "shared limit reached, database of garbage",
        bought(),
        replayed(),
        (1, 1),
        provoke=_shared(day=0.04),
        between=database(garbage),
        after=both(_another(TOO_DEAR), _shared(day=None)),
    ),
    Row(
        "shared limit reached",
        bought(),
        replayed(),
        (1, 1),
        provoke=_shared(month=0.04),
        after=both(_another(TOO_DEAR), _shared(month=None)),
    ),
]
