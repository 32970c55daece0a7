"""From an answer to files and then to tensors. Money has been spent by now, so nothing is dropped: each picture is a
file before it is decoded, and whatever is missing can be fetched again by the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..api import LINK_EXPIRED, LINK_REFUSED, Client, Picture, read_answer
from ..errors import AnswerError, Charged, DecoderFault, DownloadError, LumenfallError, sentences, worst_of
from ..pixels import decode, is_doubtful, sniff
from ..spend import LINK_LIFE, Call, Journal, State
from .outcome import ANOTHER

FETCHED_AGAIN = "Running again fetches it once more, for nothing; only another seed would order another picture."

NO_PICTURE = ".bin"
"""The extension of what came over a link in a picture's place: the link is kept until the picture has decoded."""


@dataclass(frozen=True)
class Delivery:
    """What one request brought: its pictures ``[frames, H, W, C]`` in order, and its entry in the journal."""

    call: Call
    pictures: tuple[torch.Tensor, ...]
    originals: tuple[str, ...]
    notes: tuple[str, ...]
    replayed: bool = False
    """Whether it came from the store: paid for by an earlier run, free in this one."""
    index: int = 0
    """The place of its request among those of the node."""

    @property
    def cost(self) -> float | None:
        """What this run paid for it; None where the server named no cost."""
        return 0.0 if self.replayed else self.call.price

    @property
    def seconds(self) -> float:
        return 0.0 if self.replayed else self.call.seconds or 0.0


def total_cost(deliveries: Sequence[Delivery]) -> tuple[float | None, str | None]:
    """The sum of the confirmed costs and its currency; None where the server named none."""
    costs = [delivery.cost for delivery in deliveries if delivery.cost is not None]
    currency = next((delivery.call.currency for delivery in deliveries if delivery.call.currency), None)
    return (round(sum(costs), 9) if costs else None), currency


async def fetch(
    client: Client, journal: Journal, call: Call, pictures: Sequence[Picture] | None = None, *, replayed: bool
) -> Delivery:
    """Fetch what ``call`` still lacks, and decode its pictures. Raises LumenfallError, which says where they lie.

    ``pictures`` are those of the answer, where it is at hand; otherwise they come from the disk.
    """
    if pictures is None:
        has_answer = call.state in (State.ANSWERED, State.DOWNLOADED)
        pictures = await asyncio.to_thread(_announced, journal, call) if has_answer else ()
    return await _Collection(client, journal, call).fetch(pictures, replayed)


def _announced(journal: Journal, call: Call) -> Sequence[Picture]:
    """The pictures of the raw answer, or of the links in the journal where the answer lies elsewhere."""
    try:
        body = journal.records.answer(call)
    except OSError:
        return tuple(Picture(url=link) for link in call.facts.get("links", ()))
    return read_answer(200, {}, body).pictures


