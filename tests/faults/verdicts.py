"""What an answer says about its cost, against what the server's request log says: the log has the last word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from nodes.headless.sandbox.log import Received
from tests.faults.answers import setting, without_log
from tests.faults.child import Outcome
from tests.faults.killing import NOT_KNOWN
from tests.faults.limits import ONE_A_DAY, TOO_DEAR, _another
from tests.faults.money import _under
from tests.faults.table import PAID_FOR, Act, Expected, Row, both, bought, do, fails, replayed
from tests.faults.world import World, forget

UNKNOWN, YES, NO = Charged.UNKNOWN, Charged.YES, Charged.NO

FREE = {"cost": 0, "cost_currency": "USD"}
BROKE = {"error": {"message": "boom", "code": "INTERNAL_ERROR"}, "metadata": FREE}
BUSY = {"error": {"message": "busy"}, "metadata": FREE}
EMPTY = {"data": [], "metadata": FREE}


def made(status: int, answer: Any) -> Act:
    """The order is worked off and billed, and answered so."""

    def spoil(response: web.Response) -> web.Response:
        return _written(status, answer, response.headers.get("X-Lumenfall-Request-Id"))

    return do(lambda world: world.sandbox.fail_next(Fault("made", "a billed refusal", spoil_answer=spoil)))


def _not_made(status: int, answer: Any) -> Act:
    fault = Fault("not-made", "a refusal", instead=lambda fault, request: _written(status, answer, None))
    return do(lambda world: world.sandbox.fail_next(fault))


def _written(status: int, answer: Any, request_id: str | None) -> web.Response:
    headers = {"X-Lumenfall-Request-Id": request_id} if request_id else {}
    if isinstance(answer, str):
        return web.Response(status=status, text=answer, content_type="text/html", headers=headers)
    return web.json_response(answer, status=status, headers=headers)


def log_has(**changes: Any) -> Act:
    """The server's log says this of each request, for this run."""
    entry = Received.entry
    return lambda world, patch: patch.setattr(Received, "entry", lambda received: {**entry(received), **changes})


def unlogged_runs(run: Callable[[World], Outcome] = World.run) -> Callable[[World], Outcome]:
    """A run that does not ask the log."""

    def alone(world: World) -> Outcome:
        before = len(world.sandbox.requests)
        outcome = run(world)
        assert not [one for one in world.sandbox.requests[before:] if one.endpoint.startswith("requests")]
        return outcome

    return alone


def _to_its_end(world: World) -> Outcome:
    """A run, and what goes on behind it."""
    outcome = world.run()
    forget()
    return outcome


def _costs(**metadata: Any) -> Act:
    """The next answer says this about its cost."""

    def spoil(answer: str) -> str:
        body = json.loads(answer)
        return json.dumps({**body, "metadata": {**body["metadata"], **metadata}})

    return do(lambda world: world.sandbox.fail_next(Fault("costs", "another cost", spoil_text=spoil)))


CALLED_FREE = _costs(cost=0)
UNPRICED = _costs(cost=None)

NO_PAUSE = setting("nodes.purchase.late_prices.FIRST_PAUSE", 0.0)

STOPS: dict[str, Any] = {"env": ONE_A_DAY, "after": _another(TOO_DEAR)}


def _billed(name: str, error: type[errors.LumenfallError], status: int, answer: Any, **more: Any) -> Row:
    """The log says that it was charged: nothing is bought again, and it counts."""
    return Row(
        f"refused and charged: {name}",
        fails(error, YES),
        PAID_FOR,
        (1, 1),
        **{"provoke": made(status, answer), "says": "has charged 0.03 USD", **STOPS, **more},
    )


def _later(name: str, first: type[errors.LumenfallError], second: Expected, bills: tuple[int, int], act: Act) -> Row:
    """The log is out of reach at first."""
    more: dict[str, Any] = {"env": ONE_A_DAY, "after": _another(TOO_DEAR)}
    return Row(name, fails(first, UNKNOWN), second, bills, provoke=both(act, without_log), **more)


