"""Faults of the paid answer, as the sandbox plays them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from nodes import errors
from nodes.errors import Charged
from tests.faults.child import find
from tests.faults.table import B64, PAID_FOR, Act, Expected, Row, both, bought, do, fails, replayed
from tests.faults.world import World

NO, YES, UNKNOWN = Charged.NO, Charged.YES, Charged.UNKNOWN


def setting(name: str, value: Any) -> Act:
    """Provoke with a constant of the pack or the sandbox set to ``value``."""
    return lambda world, patch: patch.setattr(*find(name), value)


def _row(fault: str, first: Expected, second: Expected, bills: tuple[int, int], **more: Any) -> Row:
    name = more.pop("name", fault)
    return Row(name, first, second, bills, faults=(fault,), **more)


def refused(fault: str, error: type[errors.LumenfallError], **more: Any) -> Row:
    """Nothing was made: the next run buys."""
    return _row(fault, fails(error), bought(more.get("inputs", {}).get("n", 1)), (0, 1), **more)


def lost(fault: str, error: type[errors.LumenfallError], **more: Any) -> Row:
    """It was made and billed, but never delivered: the server's log tells, and nothing is sent again."""
    return _row(fault, fails(error, YES), PAID_FOR, (1, 1), **more)


def delivered(fault: str, pictures: int = 1, **more: Any) -> Row:
    spoilt = more.pop("spoilt", False)
    expected = bought(pictures, spoilt=spoilt), replayed(pictures, spoilt=spoilt)
    return _row(fault, *expected, (1, 1), **more)


def without_log(world: World, patch: pytest.MonkeyPatch) -> None:
    """The server's request log does not answer, for this run."""

    async def silent(*_: object) -> None:
        raise errors.ConnectionFailed("no answer")

    patch.setattr("nodes.api.request_log.by_id", silent)
    patch.setattr("nodes.api.request_log.by_trace", silent)


THREE = {"n": 3}
THREE_B64 = {"n": 3, **B64}
SHORT = setting("nodes.api.client.TIMEOUT", httpx.Timeout(10.0, read=1.0))
IN_TIME = setting("nodes.api.client.DEADLINE", 0.6)
SMALL = setting("nodes.api.client.MAX_ANSWER_BYTES", 2**17)

