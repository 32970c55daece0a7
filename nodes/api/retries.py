"""When a paid request is sent again by itself: only where the server has not begun with it."""

from __future__ import annotations

import email.utils
import time

import tenacity

from ..errors import Charged, RateLimited
from .exchange import NotSent, Reply
from .refusals import error_for, is_put_off
from .responses import holds_pictures

ATTEMPTS = 4
LONGEST_RETRY_AFTER = 60.0
"""Seconds. A server that asks for more gets an error instead of a node that seems to hang."""


class Busy(Exception):
    """The server refused for now and said so; nothing was made."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")

    @property
    def wait(self) -> float | None:
        """Seconds that Retry-After asks for, given as a number or a date."""
        value = self.reply.headers.get("retry-after", "")
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):  # no date, or one beyond the calendar
            return None


def worth_another_try(error: BaseException) -> bool:
    """Whether nothing was sent, or the server asks for a pause that is bearable."""
    if isinstance(error, Busy):
        return (error.wait or 0.0) <= LONGEST_RETRY_AFTER
    return isinstance(error, NotSent)


_backoff = tenacity.wait_exponential(multiplier=0.5, max=8.0) + tenacity.wait_random(0.0, 0.5)


def pause(state: tenacity.RetryCallState) -> float:
    """Seconds until the next attempt: as the server asks, else growing ones."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, Busy) else None
    return _backoff(state) if asked is None else asked


def refused_for_now(reply: Reply) -> bool:
    """Whether the server says that it has not begun: 429, or 503 with a code of its own that means the same, and no
    picture beside it.
    """
    if reply.status not in (429, 503) or holds_pictures(reply.body):
        return False
    error = error_for(reply.status, reply.headers, reply.body)
    return error.charged is Charged.NO and (isinstance(error, RateLimited) or is_put_off(error))