ROWS = [
    # A zero beside a failure is no knowledge
    _billed("500 that names no cost", errors.ServerFault, 500, BROKE),
    _billed("no pictures for no cost", errors.AnswerError, 200, EMPTY),
    _billed("error in 200 that names no cost", errors.ApiError, 200, BUSY),
    _later("500 that names no cost, and no log", errors.ServerFault, PAID_FOR, (1, 1), made(500, BROKE)),
    _later("no pictures for no cost, and no log", errors.AnswerError, PAID_FOR, (1, 1), made(200, EMPTY)),
    _later("error in 200 for no cost, and no log", errors.ApiError, PAID_FOR, (1, 1), made(200, BUSY)),
    _later("500 that names no cost, not made, and no log", errors.ServerFault, bought(), (0, 1), _not_made(500, BROKE)),
    _later("no pictures, none made, for no cost, no log", errors.AnswerError, bought(), (0, 1), _not_made(200, EMPTY)),
    Row(
        "500 that names no cost, and never a log again",
        fails(errors.ServerFault, UNKNOWN),
        NOT_KNOWN,
        (1, 1),
        provoke=both(made(500, BROKE), without_log),
        between=without_log,
        env=ONE_A_DAY,
        after=both(_under(without_log, _another(TOO_DEAR)), do(World.run)),
    ),
    # A zero beside pictures that have a price
    Row("pictures for no cost", bought(), replayed(), (1, 1), provoke=CALLED_FREE, **STOPS),
    Row("pictures for no cost, with no limit", bought(), replayed(), (1, 1), provoke=CALLED_FREE),
    Row(
        "pictures for no cost, and a log that says so too at first",
        bought(),
        replayed(),
        (1, 1),
        provoke=both(CALLED_FREE, log_has(cost=0)),
        cost_late=True,
        **STOPS,
    ),
    # The log knows it later
    *(
        Row(
            f"pictures {name}, and a log that knows no cost yet",
            bought(),
            replayed(),
            (1, 1),
            provoke=both(act, log_has(status="processing", cost=None)),
            cost_late=True,
            **STOPS,
        )
        for name, act in (("for no cost", CALLED_FREE), ("of which no cost is named", UNPRICED))
    ),
    Row(
        "pictures of which no cost is named, and no log for the next run either",
        bought(),
        replayed(),
        (1, 1),
        provoke=both(UNPRICED, without_log),
        between=without_log,
        cost_late=True,
        after=do(lambda world: world.run(seed=5)),
    ),
    *(
        Row(
            f"pictures of which no cost is named, run fourteen times while the log {trouble}",
            bought(),
            replayed(),
            (1, 1),
            provoke=both(UNPRICED, act),
            # One that still asks under the trouble would be all that asks after it.
            between=both(_under(act, do(lambda world: [(world.run(), forget()) for _ in range(14)])), NO_PAUSE),
            again=_to_its_end,
            cost_late=True,
        )
        for trouble, act in (("is out of reach", without_log), ("lags", log_has(status="processing", cost=None)))
    ),
    # A failure of which the log names no cost, ever
    Row(
        "failed for no known cost, and half an hour later",
        fails(errors.ServerFault, UNKNOWN),
        bought(),
        (0, 1),
        provoke=both(_not_made(502, "Bad Gateway"), log_has(status="upstream_failure", cost=None)),
        between=both(log_has(status="upstream_failure", cost=None), do(lambda world: world.let_pass(1800))),
        ledger_late=True,
    ),
    # A refusal, and a log that knows better
    _billed(
        "502 that speaks of providers",
        errors.ServerFault,
        502,
        {"error": {"message": "fal timed out; no available provider for fallback", "code": "UPSTREAM_ERROR"}},
    ),
    *(
        _billed(f"{code} with {status}", kind, status, {"error": {"message": "after the work", "code": code}})
        for status, code, kind in (
            (500, "model_not_found", errors.ModelUnavailable),
            (500, "INVALID_REQUEST", errors.InvalidRequest),
            (200, "content_policy_violation", errors.ContentPolicyViolation),
        )
    ),
    _billed("403 with a page", errors.AuthenticationFailed, 403, "<html><title>Blocked</title></html>"),
    _billed("307", errors.ApiError, 307, {}),
    _billed("no channel", errors.ModelUnavailable, 503, {"error": {"message": "No available channel for model x"}}),
    Row(
        "refused while the log has it at work",
        fails(errors.ModelUnavailable, UNKNOWN),
        PAID_FOR,
        (1, 1),
        provoke=both(
            made(500, {"error": {"message": "no", "code": "model_not_found"}}), log_has(status="processing", cost=None)
        ),
    ),
    *(
        Row(
            f"refused with {status}, and the log agrees",
            fails(kind),
            bought(),
            (0, 1),
            provoke=_not_made(status, {"error": {"message": "no", "code": code}}),
        )
        for status, code, kind in (
            (500, "model_not_found", errors.ModelUnavailable),
            (200, "content_policy_violation", errors.ContentPolicyViolation),
            (403, None, errors.AuthenticationFailed),
        )
    ),
    *(
        Row(
            f"refused with {status}, which needs no second opinion",
            fails(kind),
            bought(),
            (0, 1),
            provoke=_not_made(status, {"error": "no"}),
            runs=unlogged_runs(),
        )
        for status, kind in (
            (400, errors.InvalidRequest),
            (401, errors.AuthenticationFailed),
            (402, errors.InsufficientBalance),
            (404, errors.NotFound),
            (413, errors.PayloadTooLarge),
            (422, errors.InvalidRequest),
        )
    ),
]
