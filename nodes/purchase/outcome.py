"""What became of a call that its own process does not tell any more, or whose answer could not be used: the answer on
disk, else the server's request log.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..api import CLOCK_TOLERANCE, Answer, Client, Logged, Server, pictures_asked, read_answer
from ..errors import AnswerError, Charged, LumenfallError, Unresolved, sentences
from ..spend import Call, Journal, State, clock, nanos

log = logging.getLogger(__name__)

DASHBOARD = "https://lumenfall.ai/app/requests?open="
"""Where a person sees one request, and perhaps its pictures (Lumenfall's agent skill)."""

FINAL_AFTER = 1800.0
"""Seconds after which a failed request that names no cost has none: longer than any exchange may take."""

FINAL_AFTER_PUT_OFF = 60.0
"""Seconds after which one that was put off has not been worked on, if the log does not know it: busy servers put off
many, and limits must not be used up by them."""

EARLIEST = 1_735_689_600.0
"""The beginning of 2025. Nothing was bought before; a clock that says so has lost its battery."""

UNRESOLVED = (State.SENT, State.LOST)
"""The states of a call that brought no pictures, and may have been charged."""


def is_given_up(call: Call) -> bool:
    """Whether the user has said that equal requests are to be sent all the same."""
    return "given_up" in call.facts


def age(call: Call) -> float:
    """Seconds since its answer, by this machine's clock or the server's: one of them may have been wrong, so that the
    younger counts, unless it lies ahead. 0 where neither can be right.
    """
    moments = [call.sent_at + (call.seconds or 0.0), call.facts.get("dated")]
    ages = [time.time() - moment for moment in moments if moment is not None and moment > EARLIEST]
    return min((age for age in ages if age > -CLOCK_TOLERANCE), default=0.0)


def _is_final(call: Call, told_at: float | None) -> bool:
    """Whether the server's request log, which told of ``call`` at ``told_at`` by the server's clock, had time to know
    of it. A clock may have jumped, and what answered may have another one than the log: the least that passed counts.
    """
    dated = call.facts.get("dated")
    if told_at is None or dated is None:
        passed = age(call)
    else:
        both = time.time() - (call.sent_at + (call.seconds or 0.0)), told_at - dated
        # Who says that it lies ahead, says nothing.
        passed = min((seconds for seconds in both if seconds > -CLOCK_TOLERANCE), default=0.0)
    return passed >= (FINAL_AFTER_PUT_OFF if "put_off" in call.facts else FINAL_AFTER)


async def resolve(
    client: Client,
    journal: Journal,
    call: Call,
    *,
    has_read: bool = False,
    is_doubtful: bool = False,
    says_nothing_was_begun: bool = False,
) -> Call:
    """Enter ``call``, which is sent or lost and belongs to nobody any more, as far as it can be brought: answered, if
    its answer lies on disk and can be read, which it ``has_read`` in vain or not; else refused or lost, by what the
    server's request log says about its cost. The log is asked about a refusal too where that ``is_doubtful``: unless it
    confirms it, the call stays lost, or unless the refusal ``says_nothing_was_begun``.
    """
    if call.state in UNRESOLVED:
        # As earlier versions took a cost of nothing at its word.
        call = replace(call, cost=call.cost or None)
    answered = await _from_disk(client, journal, call) if call.state in UNRESOLVED and not has_read else None
    if answered is not None:
        call = answered
    elif call.state in UNRESOLVED:
        call = replace(call, facts={**call.facts, "unreadable": True})
    if call.state is State.REFUSED:
        if is_doubtful and client.server.flavour.native:
            call = await judged(client, call, says_nothing_was_begun)
    elif is_doubted(call):
        call = await judged(client, call)
    elif call.state in UNRESOLVED or not call.cost or call.request_id is None:
        # What the answer named as the cost of a failure is not the last word.
        # Without a log, a price that nobody knows stays unknown for ever.
        is_priced = bool(call.reserved) or client.server.flavour.native
        call = await with_logged_cost(client, call, is_priced=is_priced)
    if call.state in UNRESOLVED:
        call = replace(call, state=State.REFUSED if call.charged is Charged.NO else State.LOST)
    await asyncio.to_thread(journal.settle, call)
    return call


async def _from_disk(client: Client, journal: Journal, call: Call) -> Call | None:
    """``call`` with the answer that its process had kept, but not entered any more; None where there is none."""
    try:
        body = await asyncio.to_thread(journal.records.answer, call)
        answer = await read_paid_answer(200, {}, body, None, most_pictures(call))
        return with_answer(call, answer, client.server)
    except OSError:
        return None
    except Exception as error:
        log.info("The answer of call %s cannot be read (%s)", call.id, type(error).__name__)
        return None


MOST_UNASKED = 10
"""Pictures that are taken in where fewer were asked for, as far as anybody knows: makers of models have words of their
own for their number. More is a flood.
"""


def most_pictures(call: Call) -> int:
    """How many pictures of the answer to ``call`` are taken in at most."""
    return max(pictures_asked(call.parameters), MOST_UNASKED)


async def read_paid_answer(
    status: int, headers: Mapping[str, str], body: bytes, broken: str | None, most: int
) -> Answer:
    """The answer, with at most so many pictures. Raises LumenfallError where it holds none, for whatever reason."""
    try:
        return await asyncio.to_thread(read_answer, status, headers, body, broken, most)
    except LumenfallError:
        raise
    except Exception as error:
        raise AnswerError(f"The answer could not be read ({type(error).__name__}: {error}).") from error


KEPT = ("refused", "trace", "peer", "dated")
"""Facts of the way to the answer, which hold when it is there."""


def with_answer(call: Call, answer: Answer, server: Server) -> Call:
    """``call`` as answered by ``server``: its cost, and where its pictures are."""
    links = [picture.url for picture in answer.pictures]
    cost, currency, notes = answer.cost, answer.currency, list(answer.notes)
    # A server with a request log names the cost there.
    about = answer.tokens.cost(call.model) if answer.tokens and cost is None and not server.flavour.native else None
    if about:
        cost, currency = about, "USD"
        notes.append(f"The server named no cost; by OpenAI's price list its tokens cost about {about:.4g} USD.")
    texts: dict[str, Any] = {
        "executed_model": answer.executed_model,
        "provider": answer.provider,
        "request_id": answer.request_id or call.request_id,
        "facts": {
            **{name: call.facts[name] for name in KEPT if name in call.facts},
            "entries": answer.entries,
            **({"beyond": answer.beyond} if answer.beyond else {}),
            "revised_prompts": list(answer.revised_prompts),
            "notes": notes,
            "links": links if any(links) else [],
            **({"approximate": True} if about else {}),
        },
    }
    # What is echoed in the escapes of JSON was no key as long as it was not decoded.
    return replace(
        call,
        state=State.ANSWERED,
        charged=Charged.NO if answer.cost == 0 else Charged.YES,
        cost=None if cost is None else nanos(cost),
        currency=currency,
        **server.without_key(texts),
    )


async def with_logged_cost(client: Client, call: Call, *, is_priced: bool) -> Call:
    """``call`` with what the server's request log says about its cost, if it says anything. Never raises."""
    logged = None
    try:
        logged = await look_up(client, call)
    except Exception as error:
        tell_unread(error)
    try:
        return with_log(logged, call, is_priced=is_priced, told_at=client.dated)
    except Exception as error:
        # An answer that is there already must not be lost over a log that says something odd.
        tell_unread(error)
        return call


def with_log(logged: Logged | None, call: Call, *, is_priced: bool, told_at: float | None) -> Call:
    """``call`` with what the log says about its cost, ``told_at`` by the server's clock. Pictures that the answer gave
    away are believed to be free only where nobody had named a price (``is_priced``), or where the log says that they
    came of a failure.
    """
    if call.cost == 0 and not _is_free(logged, is_priced):
        return _with(logged, replace(call, cost=None, currency=None, charged=Charged.YES), told_at)
    return _with(logged, call, told_at)


def _is_free(logged: Logged | None, is_priced: bool) -> bool:
    if logged is None or logged.cost is None:
        return not is_priced
    # The bill of what was completed may come later.
    return logged.cost == 0 and (logged.has_failed or (not logged.is_under_way and not is_priced))


def is_doubted(call: Call) -> bool:
    """Whether ``call`` was refused, which the server's request log has not confirmed yet."""
    return call.state in UNRESOLVED and call.charged is Charged.UNKNOWN and "doubted" in call.facts


def may_come_again(call: Call) -> bool:
    """Whether ``call`` was put off, as far as is known, so that an equal one is sent when somebody asks for it."""
    return is_doubted(call) and "put_off" in call.facts


async def judged(client: Client, call: Call, says_nothing_was_begun: bool = False) -> Call:
    """``call``, which was refused: still so where the server's request log confirms it, or had the time to know of it
    and does not; else it is doubted. Never raises.
    """
    refused = replace(call, state=State.REFUSED, charged=Charged.NO)
    doubted = replace(call, state=State.LOST, charged=Charged.UNKNOWN, facts={**call.facts, "doubted": True})
    try:
        logged = await look_up(client, call)
        if logged is None:
            if says_nothing_was_begun or _is_final(call, client.dated):
                return refused
            return replace(doubted, reserved=None) if "put_off" in call.facts else doubted
        if says_nothing_was_begun and not logged.may_have_worked:
            return refused
        call = _with(logged, doubted, client.dated)
        return replace(call, state=State.REFUSED) if call.charged is Charged.NO else call
    except Exception as error:
        tell_unread(error)
        return refused if says_nothing_was_begun else doubted


def tell_unread(error: Exception) -> None:
    # That the server is out of reach is told where it matters.
    level = logging.INFO if isinstance(error, LumenfallError) else logging.WARNING
    log.log(level, "The server's request log could not be read (%s)", type(error).__name__)


async def look_up(client: Client, call: Call) -> Logged | None:
    """What the server's request log says of ``call``; None where it has no such request. Raises LumenfallError, and
    whatever an odd log leads to, where that cannot be told.
    """
    dated = call.facts.get("dated") or call.sent_at
    dated = dated if dated > EARLIEST else call.sent_at
    since, until = min(call.sent_at, dated), max(call.sent_at + (call.seconds or 0.0), dated)
    refused, is_alone = call.facts.get("refused", ()), "trace" in call.facts
    return await client.look_up(call.request_id, trace_of(call), since, refused, until, is_alone=is_alone)


def trace_of(call: Call) -> str:
    """The trace id that its request, the last one where others were put off before it, was sent with."""
    return str(call.facts.get("trace", call.id))


def _with(logged: Logged | None, call: Call, told_at: float | None) -> Call:
    if logged is None:
        return call
    call = replace(call, request_id=logged.request_id)
    if logged.has_failed and logged.cost is None and _is_final(call, told_at):
        return replace(call, charged=Charged.NO)
    if logged.charged is Charged.UNKNOWN:
        # Still at work: what it will cost is not known yet.
        return call
    if logged.cost is not None:
        # Both from one source.
        call = replace(call, cost=nanos(logged.cost), currency=logged.currency or "USD")
    return replace(call, charged=logged.charged)


def known_cost(call: Call) -> str:
    """What is known about the cost of ``call``, for people."""
    if call.charged is Charged.YES:
        cost = "" if call.cost_in_units is None else f" {call.cost_in_units:.4g} {call.currency or 'USD'}"
        known = f"The server has charged{cost} for it."
    else:
        known = "Whether it was charged is not known."
    link = page_of(call.server, call.request_id)
    return f"{known} Look it up: {link}" if link else known


def page_of(server: str, request_id: str | None) -> str | None:
    """Where a person can look a request up; None where that server has no such page."""
    host = urlsplit(server).hostname or ""
    return f"{DASHBOARD}{request_id}" if request_id and f".{host}".endswith(".lumenfall.ai") else None


def unresolved(call: Call) -> LumenfallError:
    """The error for ``call``, which is not sent again, and whose pictures never came."""
    reason = f": {call.error.rstrip('.')}" if call.error else ""
    return Unresolved(
        f"An equal request was sent at {clock(call.sent_at)}, and no pictures of it came{reason}. "
        "Nothing was sent now.",
        hint=f"{known_cost(call)} {ways_on(call)}",
        request_id=call.request_id,
        charged=call.charged,
        call=call.id,
    )


def ways_on(call: Call) -> str:
    """What the user can do about ``call``, which may have been charged, and brought nothing."""
    if may_come_again(call):
        return (
            "The server put it off, which its request log does not confirm yet: the log is asked again later. Running "
            "again orders the picture, unless the log knows by then that this was charged."
        )
    if is_given_up(call):
        return "It was given up, so that the same inputs are sent again."
    twice = "is then charged a second time" if call.charged is Charged.YES else "may then be charged twice"
    doubt = (
        "The server refused it, which its request log does not confirm yet. Running again asks the log once more, and "
        "orders the picture once the log says that the refused request cost nothing, or does not know it "
        f"{FINAL_AFTER / 60:.0f} minutes after the refusal."
    )
    usual = (
        "The same inputs are not sent again by themselves: change the seed to order another picture, or send it again "
        "all the same, with the button on its error or on the call in the sidebar, or with lumenfall run "
        f"--send-again; it {twice}."
    )
    return sentences(doubt if is_doubted(call) else "", usual)


def surprise(error: Exception) -> LumenfallError:
    """``error``, which nobody foresaw while a paid request was under way."""
    # Without its text: nobody knows what that holds, and ComfyUI serves its log to everybody.
    log.error("A paid call met a %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return LumenfallError(
        f"Something went wrong that nobody foresaw while the request was under way ({told}).",
        hint="This is a fault of the pack or of a package that it uses; please report it.",
        code="UNEXPECTED",
        charged=Charged.UNKNOWN,
    )