class _Collection:
    def __init__(self, client: Client, journal: Journal, call: Call) -> None:
        self._client = client
        self._journal = journal
        self._call = call
        self._notes: list[str] = []
        # Downloads finish at the same time; each adds its picture to the same entry.
        self._entering = asyncio.Lock()

    async def fetch(self, pictures: Sequence[Picture], replayed: bool) -> Delivery:
        numbers = range(1, 1 + max(len(pictures), *(stored.number for stored in self._call.pictures), 0))
        outcomes = await asyncio.gather(
            *(self._picture(number, pictures[number - 1] if pictures else None) for number in numbers),
            return_exceptions=True,
        )
        tensors = [outcome for outcome in outcomes if isinstance(outcome, torch.Tensor)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for number, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, BaseException):
                self._notes.append(f"Picture {number} could not be read: {_describe(outcome)}")
        if pictures and all(self._is_kept(number, picture) for number, picture in enumerate(pictures, start=1)):
            await self._finish()
        names = tuple(self._journal.files.name(stored) for stored in self._call.pictures)
        if not tensors:
            raise self._unreadable(errors, names)
        if any(isinstance(error, LumenfallError) and self._may_come(error) for error in errors):
            self._notes.append("Recover Images, or another run, fetches what is missing once more, for nothing.")
        notes = (*self._call.facts.get("notes", ()), *self._notes)
        return Delivery(self._call, tuple(tensors), names, notes, replayed)

    def _is_kept(self, number: int, picture: Picture) -> bool:
        """Whether a picture is a file for good. What came over a link and cannot be decoded may be a part of it, or a
        proxy's page in its place: it is kept, and the link too.
        """
        stored = self._call.picture(number)
        if stored is None or not self._journal.files.has(stored):
            return False
        return stored.extension != NO_PICTURE or picture.url is None

    async def _picture(self, number: int, picture: Picture | None) -> torch.Tensor:
        content, url = (None, None) if picture is None else (picture.content, picture.url)
        stored = self._call.picture(number)
        if stored is not None and self._journal.files.has(stored):
            content = await asyncio.to_thread(self._journal.files.get, stored)
        elif picture is None:
            raise DownloadError("Its file is gone from the store.")
        if content is None:
            return await self._download(number, url or "")
        try:
            if stored is not None and stored.extension != NO_PICTURE:
                return await asyncio.to_thread(decode, content)
            return await self._decoded(number, content, url)
        except AnswerError as error:
            if url is None or isinstance(error, DecoderFault):
                raise
        return await self._download(number, url)

    async def _download(self, number: int, url: str) -> torch.Tensor:
        """The picture behind ``url``, and its file. What does not decode is fetched once more from the start, past
        caches: part of it, or something else, was there under the right length.
        """
        partial = self._journal.records.partial(self._call, number)
        first = await self._client.download(url, partial)
        try:
            return await self._decoded(number, first, url)
        except DecoderFault:
            raise
        except AnswerError:
            self._journal.records.drop_partial(self._call, number)
        content = await self._client.download(url, partial, past_caches=True)
        # What comes twice alike is what the server has.
        return await self._decoded(number, content, url, doubted=content != first)

    async def _decoded(self, number: int, content: bytes, url: str | None, *, doubted: bool = True) -> torch.Tensor:
        """The picture in ``content``, which becomes its file: as what it is, or as what came in its place."""
        try:
            tensor = await asyncio.to_thread(decode, content)
            if url is not None and is_doubtful(content):
                if doubted:
                    raise AnswerError("The picture's file does not end as one: something was put in place of the rest.")
                self._notes.append(f"Picture {number} ends as no encoder ends one, twice alike; it may be damaged.")
        except DecoderFault:
            # Not the file is at fault: it is kept as it is, for a repaired installation.
            await self._keep(number, content)
            raise
        except AnswerError:
            # It may be all that ever comes.
            await self._keep(number, content, None if url is None else NO_PICTURE)
            raise
        await self._keep(number, content)
        return tensor

    async def _keep(self, number: int, content: bytes, extension: str | None = None) -> None:
        kind = sniff(content)
        extension = extension or (kind.extension if kind else NO_PICTURE)
        try:
            stored = await asyncio.to_thread(self._journal.files.put, number, content, extension)
        except OSError as error:
            self._notes.append(f"Picture {number} could not be kept on disk: {error.strerror or error}.")
            return
        before = self._call.picture(number)
        if before != stored:
            async with self._entering:
                await self._settle(self._call.with_picture(stored))
        if before is not None and before.extension == NO_PICTURE and before != stored:
            await asyncio.to_thread(self._journal.discard, before)
        if not self._journal.files.has(stored):
            # Equal to a picture that was cleaned away before this entry was there to hold it.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._journal.files.put, number, content, stored.extension)
        self._journal.records.drop_partial(self._call, number)

    async def _finish(self) -> None:
        await self._settle(replace(self._call, state=State.DOWNLOADED))
        if len(self._call.pictures) == self._call.facts.get("entries"):
            await asyncio.to_thread(self._journal.records.tidy, self._call)
        else:
            self._notes.append(f"The whole answer is kept in {self._journal.records.answer_name(self._call)}.")
        facts = {name: value for name, value in self._call.facts.items() if name != "links"}
        await self._settle(replace(self._call, state=State.DONE, facts=facts))

    async def _settle(self, call: Call) -> None:
        self._call = call
        self._notes += await asyncio.to_thread(self._journal.settle, call)

    def _unreadable(self, errors: Sequence[BaseException], names: Sequence[str]) -> LumenfallError:
        error = next((error for error in errors if isinstance(error, LumenfallError)), None)
        if error is None and errors:
            error = AnswerError(f"The pictures could not be read ({_describe(errors[0])}).")
            error.__cause__ = errors[0]
        error = error or AnswerError("The pictures were inside an answer that could not be kept on disk.")
        where = f"What came is kept in the pack's private folder: {', '.join(names)}." if names else ""
        # The hint of a decoder's fault says it all.
        again = "" if isinstance(error, DecoderFault) else FETCHED_AGAIN if self._may_come(error) else ANOTHER
        notes = [note for note in self._notes if not note.endswith(error.message)]
        return error.replaced(
            hint=sentences(error.hint, *notes, where, again),
            request_id=error.request_id or self._call.request_id,
            charged=self._call.charged,
        )

    def _may_come(self, error: LumenfallError) -> bool:
        """Whether another run may still get the pictures, for nothing."""
        has_more = bool(self._call.facts.get("links")) or self._journal.records.answer_name(self._call) is not None
        is_young = time.time() - self._call.sent_at < LINK_LIFE
        gone = error.code == LINK_EXPIRED or (error.code == LINK_REFUSED and not is_young)
        return self._call.state is State.ANSWERED and has_more and not gone


