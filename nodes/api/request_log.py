"""What became of an earlier request, by the server's own log: free of charge, and the last word on money.

Source: docs.lumenfall.ai/api-reference (requests). Fields of an unexpected type are ignored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError, WrapValidator

from ..errors import AnswerError, Charged, LumenfallError
from .metadata import Money, Text, believable, or_none
from .refusals import NOT_BEGUN

Ask = Callable[[str, dict[str, str] | None], Awaitable[Any]]
"""Gives the JSON at an address, asked with query parameters. Raises LumenfallError."""

MAX_PAGES = 5
PAGE_SIZE = 100
CLOCK_TOLERANCE = 300.0
"""Seconds by which this machine's clock may be ahead of the server's."""

WITHIN = 3600.0
"""Seconds after its answer within which a request is in the log, by the time that the log gives it."""

_UNDERWAY = ("pending", "processing")
_FAILED = ("upstream_failure", "rejected", "cancelled")


@dataclass(frozen=True)
class Logged:
    """A request as the server's log has it. ``cost`` is in units of ``currency``, None where it is not known."""

    request_id: str
    status: str
    """completed, pending, processing, upstream_failure, rejected, cancelled, or unknown."""
    cost: float | None = None
    currency: str | None = None
    model: str | None = None
    trace_id: str | None = field(default=None, compare=False)

    @property
    def charged(self) -> Charged:
        """Whether it cost money. A cost of nothing is believed only of a request that has failed: the bill of one
        that was completed may come later.
        """
        if self.is_under_way:
            return Charged.UNKNOWN
        if self.cost:
            return Charged.YES
        if self.cost is None:
            return Charged.NO if self.status == "rejected" else Charged.UNKNOWN
        return Charged.NO if self.status in _FAILED else Charged.UNKNOWN

    @property
    def is_under_way(self) -> bool:
        return self.status in _UNDERWAY

    @property
    def has_failed(self) -> bool:
        return self.status in _FAILED

    @property
    def is_given_away(self) -> bool:
        """Whether it was completed for nothing, as far as the log knows now."""
        return self.status == "completed" and self.cost == 0

    @property
    def may_have_worked(self) -> bool:
        """Whether the server may have taken the request on, whatever was answered: it does not call it a failure."""
        return self.charged is Charged.YES or not self.has_failed


class _Entry(BaseModel):
    id: Text = None
    status: Text = None
    cost: Money = None
    currency: Text = None
    model: Text = None
    trace_id: Text = None
    error_code: Text = None

    @property
    def was_put_off(self) -> bool:
        """Whether the client was told to come again, so that another request of the same trace may be under way."""
        return (self.error_code or "").upper() in NOT_BEGUN

    def logged(self, request_id: str) -> Logged:
        known = self.status in (*_UNDERWAY, "completed", *_FAILED)
        status = self.status if known and self.status else "unknown"
        cost = believable(self.cost, self.currency)
        currency = self.currency and self.currency.upper()
        return Logged(request_id, status, cost, currency, self.model, self.trace_id)


class _Page(BaseModel):
    data: Annotated[list[Annotated[_Entry | None, WrapValidator(or_none)]] | None, WrapValidator(or_none)] = None
    next_page_url: Text = None


_UNKNOWN_ID = (400, 404, 410, 414, 422)
"""Of an id that the log does not have, or that cannot be one of its own, such as a proxy's."""


async def by_id(ask: Ask, native_url: str, request_id: str) -> Logged | None:
    """The request of this id; None where the log does not have it. Raises LumenfallError where it does not tell."""
    try:
        entry = _Entry.model_validate(await ask(f"{native_url}/requests/{quote(request_id, safe='')}", None))
    except ValidationError:
        raise _no_log() from None
    except LumenfallError as error:
        if error.status in _UNKNOWN_ID:
            return None
        raise
    if entry.id is None and entry.status is None:
        raise _no_log()
    return entry.logged(request_id) if entry.id in (None, request_id) else None


