"""Answers as other servers give them, as the sandbox plays them: no shape costs a paid picture."""

from __future__ import annotations

from nodes import errors
from tests.faults.answers import THREE, THREE_B64, delivered, refused
from tests.faults.table import B64

ROWS = [
    *(
        delivered(shape, 3, name=f"{shape} of {kind}", inputs=inputs)
        for shape in ("images-list", "bare-list", "strings", "image-url", "image-url-object", "event-stream")
        for kind, inputs in (("links", THREE), ("base64", THREE_B64))
    ),
    delivered("data-uris", 3, inputs=THREE_B64),
    delivered("picture-body", inputs=B64),
    delivered("keep-alive", 3, inputs=THREE),
    refused("unverified", errors.AuthenticationFailed, says="[ORGANIZATION_NOT_VERIFIED |"),
    refused("no-region", errors.AuthenticationFailed, says="[REGION_NOT_SUPPORTED |"),
    refused("no-quota", errors.InsufficientBalance, says="[INSUFFICIENT_QUOTA |"),
    refused("model-denied", errors.ModelUnavailable, says="[MODEL_NOT_ALLOWED |"),
    refused("key-budget", errors.InsufficientBalance, says="[KEY_BUDGET_EXCEEDED |"),
    refused("azure-filter", errors.ContentPolicyViolation, says="[CONTENT_FILTERED |"),
]
