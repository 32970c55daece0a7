"""A server that puts requests off, and bills them all the same; and a request log that tells of it late."""

from __future__ import annotations

import pytest
from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from nodes.spend import Journal, ledger
from tests.faults.answers import without_log
from tests.faults.doubts import OUT_OF_ORDER, lagging
from tests.faults.killing import in_the_air, killed_at
from tests.faults.limits import ONE_A_DAY, TOO_DEAR, _another
from tests.faults.table import KILLED, PAID_FOR, Act, Row, both, bought, do, fails
from tests.faults.verdicts import _not_made
from tests.faults.world import World, forget

YES, UNKNOWN = Charged.YES, Charged.UNKNOWN
BUSY = {"error": {"message": "busy", "code": "RATE_LIMITED"}}
NO = {"error": {"message": "no"}}
A_MINUTE = do(lambda world: world.let_pass(60))


def _busy(count: int, *, named: bool) -> Act:
    """So many orders are worked off and billed, and answered with 429."""

    def spoil(response: web.Response) -> web.Response:
        name = response.headers["X-Lumenfall-Request-Id"]
        return web.json_response(BUSY, status=429, headers={"X-Lumenfall-Request-Id": name} if named else {})

    return do(lambda world: world.sandbox.fail_next(*[Fault("busy", "a billed 429", spoil_answer=spoil)] * count))


def _nothing_in_doubt(world: World, patch: pytest.MonkeyPatch) -> None:
    forget()
    assert ledger.uncertain_count(Journal(world.folder)) == (0, 0)


ROWS = [
    Row(
        "busy to the last try, and billed each time without a name",
        fails(errors.RateLimited, YES),
        PAID_FOR,
        (4, 4),
        provoke=_busy(4, named=False),
    ),
    *(
        Row(
            f"busy to the last try, billed each time, {'named' if named else 'nameless'}, and the log {trouble}",
            fails(errors.RateLimited, UNKNOWN),
            PAID_FOR,
            (4, 4),
            provoke=both(_busy(4, named=named), act),
            says="asked again later",
        )
        for trouble, act in OUT_OF_ORDER
        for named in (True, False)
    ),
    *(
        Row(
            f"busy to the last try, billed each time, and the log {trouble} for two runs",
            fails(errors.RateLimited, UNKNOWN),
            bought(),
            (4, 5),
            provoke=both(_busy(4, named=False), act),
            between=act,
            after=do(lambda world: world.run(seed=5)),  # whoever runs next learns what they cost
        )
        for trouble, act in OUT_OF_ORDER
    ),
    Row(
        "busy to the last try, billed each time, and with a limit while the log is out of reach",
        fails(errors.RateLimited, UNKNOWN),
        TOO_DEAR,
        (4, 4),
        provoke=both(_busy(4, named=False), without_log),
        between=without_log,
        env={"LUMENFALL_LIMIT_DAY": "0.14"},  # the price of four, and less than that of five
        after=_another(TOO_DEAR),
    ),
    # A storm does not use up what is left
    Row(
        "busy to the last try, for nothing, and with a limit while the log has nothing yet",
        fails(errors.RateLimited, UNKNOWN),
        bought(),
        (0, 1),
        provoke=both(_not_made(429, BUSY), _not_made(429, BUSY), _not_made(429, BUSY), _not_made(429, BUSY), lagging),
        between=lagging,
        env=ONE_A_DAY,
    ),
    *(
        Row(
            f"put off and billed, {'named' if named else 'nameless'}, and then refused",
            fails(errors.InvalidRequest, YES),
            bought(),
            (1, 2),
            provoke=both(_busy(1, named=named), _not_made(400, NO)),
        )
        for named in (True, False)
    ),
    Row(
        "put off by somebody of whom the log does not know, and then refused",
        fails(errors.InvalidRequest, UNKNOWN),
        bought(),
        (0, 1),
        provoke=both(_not_made(429, "<html><title>Slow down</title></html>"), _not_made(400, NO), lagging),
        between=both(lagging, A_MINUTE),
        after=_nothing_in_doubt,
    ),
    Row(
        "put off and billed, and killed when it was sent again",
        KILLED,
        PAID_FOR,
        (2, 2),
        provoke=_busy(1, named=False),
        runs=in_the_air,
        ledger_late=True,
    ),
    Row(
        "put off, and killed in the pause before it is sent again",
        KILLED,
        bought(),
        (0, 1),
        provoke=_not_made(429, BUSY),
        runs=killed_at({"target": "nodes.api.client.Client._tell_retry", "when": "after", "about": None, "count": 1}),
        between=lagging,
        ledger_late=True,
    ),
    Row(
        "put off, and killed before that could be written down",
        KILLED,
        bought(),
        (0, 1),
        faults=("status-429",),
        runs=killed_at({"target": "nodes.purchase.put_off.PutOffs.enter", "when": "before", "about": None, "count": 1}),
        ledger_late=True,
    ),
    Row(
        "put off and billed, and then a failure that was free",
        fails(errors.ServerFault, YES),
        bought(),
        (1, 2),
        provoke=both(_busy(1, named=False), do(lambda world: world.sandbox.fail_next("status-500"))),
        env=ONE_A_DAY,
        between=do(lambda world: world.env.pop("LUMENFALL_LIMIT_DAY")),
    ),
]
