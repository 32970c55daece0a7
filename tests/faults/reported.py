"""An answer with pictures that calls itself an error, or is odd beside them: it was made, and billed."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from tests.faults.money import ORDERS_AT_DRY_RUN, TEN_CENTS
from tests.faults.table import B64, Act, Row, both, bought, do, fails, replayed, told
from tests.faults.world import World

BUSY = {"error": {"message": "Slow down, see https://x.test/secret", "code": "rate_limited"}}
LINK = "https://media.test/picture-without-a-key.png"


def _status(status: int, charset: str = "utf-8", **more: Any) -> Act:
    """The answer that was made, under this status and with more in it."""

    def spoil(response: web.Response) -> web.Response:
        body = json.dumps({**json.loads(response.text or ""), **more}).encode(charset)
        return web.json_response(body=body, status=status, headers={"Retry-After": "0"})

    return do(lambda world: world.sandbox.fail_next(Fault("status", "", spoil_answer=spoil)))


def _noted(status: int) -> Any:
    def run(world: World) -> Any:
        outcome = told(f"reported an error ({status})", never="x.test/secret")(world)
        assert len(world.orders) == 1, "it was sent again"
        return outcome

    return run


def _reported(status: int, name: str = "", inputs: Any = None, **more: Any) -> Row:
    return Row(
        f"pictures with status {status}{name}",
        bought(),
        replayed(),
        (1, 1),
        inputs=inputs or {},
        provoke=_status(status, **more),
        runs=_noted(status),
    )


HALF = "half an emoji \ud83d"


def _with_half(response: web.Response) -> web.Response:
    """Texts that no database takes."""
    body = json.loads(response.text or "")
    names = {"model": HALF, "executed_model": HALF, "provider": HALF, "provider_name": HALF, "cost_currency": "usd "}
    entries = [{**entry, "revised_prompt": f"{HALF}\0"} for entry in body["data"]]
    headers = {"X-Lumenfall-Request-Id": response.headers["X-Lumenfall-Request-Id"]}
    return web.json_response({**body, "data": entries, "metadata": {**body["metadata"], **names}}, headers=headers)


def _quoted(name: str, body: Any) -> Row:
    """Nothing of the body can be had, but what it holds is nobody else's business."""
    fault = Fault("quoted", "", spoil_answer=lambda _: web.Response(text=json.dumps(body), status=500))
    return Row(
        f"a link in an error, {name}",
        fails(errors.ServerFault, Charged.YES),
        fails(errors.Unresolved, Charged.YES),
        (1, 1),
        provoke=do(lambda world: world.sandbox.fail_next(fault)),
        runs=told(never="without-a-key"),
        again=told(never="without-a-key"),
    )


ROWS = [
    Row(
        "pictures, and half an emoji in all texts beside them",
        bought(),
        replayed(),
        (1, 1),
        env={"LUMENFALL_LIMIT_DAY": "1"},
        provoke=do(lambda world: world.sandbox.fail_next(Fault("half", "", spoil_answer=_with_half))),
    ),
    *(_reported(status) for status in (400, 404, 429, 500, 503)),
    _reported(500, " in base64", B64),
    _reported(500, " in UTF-16", charset="utf-16"),
    *(_reported(status, " and a code", **BUSY) for status in (429, 503)),
    _reported(500, " and an error of one line", error="broken"),
    Row(
        "pictures with status 500 for a dry run",
        bought(),
        replayed(),
        (1, 1),
        env=TEN_CENTS,
        provoke=both(ORDERS_AT_DRY_RUN, _status(500)),
    ),
    _quoted("in a shape that nobody knows", {"output": [LINK]}),
    _quoted("in its message", {"error": {"message": f"Could not store {LINK}"}}),
]
