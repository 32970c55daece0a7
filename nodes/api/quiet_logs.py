"""What the libraries of the network log of our requests: nothing."""

from __future__ import annotations

import logging
from contextvars import ContextVar

ours: ContextVar[bool] = ContextVar("lumenfall_http", default=False)
"""Whether what goes on now is ours."""


class _Discreet(logging.Filter):
    """Drops httpx's line for each of our requests: it holds the links to finished pictures, which need no key,
    and ComfyUI serves its log to everybody.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not ours.get()


_discreet = _Discreet()
# httpcore says the same, and where redirects lead to, when logging is at DEBUG.
_NETWORK_LOGS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def install() -> None:
    """Any number of times."""
    for name in _NETWORK_LOGS:
        logging.getLogger(name).addFilter(_discreet)
