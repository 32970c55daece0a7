"""A call that was put off and sent again, and a request log that shows only the refusals yet."""

from __future__ import annotations

import pytest

from nodes import errors
from nodes.errors import Charged
from nodes.headless.sandbox import Received
from tests.faults.killing import NOT_KNOWN, in_the_air
from tests.faults.table import KILLED, PAID_FOR, Act, Row, bought, do, fails
from tests.faults.world import World

LOST = fails(errors.ConnectionFailed, Charged.UNKNOWN)


def lagging(code: str | None) -> Act:
    """Of this run the log has what was refused, and calls it so."""

    def act(world: World, patch: pytest.MonkeyPatch) -> None:
        logged, entry = world.sandbox._logged, Received.entry

        def refused() -> list[Received]:
            return [received for received in logged() if received.status in (429, 503)]

        patch.setattr(world.sandbox, "_logged", refused)
        patch.setattr(Received, "entry", lambda received: {**entry(received), "error_code": code})

    return act


def _row(name: str, code: str | None, *faults: str) -> Row:
    return Row(
        f"put off, billed and cut; the log lags, {name}",
        LOST,
        PAID_FOR,
        (1, 1),
        faults=(*faults, "reset-before-headers"),
        provoke=lagging(code),
        ledger_late=True,
    )


ROWS = [
    _row("its code is known", "RATE_LIMITED", "status-429"),
    _row("its code is another", "TOO_MANY_REQUESTS", "status-429"),
    _row("without a code", None, "status-429"),
    _row("three times", None, "status-429:2", "status-503"),
    Row(
        "put off, billed and cut; the log lags for two runs",
        LOST,
        NOT_KNOWN,
        (1, 1),
        faults=("status-429", "reset-before-headers"),
        provoke=lagging(None),
        between=lagging(None),
        ledger_late=True,
        after=do(World.run),
    ),
    Row(
        "put off, and killed when it was sent again; the log lags",
        KILLED,
        NOT_KNOWN,
        (1, 1),
        faults=("status-429",),
        runs=in_the_air,
        between=lagging(None),
        ledger_late=True,
        after=do(World.run),
    ),
    # The second attempt's own answer names it
    Row("put off, and then refused", fails(errors.ServerFault), bought(), (0, 1), faults=("status-429", "status-500")),
]
