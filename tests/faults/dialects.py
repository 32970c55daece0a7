"""Answers as other servers give them, as the sandbox plays them: no shape costs a paid picture."""

from __future__ import annotations

from typing import Any

import pytest

from nodes import errors
from nodes.spend import Journal, entries
from tests.faults.answers import THREE, THREE_B64, delivered, refused
from tests.faults.table import B64, Row, bought, fails, told
from tests.faults.world import World

GPT_IMAGE = {"model": "gpt-image-2", "size": "1024x1024"}


def _as_another_server(world: World, patch: pytest.MonkeyPatch) -> None:
    """One without a request log, so that nothing but the answer tells the cost."""
    world.env["LUMENFALL_BASE_URL"] = world.sandbox.gateway_url


def _is_marked(world: World, patch: pytest.MonkeyPatch) -> None:
    (call,) = entries(Journal(world.folder))
    assert call.is_approximate


def priced(fault: str, **more: Any) -> Row:
    """Its cost is booked to the last nano, wherever it is named."""
    return delivered(fault, inputs=GPT_IMAGE, provoke=_as_another_server, **more)


def _without_version(world: World, patch: pytest.MonkeyPatch) -> None:
    world.env["LUMENFALL_BASE_URL"] = world.sandbox.gateway_url.removesuffix("/v1")


ROWS = [
    Row(
        "a base URL without /v1, where a web page is",
        fails(errors.InputError),
        bought(),
        (0, 1),
        provoke=_without_version,
        between=_as_another_server,
        says="/gateway/v1 as the base URL. Nothing was sent.",
    ),
    priced("usage-cost"),
    priced("cost-header"),
    priced("tokens", runs=told("by OpenAI's price list its tokens cost about"), after=_is_marked),
    *(
        delivered(shape, 3, name=f"{shape} of {kind}", inputs=inputs)
        for shape in ("images-list", "bare-list", "strings", "image-url", "image-url-object", "chat", "event-stream")
        for kind, inputs in (("links", THREE), ("base64", THREE_B64))
    ),
    delivered("data-uris", 3, inputs=THREE_B64),
    delivered("picture-body", inputs=B64),
    delivered("responses", 3, inputs=THREE_B64),
    delivered("keep-alive", 3, inputs=THREE),
    refused("wants-image", errors.InvalidRequest),
    refused("unverified", errors.AuthenticationFailed, says="[ORGANIZATION_NOT_VERIFIED |"),
    refused("no-region", errors.AuthenticationFailed, says="[REGION_NOT_SUPPORTED |"),
    refused("no-quota", errors.InsufficientBalance, says="[INSUFFICIENT_QUOTA |"),
    refused("model-denied", errors.ModelUnavailable, says="[MODEL_NOT_ALLOWED |"),
    refused("key-budget", errors.InsufficientBalance, says="[KEY_BUDGET_EXCEEDED |"),
    refused("azure-filter", errors.ContentPolicyViolation, says="[CONTENT_FILTERED |"),
]
