"""The one way the sandbox says no: ``{"error": {"message", "type", "code"}}`` under a matching HTTP status."""

from __future__ import annotations

from aiohttp import web

# code: (status, type). From docs.lumenfall.ai/api-reference/errors, except the last two, which are undocumented:
# 413 is what an oversized upload meets at most gateways, NOT_FOUND stands for addresses that lead nowhere.
# ``type`` is not to be relied on: two pages of the documentation differ on it for the 402.
CODES = {
    "AUTHENTICATION_FAILED": (401, "authentication_error"),
    "INSUFFICIENT_BALANCE": (402, "insufficient_quota"),
    "INVALID_REQUEST": (400, "invalid_request_error"),
    "CONTENT_POLICY_VIOLATION": (400, "invalid_request_error"),
    "MODEL_NOT_FOUND": (404, "invalid_request_error"),
    "MODEL_DISABLED": (404, "invalid_request_error"),
    "RATE_LIMITED": (429, "rate_limit_error"),
    "ALL_PROVIDERS_EXHAUSTED": (502, "server_error"),
    "UPSTREAM_ERROR": (502, "server_error"),
    "INTERNAL_ERROR": (500, "server_error"),
    "SERVICE_UNAVAILABLE": (503, "server_error"),
    "PAYLOAD_TOO_LARGE": (413, "invalid_request_error"),
    "NOT_FOUND": (404, "invalid_request_error"),
}


class Refusal(Exception):
    """A request that is answered with an error. Raised anywhere, turned into an answer by the server."""

    def __init__(self, code: str, message: str, *, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        default_status, self.type = CODES[code]
        self.code = code
        self.message = message
        self.status = status or default_status
        self.retry_after = retry_after

    def answer(self) -> web.Response:
        envelope = {"error": {"message": self.message, "type": self.type, "code": self.code}}
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return web.json_response(envelope, status=self.status, headers=headers)


def invalid(message: str) -> Refusal:
    """The commonest refusal."""
    return Refusal("INVALID_REQUEST", message)
