"""What the server answered. Strict about content, loose about shape: a field of an unexpected type is ignored
rather than letting a paid picture go.

Sources: docs.lumenfall.ai/api-reference/images and /cost-estimation, OpenAI's openapi.yaml.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, FiniteFloat, ValidationError, WrapValidator

from ..errors import AnswerError, Charged, ConnectionFailed, DryRunCharged
from .downloads import MAX_BYTES
from .exchange import packing, unpack
from .long_texts import TooMuch, decode_base64
from .metadata import MAX_NAME, Text, or_none, read_metadata, request_id
from .refusals import error_for, find_refusal, web_page
from .salvage import LISTS, TOO_MUCH, complete_members, has_too_many_parts, read_json
from .shapes import (
    bare_text,
    begins_as_picture,
    inside,
    is_address,
    is_picture_text,
    is_svg_text,
    link,
    read_shape,
    svg_of,
    without_blanks,
)
from .tokens import Tokens, read_tokens
from .unnamed import unnamed_entries

MAX_ENTRIES = 1000
"""How many entries of an answer are looked at, whatever is in them."""

MAX_PROMPT = 20_000
"""Characters of a revised prompt that are kept."""

Number = Annotated[FiniteFloat | None, WrapValidator(or_none)]
Flag = Annotated[bool | None, WrapValidator(or_none)]


class _Answer(BaseModel):
    id: Text = None
    data: Annotated[list[Any] | None, WrapValidator(or_none)] = None


@dataclass(frozen=True)
class Picture:
    """One picture of an answer: its bytes, the address to fetch them from, or both."""

    content: bytes | None = None
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """A successful answer. ``cost`` is in units of ``currency`` (USD), None where the server does not say."""

    pictures: tuple[Picture, ...]
    entries: int
    """How many pictures of the answer were looked at, readable or not."""
    beyond: int = 0
    """How many more it had than could be wanted; they were not looked at."""
    request_id: str | None = None
    executed_model: str | None = None
    provider: str | None = None
    cost: float | None = None
    currency: str | None = None
    tokens: Tokens | None = None
    revised_prompts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DryRun:
    """What a dry run says a request would cost, in units of ``currency``."""

    cost: float
    currency: str
    model: str | None
    provider: str | None


@dataclass(frozen=True)
class Balance:
    """Prepaid money left; ``amount`` is None for postpaid accounts and while it is unavailable."""

    amount: float | None
    currency: str


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, broken: str | None = None, most: int | None = None
) -> Answer:
    """The first ``most`` pictures in an answer to generations, edits or variations: a successful one, or one that
    :func:`holds_pictures` all the same. ``broken`` is the reply's own.

    Raises ApiError where it holds an error instead of pictures, AnswerError where no picture can be read, and
    ConnectionFailed where none can be because the answer is ``broken``. Among good pictures, unreadable ones and an
    error become notes; so does an answer that breaks off after its first pictures.
    """
    content, notes = _decode_or_salvage(headers, body, broken)
    answer = _Answer.model_validate(content)
    metadata = read_metadata(content, headers)
    identity = request_id(headers) or (answer.id and answer.id[:MAX_NAME])
    pictures: list[Picture] = []
    prompts: list[str] = []
    unusable: list[str] = []
    looked_at = 0
    for number, entry in enumerate((answer.data or [])[:MAX_ENTRIES], start=1):
        if most is not None and len(pictures) >= most:
            break
        looked_at = number
        try:
            pictures.append(_picture(entry))
        except ValueError as error:
            unusable.append(f"Picture {number} of the answer cannot be used: {_reason(error)}.")
            continue
        prompt = entry.get("revised_prompt") if isinstance(entry, Mapping) else None
        if isinstance(prompt, str) and prompt:
            prompts.append(prompt[:MAX_PROMPT])
    beyond = len(answer.data or []) - looked_at
    refusal = find_refusal(content)
    # Success has words, too.
    if not pictures and not (refusal and content.get("error")) and 200 <= status < 300:
        unnamed = [entry for entry in unnamed_entries(content)[:MAX_ENTRIES] if _is_usable(entry)]
        if unnamed:
            pictures, unusable, refusal = [_picture(entry) for entry in unnamed[:most]], [], None
            looked_at, beyond = len(pictures), len(unnamed) - len(pictures)
    notes += unusable[:1]
    if len(unusable) > 1:
        notes.append(f"Nor can {len(unusable) - 1} more.")
    if refusal and not pictures:
        charged = Charged.YES if metadata.cost else None
        if answer.data and metadata.cost is None:
            charged = Charged.UNKNOWN
        raise error_for(status, headers, body, content).replaced(
            charged=charged, cost=metadata.cost or None, currency=metadata.cost_currency
        )
    reported = "" if 200 <= status < 300 else f" an error ({status})"
    if refusal or reported:
        notes.append(f"The server also reported{reported}: {refusal.message if refusal else 'it did not say which.'}")
    if metadata.is_cost_odd:
        notes.append("The cost that the answer names cannot be one, and does not count.")
    if beyond and pictures:
        notes.append(f"The answer held {beyond} more than {looked_at} pictures; they were not fetched.")
    if not pictures:
        sent = "began a job and did not wait for its end, which this pack does not ask about"
        what = sent if _is_job(content) and not unusable else "reported success but sent no usable picture"
        raise AnswerError(
            " ".join([f"The server {what}.", *notes]),
            hint="Look the request up in the dashboard before you send it again.",
            request_id=identity,
            charged=Charged.YES if metadata.cost else Charged.UNKNOWN,
            cost=metadata.cost or None,
            currency=metadata.cost_currency,
        )
    return Answer(
        pictures=tuple(pictures),
        entries=looked_at,
        beyond=beyond,
        request_id=identity,
        executed_model=_name(metadata.executed_model, headers.get("x-lumenfall-model")),
        provider=_name(metadata.provider_name, metadata.provider, headers.get("x-lumenfall-provider")),
        cost=metadata.cost,
        # Of no use, and misleading, beside a cost that is not known.
        currency=None if metadata.cost is None else metadata.cost_currency or "USD",
        tokens=read_tokens(content),
        revised_prompts=tuple(prompts),
        notes=tuple(notes),
    )


def _name(*names: str | None) -> str | None:
    return next((name[:MAX_NAME] for name in names if name), None)


def holds_pictures(body: bytes) -> bool:
    """Whether an answer, whatever its status, brings a picture that can be used: it was made then."""
    if not any(f'"{name}"'.encode() in body for name in LISTS):
        return False
    try:
        content = _decode_json({}, body)
    except AnswerError:
        content = complete_members(body)
    # A refusal may quote what was sent: only what is a list of pictures by its name counts.
    listed = next((content[name] for name in LISTS if content.get(name)), None)
    return isinstance(listed, list) and any(_is_usable(entry) for entry in listed[:MAX_ENTRIES])


def _is_usable(entry: Any) -> bool:
    try:
        _picture(entry)
    except ValueError:
        return False
    return True


class _DryRunBody(BaseModel):
    estimated: Flag = None
    total_cost_micros: Annotated[Annotated[int, Field(ge=0, lt=10**12)] | None, WrapValidator(or_none)] = None
    currency: Text = None
    model: Text = None
    provider: Text = None


def read_dry_run(status: int, headers: Mapping[str, str], body: bytes, broken: str | None = None) -> DryRun:
    """The price in the answer to a dry run.

    Believed only with ``estimated: true`` and without anything else: a server that does not know ``dryRun`` makes the
    pictures, or begins a job, and bills that. Raises DryRunCharged then, ApiError for a refusal, ConnectionFailed and
    AnswerError for anything else.
    """
    if not 200 <= status < 300 and not holds_pictures(body):
        raise error_for(status, headers, body)
    if has_too_many_parts(body):
        raise DryRunCharged(headers, body)
    try:
        content = _decode_json(headers, body)
    except AnswerError:
        content = complete_members(body)
    if _holds_media(headers, body, content) or any(content.get(name) for name in _JOB) or _is_job(content):
        raise DryRunCharged(headers, body)
    dry_run = _DryRunBody.model_validate(content)
    is_estimate = dry_run.estimated and dry_run.total_cost_micros is not None
    if not is_estimate and _speaks_of_pictures(headers, body):
        raise DryRunCharged(headers, body)
    if broken:
        raise ConnectionFailed(f"The answer did not arrive whole ({broken}).", charged=Charged.NO)
    if find_refusal(content):
        raise error_for(status, headers, body)
    if not dry_run.estimated or dry_run.total_cost_micros is None:
        raise AnswerError("The answer to the dry run is no estimate.", charged=Charged.NO)
    cost = dry_run.total_cost_micros / 1e6
    return DryRun(cost, (dry_run.currency or "USD").upper(), dry_run.model, dry_run.provider)


_MEDIA = ("data", "b64_json", "url", "urls", "image", "images", "output", "outputs", "artifacts", "predictions")
_JOB = ("job", "job_id", "task", "task_id")


def _holds_media(headers: Mapping[str, str], body: bytes, content: Mapping[str, Any]) -> bool:
    kind = headers.get("content-type", "")
    is_file = kind.startswith(("image/", "video/")) or begins_as_picture(body)
    return is_file or any(content.get(name) or (name == "data" and name in content) for name in _MEDIA)


def _speaks_of_pictures(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether pictures may be in it in a shape that nobody reads: a stream of events, JSON of many lines, a page."""
    is_stream = headers.get("content-type", "").lower().startswith("text/event-stream")
    return is_stream or b"b64_json" in body or b"data:image/" in body