ROWS = [
    # Nothing was made
    refused("status-400", errors.InvalidRequest),
    refused("status-401", errors.AuthenticationFailed),
    refused("status-402", errors.InsufficientBalance),
    refused("status-403", errors.AuthenticationFailed),
    refused("status-404", errors.ModelUnavailable),
    refused("status-408", errors.ApiError),
    refused("status-409", errors.ApiError),
    refused("status-413", errors.PayloadTooLarge),
    refused("status-499", errors.ApiError),
    _row("redirect", fails(errors.ApiError, UNKNOWN), bought(), (0, 1), provoke=without_log),
    refused("no-channel", errors.ModelUnavailable, provoke=without_log),
    refused("status-415", errors.InvalidRequest),
    refused("status-422", errors.InvalidRequest),
    refused("retry-after-long", errors.RateLimited),
    refused("status-500", errors.ServerFault),
    refused("status-500", errors.ServerFault, name="status-500 for three", inputs=THREE),
    refused("plain-500", errors.ServerFault),
    refused("status-502", errors.ProvidersExhausted),
    refused("html-502", errors.ServerFault),
    refused("flat-error", errors.ServerFault),
    refused("html-503", errors.ServerFault),
    refused("status-504", errors.ServerFault),
    refused("status-524", errors.ServerFault),
    refused("content-policy", errors.ContentPolicyViolation),
    refused("error-in-200", errors.ServerFault),
    refused("status-429:4", errors.RateLimited, name="busy to the last try"),
    refused("status-503:4", errors.ServerFault, name="overloaded to the last try"),
    # It was put off, and made
    delivered("status-429"),
    delivered("status-429:3", name="status-429 three times"),
    delivered("status-503"),
    delivered("retry-after-date"),
    # It was made, and nothing of it came
    lost("cut-json", errors.AnswerError),
    lost("cut-json", errors.AnswerError, name="cut-json in base64", inputs=B64),
    lost("empty-data", errors.AnswerError),
    lost("null-data", errors.AnswerError),
    lost("null-data", errors.AnswerError, name="null-data for three", inputs=THREE),
    lost("bad-base64", errors.AnswerError, inputs=B64),
    lost("late-504", errors.ServerFault),
    lost("charged-400", errors.ContentPolicyViolation),
    lost("text-success", errors.AnswerError),
    lost("cut-gzip", errors.ConnectionFailed),
    lost("reset-before-headers", errors.ConnectionFailed),
    lost("reset-mid-body", errors.ConnectionFailed),
    lost("reset-mid-body", errors.ConnectionFailed, name="reset-mid-body in base64", inputs=B64),
    lost("hang", errors.ConnectionFailed, provoke=SHORT),
    lost("slow-drip", errors.ConnectionFailed, provoke=IN_TIME),
    lost("endless-body", errors.ConnectionFailed, provoke=SMALL),
    # The log was out of reach: what may have been charged is not sent again, and the next run learns the truth
    Row(
        "hang, and no log",
        fails(errors.ConnectionFailed, UNKNOWN),
        PAID_FOR,
        (1, 1),
        faults=("hang",),
        provoke=both(SHORT, without_log),
    ),
    Row(
        "reset-before-headers, and no log",
        fails(errors.ConnectionFailed, UNKNOWN),
        PAID_FOR,
        (1, 1),
        faults=("reset-before-headers",),
        provoke=without_log,
    ),
    Row(
        "html-502, and no log",
        fails(errors.ServerFault, UNKNOWN),
        bought(),
        (0, 1),
        faults=("html-502",),
        provoke=without_log,
    ),
    Row(
        "cut-json, and never a log again",
        fails(errors.AnswerError, UNKNOWN),
        fails(errors.Unresolved, UNKNOWN),
        (1, 1),
        faults=("cut-json",),
        provoke=without_log,
        between=without_log,
        after=do(World.run),
    ),
    # Some of it came, or all of it in a strange way
    delivered("wrong-gzip"),
    delivered(
        "slow-drip", name="slow-drip to its end", provoke=setting("nodes.headless.sandbox.sending.DRIP_PAUSE", 0)
    ),
    delivered("fewer-pictures", 2, inputs=THREE),
    delivered("fewer-pictures", 2, name="fewer-pictures in base64", inputs=THREE_B64),
    delivered("mixed-sizes", 3, inputs=THREE, spoilt=True),
    delivered("mixed-sizes", 3, name="mixed-sizes in base64", inputs=THREE_B64, spoilt=True),
    *(delivered(drift, 1, spoilt=True) for drift in ("shifted", "brightened", "reduced", "drifted")),
    delivered("cut-after-first-picture", 1, inputs=THREE),
    delivered("cut-after-first-picture", 1, name="cut-after-first-picture in base64", inputs=THREE_B64),
    delivered("cut-json", 1, name="cut-json for three", inputs=THREE),
    delivered("cut-json", 1, name="cut-json for three in base64", inputs=THREE_B64),
    delivered("reset-mid-body", 1, name="reset-mid-body for three in base64", inputs=THREE_B64),
    # What came is no picture
    _row("cut-picture", fails(errors.AnswerError, YES), fails(errors.AnswerError, YES), (1, 1)),
    _row(
        "not-a-picture",
        fails(errors.AnswerError, YES),
        fails(errors.AnswerError, YES),
        (1, 1),
    ),
    _row(
        "not-a-picture",
        fails(errors.AnswerError, YES),
        fails(errors.AnswerError, YES),
        (1, 1),
        name="not-a-picture in base64",
        inputs=THREE_B64,
    ),
]