def _no_log() -> LumenfallError:
    return AnswerError("The request log cannot be read.", charged=Charged.NO)


async def by_trace(
    ask: Ask,
    native_url: str,
    trace_id: str,
    since: float,
    refused: Sequence[str | None] | None = (),
    until: float | None = None,
) -> Logged | None:
    """The request that carried ``trace_id``, sent at ``since`` (unix time) and answered at ``until``; None where the
    log does not have it. Raises LumenfallError where it does not tell, as where there is one without a trace.

    ``refused`` are the ids of those that carried it before, and that the server put off (None: it named no id), as
    earlier versions sent them; None: it has its trace for itself. The log lags: that nothing was charged is its word
    only where all of them are in it.
    """
    address = f"{native_url}/requests"
    query = {"limit": str(PAGE_SIZE)}
    # What a busy account has sent since then is not read.
    within = {
        **query,
        "created_after": _iso_time(since - CLOCK_TOLERANCE),
        "created_before": _iso_time(max(since, until or since) + WITHIN),
    }
    entries: dict[str, _Entry] = {}
    found, is_whole = await _search(ask, address, within, trace_id, refused, entries)
    is_one_untold = any(entry.trace_id is None for entry in entries.values())
    if found is None:
        # This machine's clock may have been wrong by any amount.
        found, _ = await _search(ask, address, query, trace_id, refused, entries)
    if found is None and not is_whole:
        raise AnswerError("The request log is longer than can be read.", charged=Charged.NO)
    if found is None and is_one_untold:
        raise AnswerError("The request log does not tell whose request one of that time is.", charged=Charged.NO)
    return found


def _iso_time(moment: float) -> str:
    return datetime.fromtimestamp(max(0.0, moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _search(
    ask: Ask,
    first: str,
    query: dict[str, str],
    trace_id: str,
    refused: Sequence[str | None] | None,
    entries: dict[str, _Entry],
) -> tuple[Logged | None, bool]:
    """Page after page, until they tell what became of it, and whether that were all pages. ``entries`` gathers those
    with the trace, or without any.
    """
    address = first
    parameters: dict[str, str] | None = query
    for _ in range(MAX_PAGES):
        try:
            page = _Page.model_validate(await ask(address, parameters))
        except ValidationError:
            raise _no_log() from None
        if page.data is None:
            raise _no_log()
        entries |= {entry.id: entry for entry in page.data if entry and entry.id and entry.trace_id in (trace_id, None)}
        ours = {name: entry for name, entry in entries.items() if entry.trace_id is not None}
        verdict = _verdict(ours, refused)
        following = _same_origin(address, page.next_page_url)
        if verdict is not None or following is None:
            return verdict, not page.next_page_url
        address, parameters = following, None
    return None, False


def _verdict(ours: Mapping[str, _Entry], refused: Sequence[str | None] | None) -> Logged | None:
    """The gravest of the entries that may be of the last request; None where they do not tell."""
    is_alone = refused is None
    refused = refused or ()
    entries = [
        entry.logged(name)
        for name, entry in ours.items()
        if name not in refused and (is_alone or not entry.was_put_off)
    ]
    if not entries:
        return None
    gravest = max(entries, key=_gravity)
    if gravest.charged is Charged.YES:
        return gravest
    are_all_there = len(ours) > len(refused)
    are_several_open = sum(entry.charged is Charged.UNKNOWN for entry in entries) > 1
    return gravest if are_all_there and not are_several_open else None


_GRAVITY = (Charged.NO, Charged.UNKNOWN, Charged.YES)


def _gravity(logged: Logged) -> tuple[int, float]:
    return _GRAVITY.index(logged.charged), logged.cost or 0.0


def _same_origin(address: str, link: str | None) -> str | None:
    """``link`` as an address; None where it leads to another server, which must not see the key."""
    if not link:
        return None
    here = httpx.URL(address)
    try:
        there = here.join(link)
    except httpx.InvalidURL:
        return None
    return str(there) if (there.scheme, there.netloc) == (here.scheme, here.netloc) else None