def _is_job(content: Mapping[str, Any]) -> bool:
    return bool(content.get("id") and content.get("status"))


class _Available(BaseModel):
    amount: Number
    currency: Text = None


class _BalanceBody(BaseModel):
    object: Literal["balance"]
    available: _Available


def read_balance(status: int, headers: Mapping[str, str], body: bytes) -> Balance:
    """The answer of ``GET /v1/balance``. Raises ApiError, and AnswerError for what is none: there are servers that
    answer everything with 200.
    """
    if status != 200:
        raise error_for(status, headers, body)
    try:
        available = _BalanceBody.model_validate(_decode_json(headers, body)).available
    except ValidationError:
        raise AnswerError("The balance has an unknown shape.", charged=Charged.NO) from None
    return Balance(available.amount, (available.currency or "usd").upper())


def _decode_or_salvage(headers: Mapping[str, str], body: bytes, broken: str | None) -> tuple[dict[str, Any], list[str]]:
    """The answer, its pictures listed in ``data``; or what has arrived of it, with a note that says so."""
    picture = without_blanks(body)
    is_said = headers.get("content-type", "").lower().startswith("image/") and picture[:1] not in (
        b"",
        b"{",
        b"[",
        b"<",
    )
    if begins_as_picture(picture) or is_said:
        # Whether it is whole shows when it is decoded: what was wrong may have been a header.
        return {"data": [picture]}, [f"The answer did not arrive as it should ({broken})."] if broken else []
    shaped, cause = None, None
    try:
        shaped = read_shape(body)
    except TooMuch as error:
        cause = error
    if shaped and (shaped.is_whole or not (broken or shaped.content["data"])):
        return shaped.content, []
    bare = None if shaped else bare_text(body)
    if bare:
        return {"data": [bare]}, [f"The answer did not arrive as it should ({broken})."] if broken else []
    content = shaped.content if shaped else complete_members(body)
    saved = content.get("data")
    if isinstance(saved, list) and saved:
        if cause:
            return content, [f"The answer has {TOO_MUCH}; only its beginning was read."]
        pictures = "1 picture" if len(saved) == 1 else f"{len(saved)} pictures"
        reason = f" ({broken})" if broken else ""
        return content, [f"The answer broke off{reason}; {pictures} of it could be saved."]
    if broken is None:
        raise _unreadable(headers, body, cause)
    raise ConnectionFailed(
        f"The answer did not arrive whole ({broken}), and no picture of it could be saved.",
        hint="Look the request up before you send it again.",
        request_id=request_id(headers),
    )


