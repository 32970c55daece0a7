"""What nobody foresaw, between sending and settling: each ends in an error that is right about money."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged
from tests.faults.child import find
from tests.faults.killing import NOT_KNOWN
from tests.faults.table import PAID_FOR, Act, Expected, Row, both, bought, fails, replayed
from tests.faults.world import World

UNKNOWN, YES, NO = Charged.UNKNOWN, Charged.YES, Charged.NO


def raising(name: str, error: BaseException, when: Callable[..., bool] = lambda *_: True) -> Act:
    """``name`` fails in a way that is none of its own, where it is called so."""

    def act(world: World, patch: pytest.MonkeyPatch) -> None:
        owner, attribute = find(name)
        original = getattr(owner, attribute)

        def fail(*args: Any, **kwargs: Any) -> Any:
            if when(*args):
                raise error
            return original(*args, **kwargs)

        patch.setattr(owner, attribute, fail)

    return act


def _answered(journal: object, call: Any) -> bool:
    return bool(call.state.value == "answered")


def _odd(name: str, first: Expected, second: Expected, bills: tuple[int, int], provoke: Act, **more: Any) -> Row:
    return Row(f"surprise {name}", first, second, bills, provoke=provoke, **more)


LATE = {"ledger_late": True}

ROWS = [
    _odd(
        "before the journal is asked",
        fails(errors.LumenfallError),
        bought(),
        (0, 1),
        raising("nodes.purchase.checkout.equal_call", RuntimeError("cannot start new thread")),
    ),
    _odd(
        "before the request leaves",
        fails(errors.LumenfallError, UNKNOWN),
        NOT_KNOWN,
        (0, 0),
        raising("nodes.api.client.secrets.token_hex", MemoryError(), lambda size: size == 8),
    ),
    _odd(
        "while a refusal is read",
        fails(errors.LumenfallError, Charged.NO),  # as the log says of its own trace
        bought(),
        (0, 1),
        raising("nodes.api.client.pause", OverflowError("date value out of range")),
        faults=("status-429",),
    ),
    _odd(
        "while a failure is read",
        fails(errors.LumenfallError),
        bought(),
        (0, 1),
        raising("nodes.purchase.checkout.error_for", RecursionError("too deep")),
        faults=("status-500",),
    ),
    _odd(
        "before the answer is kept",
        fails(errors.LumenfallError, YES),
        PAID_FOR,
        (1, 1),
        raising("nodes.spend.records.Records.keep_answer", MemoryError()),
    ),
    _odd(
        "in the reader of answers",
        fails(errors.AnswerError, YES),
        replayed(),
        (1, 1),
        raising("nodes.purchase.outcome.read_answer", RecursionError("too deep")),
    ),
    _odd(
        "when the answer is understood",
        fails(errors.LumenfallError, YES),
        replayed(),
        (1, 1),
        both(
            raising("nodes.purchase.outcome.with_answer", KeyError("cost")),
            raising("nodes.purchase.checkout.with_answer", KeyError("cost")),
        ),
    ),
    _odd(
        "once, when the answer is understood",
        fails(errors.LumenfallError, YES),
        replayed(),
        (1, 1),
        raising("nodes.purchase.checkout.with_answer", KeyError("cost")),
        says="it is free",
    ),
    _odd(
        "in money",
        fails(errors.LumenfallError, UNKNOWN),
        replayed(),
        (1, 1),
        raising("nodes.purchase.outcome.nanos", OverflowError("too large")),
        **LATE,
    ),
    _odd(
        "in the request log",
        fails(errors.AnswerError, UNKNOWN),
        PAID_FOR,
        (1, 1),
        both(
            raising("nodes.api.request_log.by_id", KeyError("data")),
            raising("nodes.api.request_log.by_trace", KeyError("data")),
        ),
        faults=("cut-json",),
    ),
    _odd(
        "before the request is entered",
        fails(errors.LumenfallError),
        bought(),
        (0, 1),
        raising("nodes.spend.records.Records.confirm", MemoryError()),
    ),
    _odd(
        "when the answer is entered",
        fails(errors.LumenfallError, UNKNOWN),
        replayed(),
        (1, 1),
        raising("nodes.spend.journal.Journal.settle", MemoryError()),
        **LATE,
    ),
    _odd(
        "when answered is entered, and not the rest",
        fails(errors.LumenfallError, UNKNOWN),
        replayed(),
        (1, 1),
        raising("nodes.spend.journal.Journal.settle", MemoryError(), _answered),
        **LATE,
    ),
    _odd(
        "when the pictures are files",
        fails(errors.LumenfallError, YES),
        replayed(),
        (1, 1),
        raising("nodes.purchase.delivery._Collection._finish", RuntimeError("cannot start new thread")),
        says="it is free",
    ),
]
