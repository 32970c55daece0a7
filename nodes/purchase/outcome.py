"""What became of a call that its own process does not tell any more, or whose answer could not be used: the answer on
disk, else the server's request log.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from ..api import Answer, Client, Logged, pictures_asked, read_answer
from ..errors import AnswerError, Charged, LumenfallError, Unresolved
from ..spend import Call, Journal, State, clock, nanos

log = logging.getLogger(__name__)

DASHBOARD = "https://lumenfall.ai/app/requests?open="
"""Where a person sees one request, and perhaps its pictures (Lumenfall's agent skill)."""

UNRESOLVED = (State.SENT, State.LOST)
"""The states of a call that brought no pictures, and may have been charged."""


def is_given_up(call: Call) -> bool:
    """Whether the user has said that equal requests are to be sent all the same."""
    return "given_up" in call.facts


async def resolve(client: Client, journal: Journal, call: Call, *, has_read: bool = False) -> Call:
    """Enter ``call``, which is sent or lost and belongs to nobody any more, as far as it can be brought: answered, if
    its answer lies on disk and can be read, which it ``has_read`` in vain or not; else refused or lost, by what the
    server's request log says about its cost.
    """
    answered = await _from_disk(journal, call) if call.state in UNRESOLVED and not has_read else None
    if answered is not None:
        call = answered
    elif call.state in UNRESOLVED:
        call = replace(call, facts={**call.facts, "unreadable": True})
    if call.state is not State.REFUSED and None in (call.cost, call.request_id):
        call = await with_logged_cost(client, call)
    if call.state in UNRESOLVED:
        call = replace(call, state=State.REFUSED if call.charged is Charged.NO else State.LOST)
    await asyncio.to_thread(journal.settle, call)
    return call


async def _from_disk(journal: Journal, call: Call) -> Call | None:
    """``call`` with the answer that its process had kept, but not entered any more; None where there is none."""
    try:
        body = await asyncio.to_thread(journal.records.answer, call)
        return with_answer(call, await read_paid_answer(200, {}, body, None, asked_for(call)))
    except OSError:
        return None
    except Exception as error:
        log.info("The answer of call %s cannot be read (%s)", call.id, type(error).__name__)
        return None


def asked_for(call: Call) -> int:
    """How many pictures ``call`` asked for."""
    return pictures_asked(call.parameters)


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


KEPT = ("refused", "peer", "dated")
"""Facts of the way to the answer, which hold when it is there."""


def with_answer(call: Call, answer: Answer) -> Call:
    """``call`` as answered: its cost, and where its pictures are."""
    links = [picture.url for picture in answer.pictures]
    return replace(
        call,
        state=State.ANSWERED,
        charged=Charged.NO if answer.cost == 0 else Charged.YES,
        cost=None if answer.cost is None else nanos(answer.cost),
        currency=answer.currency,
        executed_model=answer.executed_model,
        provider=answer.provider,
        request_id=answer.request_id or call.request_id,
        facts={
            **{name: call.facts[name] for name in KEPT if name in call.facts},
            "entries": answer.entries,
            **({"beyond": answer.beyond} if answer.beyond else {}),
            "revised_prompts": list(answer.revised_prompts),
            "notes": list(answer.notes),
            "links": links if any(links) else [],
        },
    )


async def with_logged_cost(client: Client, call: Call) -> Call:
    """``call`` with what the server's request log says about its cost, if it says anything. Never raises."""
    try:
        return _with(await client.look_up(call.request_id, call.id, call.sent_at, call.facts.get("refused", ())), call)
    except Exception as error:
        # An answer that is there already must not be lost over a log that says something odd.
        log.warning("The server's request log could not be read (%s)", type(error).__name__)
        return call


def _with(logged: Logged | None, call: Call) -> Call:
    if logged is None:
        return call
    if logged.charged is Charged.UNKNOWN:
        # Still at work: what it will cost is not known yet.
        return replace(call, request_id=logged.request_id)
    cost = call.cost if logged.cost is None else nanos(logged.cost)
    currency = call.currency or logged.currency
    return replace(call, request_id=logged.request_id, charged=logged.charged, cost=cost, currency=currency)


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
    reason = f" ({call.error})" if call.error else ""
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
    if is_given_up(call):
        return "It was given up, so that the same inputs are sent again."
    twice = "is then charged a second time" if call.charged is Charged.YES else "may then be charged twice"
    return (
        "The same inputs are not sent again by themselves: change the seed to order another picture, or send it again "
        "all the same, with the button on its error or on the call in the sidebar, or with lumenfall run "
        f"--send-again; it {twice}."
    )


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


ANOTHER = "The same inputs are not sent again; change the seed to order another picture."