def _decode_json(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    cause: Exception | None = None
    try:
        content = read_json(body)
        if isinstance(content, dict):
            return content
    except (ValueError, RecursionError) as error:
        cause = error
    raise _unreadable(headers, body, cause)


def _unreadable(headers: Mapping[str, str], body: bytes, cause: Exception | None) -> AnswerError:
    what = (
        "cut-off or broken JSON" if body[:10_000].lstrip()[:1] in (b"{", b"[") else web_page(headers, body) or "no JSON"
    )
    what = f"JSON of {TOO_MUCH}" if isinstance(cause, TooMuch) else what
    error = AnswerError(
        f"The server reported success with {what} ({len(body):,} bytes).",
        hint="Look the request up in the dashboard before you send it again.",
        request_id=request_id(headers),
    )
    error.__cause__ = cause
    return error


def _picture(entry: Any) -> Picture:
    if isinstance(entry, bytes):
        return Picture(entry)
    if isinstance(entry, str) and is_picture_text(entry):
        entry = {"url" if is_address(entry) else "b64_json": entry}
    if not isinstance(entry, Mapping):
        raise ValueError("it is not an object")
    text, address = inside(entry), link(entry)
    if text and is_svg_text(text):
        return Picture(svg_of(text), address)
    if text:
        try:
            return Picture(_unpacked(decode_base64(text)), address)
        except binascii.Error:
            if not address:
                raise
    if address:
        return Picture(url=address)
    raise ValueError("it has neither url nor b64_json")


def _unpacked(content: bytes) -> bytes:
    """``content`` without the gzip in which some write vector pictures (SVGZ)."""
    unpacked, fault = unpack(content, packing("", content), MAX_BYTES)
    return content if fault else unpacked


def _reason(error: Exception) -> str:
    if isinstance(error, binascii.Error):
        return f"its base64 is damaged ({error})"
    return str(error)
