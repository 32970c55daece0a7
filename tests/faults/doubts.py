"""A refusal that may come after the work, and a request log that cannot confirm it at that moment."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from tests.faults.answers import without_log
from tests.faults.killing import NOT_KNOWN
from tests.faults.limits import ONE_A_DAY, TOO_DEAR, _another, at
from tests.faults.table import PAID_FOR, Act, Row, both, bought, do, fails
from tests.faults.verdicts import _not_made, log_has, made
from tests.faults.world import World

UNKNOWN = Charged.UNKNOWN
HALF_AN_HOUR = do(lambda world: world.let_pass(1800))
ODD = log_has(status="settled", cost=None)

REFUSALS: tuple[tuple[int, Any, type[errors.LumenfallError]], ...] = (
    (403, "<html><title>Blocked</title></html>", errors.AuthenticationFailed),
    (500, {"error": {"message": "no", "code": "INVALID_REQUEST"}}, errors.InvalidRequest),
    (200, {"error": {"message": "no", "code": "content_policy_violation"}}, errors.ContentPolicyViolation),
    (307, {}, errors.ApiError),
)
POLICY = {"error": {"message": "no", "code": "CONTENT_POLICY_VIOLATION"}}
NO_MODEL = {"error": {"message": "no", "code": "model_not_found"}}


def lagging(world: World, patch: pytest.MonkeyPatch) -> None:
    """The log has nothing yet, for this run."""
    patch.setattr(world.sandbox, "_logged", list)


OUT_OF_ORDER: tuple[tuple[str, Act], ...] = (("lags", lagging), ("is out of reach", without_log))


BAD = "<html><title>Bad</title></html>"


def dated(date: str, *, is_made: bool = True) -> Act:
    """Answered by something on the way whose clock is wrong."""

    def write(response: web.Response | None = None) -> web.Response:
        name = {} if response is None else {"X-Lumenfall-Request-Id": response.headers["X-Lumenfall-Request-Id"]}
        return web.Response(status=502, text=BAD, content_type="text/html", headers={**name, "Date": date})

    how: dict[str, Any] = {"spoil_answer": write} if is_made else {"instead": lambda fault, request: write()}
    return do(lambda world: world.sandbox.fail_next(Fault("dated", "a wrong date", **how)))


def _row(name: str, first: Any, second: Any, bills: tuple[int, int], *acts: Act, **more: Any) -> Row:
    return Row(f"doubted: {name}", first, second, bills, provoke=both(*acts), **more)


ROWS = [
    *(
        _row(
            f"{status}, billed, and the log {trouble}",
            fails(kind, UNKNOWN),
            PAID_FOR,
            (1, 1),
            made(status, answer),
            act,
            env=ONE_A_DAY,
            after=_another(TOO_DEAR),
        )
        for status, answer, kind in REFUSALS
        for trouble, act in OUT_OF_ORDER
    ),
    *(
        _row(f"{status}, and the log {trouble}", fails(kind, UNKNOWN), bought(), (0, 1), _not_made(status, answer), act)
        for status, answer, kind in REFUSALS[:2]
        for trouble, act in OUT_OF_ORDER
    ),
    # It has had its time, and knows of nothing
    _row(
        "403, and half an hour later the log has no such entry",
        fails(errors.AuthenticationFailed, UNKNOWN),
        bought(),
        (0, 1),
        _not_made(*REFUSALS[0][:2]),
        lagging,
        between=both(lagging, HALF_AN_HOUR),
        ledger_late=True,
    ),
    *(
        _row(
            f"{status} without a code, and half an hour later the log has no such entry",
            fails(errors.ApiError if status < 500 else errors.ServerFault, UNKNOWN),
            bought(),
            (0, 1),
            _not_made(status, BAD),
            lagging,
            between=both(lagging, HALF_AN_HOUR),
            env=ONE_A_DAY,
            ledger_late=True,
        )
        for status in (302, 408, 500, 502, 503, 504, 520)
    ),
    *(
        _row(
            f"{status}, billed, and this machine's clock jumps while the log lags",
            fails(kind, UNKNOWN),
            NOT_KNOWN,
            (1, 1),
            made(status, BAD),
            lagging,
            between=lagging,
            again=at(2000.0),
            after=do(World.run),
        )
        for status, kind in ((403, errors.AuthenticationFailed), (502, errors.ServerFault))
    ),
    *(
        _row(
            f"502, billed, dated {date}, and the log lags",
            fails(errors.ServerFault, UNKNOWN),
            PAID_FOR,
            (1, 1),
            dated(date),
            lagging,
            between=do(lambda world: world.let_pass(60)),
        )
        for date in ("Thu, 01 Jan 1970 00:00:10 GMT", "Wed, 25 Nov 2026 08:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT")
    ),
    _row(
        "502, dated 2100, and half an hour later the log has no such entry",
        fails(errors.ServerFault, UNKNOWN),
        bought(),
        (0, 1),
        dated("Fri, 01 Jan 2100 00:00:00 GMT", is_made=False),
        lagging,
        between=both(lagging, HALF_AN_HOUR),
    ),
    _row(
        "502, billed, and half an hour later the log has an entry whose cost nobody knows",
        fails(errors.ServerFault, UNKNOWN),
        NOT_KNOWN,
        (1, 1),
        made(502, BAD),
        log_has(status="completed", cost=None),
        between=both(log_has(status="completed", cost=None), HALF_AN_HOUR),
        after=do(World.run),
    ),
    _row(
        "403, and half an hour later the log is out of reach",
        fails(errors.AuthenticationFailed, UNKNOWN),
        NOT_KNOWN,
        (0, 0),
        _not_made(*REFUSALS[0][:2]),
        lagging,
        between=both(without_log, HALF_AN_HOUR),
        ledger_late=True,
    ),
    _row(
        "403, billed, and the log lags for two runs",
        fails(errors.AuthenticationFailed, UNKNOWN),
        NOT_KNOWN,
        (1, 1),
        made(*REFUSALS[0][:2]),
        lagging,
        between=lagging,
        after=do(World.run),
    ),
    # A word that nobody knows is no verdict
    _row(
        "403, billed, and the log has a word that nobody knows",
        fails(errors.AuthenticationFailed, UNKNOWN),
        PAID_FOR,
        (1, 1),
        made(*REFUSALS[0][:2]),
        ODD,
    ),
    _row(
        "no such model, billed, and the log has a word that nobody knows",
        fails(errors.ModelUnavailable, UNKNOWN),
        PAID_FOR,
        (1, 1),
        made(503, NO_MODEL),
        ODD,
    ),
    # What a refusal cost is asked where it may have cost something
    _row(
        "400 by policy, and billed",
        fails(errors.ContentPolicyViolation, Charged.YES),
        PAID_FOR,
        (1, 1),
        made(400, POLICY),
    ),
    _row(
        "busy to the last try, and billed each time",
        fails(errors.RateLimited, Charged.YES),
        PAID_FOR,
        (4, 4),
        *[made(429, {"error": {"message": "busy", "code": "RATE_LIMITED"}})] * 4,
    ),
    _row(
        "500 that names a cost, of which the log says that it was free",
        fails(errors.ServerFault),
        bought(),
        (0, 1),
        _not_made(500, {"error": {"message": "no"}, "metadata": {"cost": 0.05, "cost_currency": "USD"}}),
        log_has(status="upstream_failure", cost=0),
    ),
    *(
        _row(
            f"400 by policy, {name}, and the log {trouble}",
            fails(errors.ContentPolicyViolation, UNKNOWN),
            second,
            bills,
            refusal,
            act,
        )
        for trouble, act in OUT_OF_ORDER
        for name, refusal, second, bills in (
            ("billed", made(400, POLICY), PAID_FOR, (1, 1)),
            ("not billed", _not_made(400, POLICY), bought(), (0, 1)),
        )
    ),
    # Where there is nobody who could have worked on it, that needs no second opinion
    *(
        _row(
            f"no such model, and the log {trouble}",
            fails(errors.ModelUnavailable),
            bought(),
            (0, 1),
            _not_made(503, NO_MODEL),
            act,
        )
        for trouble, act in OUT_OF_ORDER
    ),
    *(
        _row(
            f"overloaded to the last try, and the log {trouble}",
            fails(errors.ServerFault, UNKNOWN),
            bought(),
            (0, 1),
            act,
            faults=("status-503:4",),
        )
        for trouble, act in OUT_OF_ORDER
    ),
]