def _describe(error: BaseException) -> str:
    return error.message if isinstance(error, LumenfallError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Results:
    """What became of the requests of a node: ``deliveries`` in their order, ``errors`` by the number of the request in
    the order in which they happened, and how many were ``skipped``, which are those that were not sent any more.
    """

    deliveries: tuple[Delivery, ...]
    errors: Mapping[int, LumenfallError] = field(default_factory=dict)
    skipped: int = 0
    notes: tuple[str, ...] = ()
    """What holds for all of them."""

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The errors for the report, in the shape of LumenfallError.as_dict() with the ``index`` of the request."""
        return [{"index": index, **error.as_dict()} for index, error in sorted(self.errors.items())]

    def error(self) -> LumenfallError:
        """The one error that speaks for all: that which may have cost most, with what became of the other requests."""
        worst = worst_of(list(self.errors.values()))
        hints, charged = [worst.hint], worst.charged
        if self.deliveries:
            count = len(self.deliveries) + len(self.errors) + self.skipped
            hints.append(
                f"{len(self.deliveries)} of the {count} requests of this node succeeded; their pictures are in the "
                "store, so that the next run with the same inputs gets them for free."
            )
            if any(delivery.cost != 0 for delivery in self.deliveries):
                charged = Charged.YES
        if self.skipped:
            hints.append(f"{self.skipped} of the requests {'was' if self.skipped == 1 else 'were'} not sent any more.")
        return worst.replaced(hint=sentences(*hints), charged=charged)

    @property
    def summary(self) -> str:
        """One short line, such as ``2 pictures in 3 s, 0.1 USD``."""
        cost, currency = total_cost(self.deliveries)
        count = sum(len(delivery.pictures) for delivery in self.deliveries)
        pictures = f"{count} picture{'s' * (count != 1)}"
        tail = "" if cost is None else f", {cost:.4g} {currency or 'USD'}"
        if self.errors:
            tail += f", {len(self.errors)} of {len(self.errors) + len(self.deliveries)} requests failed"
        if all(delivery.replayed for delivery in self.deliveries):
            return f"{pictures} replayed{tail}"
        return f"{pictures} in {max(delivery.seconds for delivery in self.deliveries):.0f} s{tail}"
