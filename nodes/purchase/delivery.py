"""From an answer to files and then to tensors. Money has been spent by now, so nothing is dropped: each picture is a
file before it is decoded, and whatever is missing can be fetched again by the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ..api import LINK_EXPIRED, LINK_PRIVATE, LINK_REFUSED, Client, Picture, Share, read_answer
from ..errors import AnswerError, DecoderFault, DownloadError, LumenfallError, let_go, sentences
from ..pixels import decode, is_doubtful, sniff
from ..spend import LINK_LIFE, LONGEST_LINK_LIFE, Call, Journal, State, Stored, clock
from . import background
from .outcome import age, most_pictures, surprise, ways_on

AGAIN = "Run again, it is free: the picture is paid for."
FETCHED_AGAIN = "Running again fetches it once more, for nothing."

BOUGHT_AGAIN = (
    "To buy it again, change the seed, or run once with --send-again, or with replay switched off (in the settings, or "
    "LUMENFALL_REPLAY=off)."
)

PICTURE_LOST = "PICTURE_LOST"
"""A file of the store is damaged or gone, and the server has no other any more."""

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
    is_short: bool = False
    """Whether a picture of it does not come any more, so that the user may have it bought again."""

    @property
    def cost(self) -> float | None:
        """What this run paid for it; None where the server named no cost."""
        return 0.0 if self.replayed else self.call.cost_in_units

    @property
    def seconds(self) -> float:
        return 0.0 if self.replayed else self.call.seconds or 0.0


def is_new(call: Call) -> bool:
    """Whether the links of ``call`` are of the last hour."""
    return age(call) < LINK_LIFE


def can_fetch(call: Call, error: LumenfallError | None = None) -> bool:
    """Whether the server may still have the pictures of ``call``; ``error`` is what came of trying. A host that only
    stumbles says nothing about them.
    """
    if not any(call.facts.get("links", ())) or (error and error.code in (LINK_EXPIRED, PICTURE_LOST)):
        return False
    return is_new(call) if error and error.code == LINK_REFUSED else age(call) < LONGEST_LINK_LIFE


def _patient() -> bool:
    return not background.is_closing()


async def fetch(
    client: Client,
    journal: Journal,
    call: Call,
    pictures: Sequence[Picture] | None = None,
    *,
    replayed: bool,
    patient: Callable[[], bool] = _patient,
) -> Delivery:
    """Fetch what ``call`` still lacks, or has lost, and decode its pictures. Raises LumenfallError, which says where
    they lie; where another try will hardly bring them it names the ``call``, which the user may send again.

    ``pictures`` are those of the answer, where it is at hand; otherwise they come from the disk. A new link that is
    refused is tried for a while, as long as there is somebody ``patient``.
    """
    client.met(call.facts.get("peer"))
    try:
        return await _Collection(client, journal, call, pictures, patient).fetch(replayed)
    except LumenfallError:
        raise
    except Exception as error:
        odd = surprise(error)
        hint = sentences(odd.hint, AGAIN)
        raise odd.replaced(hint=hint, request_id=call.request_id, charged=call.charged) from error


def _announced(journal: Journal, call: Call) -> Sequence[Picture]:
    """The pictures of the raw answer; of the links in the journal where it is gone, or not whole any more."""
    links = tuple(Picture(url=link) for link in call.facts.get("links", ()))
    try:
        found = read_answer(200, {}, journal.records.answer(call), most=most_pictures(call)).pictures
    except (OSError, LumenfallError):
        return links
    return found if len(found) >= len(links) else links


class _Collection:
    def __init__(
        self,
        client: Client,
        journal: Journal,
        call: Call,
        pictures: Sequence[Picture] | None,
        patient: Callable[[], bool],
    ) -> None:
        self._client = client
        self._journal = journal
        self._call = call
        self._pictures = pictures
        self._patient = patient
        self._intact: set[int] = set()
        """The pictures whose files are good, as this run has seen."""
        self._notes: list[str] = []
        # Downloads finish at the same time; each adds its picture to the same entry.
        self._entering = asyncio.Lock()

    async def fetch(self, replayed: bool) -> Delivery:
        pictures = () if self._call.state is State.DONE else await self._announced()
        numbers = range(1, 1 + max(len(pictures), *(stored.number for stored in self._call.pictures), 0))
        outcomes = await asyncio.gather(*map(self._picture, numbers), return_exceptions=True)
        tensors = [outcome for outcome in outcomes if isinstance(outcome, torch.Tensor)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for number, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, BaseException):
                self._notes.append(f"Picture {number} could not be read: {_describe(outcome)}")
        if pictures and all(
            self._is_kept(self._call.picture(number), picture) for number, picture in enumerate(pictures, 1)
        ):
            await self._finish()
        if not tensors:
            raise self._unreadable(errors)
        is_short = False
        if any(isinstance(error, LumenfallError) and self._may_come(error) for error in errors):
            self._notes.append("Recover Images, or another run, fetches what is missing once more, for nothing.")
        elif any(isinstance(error, LumenfallError) and not isinstance(error, DecoderFault) for error in errors):
            is_short = True
            self._notes.append(BOUGHT_AGAIN)
        names = tuple(self._journal.files.name(stored) for stored in self._call.pictures)
        notes = (*self._call.facts.get("notes", ()), *self._notes)
        return Delivery(self._call, tuple(tensors), names, notes, replayed, is_short=is_short)

    async def _announced(self) -> Sequence[Picture]:
        """What the answer said; read once, and only if it is needed."""
        async with self._entering:
            if self._pictures is None:
                self._pictures = await asyncio.to_thread(_announced, self._journal, self._call)
        return self._pictures

    def _is_kept(self, stored: Stored | None, picture: Picture) -> bool:
        """Whether a picture is a file for good. What came over a link and cannot be decoded may be a part of it, or a
        proxy's page in its place: it is kept, and the link too.
        """
        if stored is None or stored.number not in self._intact:
            return False
        return stored.extension != NO_PICTURE or picture.url is None

    async def _picture(self, number: int) -> torch.Tensor:
        try:
            return await self._fetched(number)
        except BaseException as error:
            # It outlives this, and so would the files that were open where it happened.
            let_go(error)
            raise

    async def _fetched(self, number: int) -> torch.Tensor:
        stored = self._call.picture(number)
        with Share() as share:
            tensor = await self._at_hand(number, stored, share)
        if tensor is not None:
            return tensor
        picture = await self._named(number)
        try:
            if picture.url is None:
                raise DownloadError("There is no link to fetch it by.")
            return await self._download(number, picture.url)
        except (DownloadError, AnswerError) as error:
            if stored is None or number in self._intact or isinstance(error, DecoderFault):
                raise
            if isinstance(error, AnswerError):
                # The picture was here once, so what came is another thing: the page of a network that wants a login.
                error = DownloadError(error.message)
            raise self._loss(error, stored) from error.__cause__

    async def _at_hand(self, number: int, stored: Stored | None, share: Share) -> torch.Tensor | None:
        """The picture that is a file, or came inside the answer; None where it is to be fetched."""
        if stored is not None:
            await share.take(stored.size)
        content = None if stored is None else await asyncio.to_thread(self._kept, stored)
        if stored is not None and content is not None and self._call.state is State.DONE:
            return await asyncio.to_thread(decode, content)
        picture = await self._named(number)
        try:
            if content is not None and stored is not None and stored.extension != NO_PICTURE:
                return await asyncio.to_thread(decode, content)
            content = picture.content if content is None else content
            if content is not None:
                return await self._decoded(number, content, picture.url)
        except AnswerError as error:
            if picture.url is None or isinstance(error, DecoderFault):
                raise
        return None

    async def _named(self, number: int) -> Picture:
        announced = (await self._announced())[number - 1 : number]
        return announced[0] if announced else Picture()

    def _kept(self, stored: Stored) -> bytes | None:
        try:
            content = self._journal.files.get(stored)
        except OSError:
            return None
        self._intact.add(stored.number)
        return content

    def _loss(self, error: DownloadError, stored: Stored) -> DownloadError:
        """``error`` of a picture whose file was there once."""
        files = self._journal.files
        what = f"damaged ({files.name(stored)})" if files.is_there(stored) else "gone"
        message = f"The picture's file in the store is {what}. {error.message}"
        is_lost = self._call.state is State.DONE and not can_fetch(self._call, error)
        return error.replaced(message=message, code=PICTURE_LOST if is_lost else None)

    async def _download(self, number: int, url: str) -> torch.Tensor:
        """The picture behind ``url``, and its file. What does not decode is fetched once more from the start, past
        caches: part of it, or something else, was there under the right length.
        """
        partial = self._journal.records.partial(self._call, number)
        with Share() as share:
            first = await self._client.download(
                url, partial, share, patient=lambda: self._patient() and is_new(self._call)
            )
            try:
                return await self._decoded(number, first, url)
            except DecoderFault:
                raise
            except AnswerError:
                self._journal.records.drop_partial(self._call, number)
            known = await asyncio.to_thread(_digest, first)
            del first
        with Share() as share:
            content = await self._client.download(url, partial, share, past_caches=True)
            # What comes twice alike is what the server has.
            is_same = await asyncio.to_thread(_digest, content) == known
            return await self._decoded(number, content, url, doubted=not is_same)

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
        before = self._call.picture(number)
        if extension == NO_PICTURE and before is not None and before.extension != NO_PICTURE:
            return  # what was there once is told by its name
        try:
            stored = await asyncio.to_thread(self._journal.files.put, number, content, extension)
        except OSError as error:
            self._notes.append(f"Picture {number} could not be kept on disk: {error.strerror or error}.")
            return
        self._intact.add(number)
        if before != stored:
            async with self._entering:
                call = self._call.with_picture(stored)
                only = self._pictures if self._call.state is State.ANSWERED and number == 1 else None
                if only is not None and len(only) == 1 and self._is_kept(stored, only[0]):
                    # It is all that there is: one entry says both.
                    call = replace(call, state=State.DONE)
                await self._settle(call)
        if before is not None and before != stored:
            await asyncio.to_thread(self._journal.discard, before)
        if not self._journal.files.has(stored):
            # Equal to a picture that was cleaned away before this entry was there to hold it.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._journal.files.put, number, content, stored.extension)
        self._journal.records.drop_partial(self._call, number)

    async def _finish(self) -> None:
        if self._call.state is not State.DONE:
            await self._settle(replace(self._call, state=State.DONE))
        if not self._call.is_whole:
            self._notes.append(f"The whole answer is kept in {self._journal.records.answer_name(self._call)}.")

    async def _settle(self, call: Call) -> None:
        self._call = call
        self._notes += await asyncio.to_thread(self._journal.settle, call)

    def _unreadable(self, errors: Sequence[BaseException]) -> LumenfallError:
        error = next((error for error in errors if isinstance(error, LumenfallError)), None)
        if error is None and errors:
            error = AnswerError(f"The pictures could not be read ({_describe(errors[0])}).")
            error.__cause__ = errors[0]
        error = error or AnswerError("The pictures were inside an answer that is not on disk.")
        files = self._journal.files
        names = ", ".join(files.name(stored) for stored in self._call.pictures if stored.number in self._intact)
        where = f"What came is kept in the pack's private folder: {names}." if names else ""
        # The hint of a decoder's fault says it all.
        is_fault = isinstance(error, DecoderFault)
        again = "" if is_fault else self._way_on(error)
        notes = [note for note in self._notes if not note.endswith(error.message)]
        return error.replaced(
            hint=sentences(error.hint, *notes, where, again),
            request_id=error.request_id or self._call.request_id,
            charged=self._call.charged,
            call=None if is_fault or self._may_come(error) else self._call.id,
        )

    def _way_on(self, error: LumenfallError) -> str:
        if self._may_come(error):
            return AGAIN if isinstance(error, DownloadError) else FETCHED_AGAIN
        if _is_lost(error):
            return BOUGHT_AGAIN
        final = (LINK_EXPIRED, LINK_PRIVATE)
        if error.code in final or not any(self._call.facts.get("links", ())):
            return ways_on(self._call)
        old = f"Its link is from {clock(self._call.sent_at)}, and links live for about an hour"
        if error.code == LINK_REFUSED:
            return f"{old}: the picture is gone from the server. {ways_on(self._call)}"
        gone = "Running again tries it once more, for nothing; if it is gone, it does not come back."
        return f"{old}. {gone} {ways_on(self._call)}"

    def _may_come(self, error: LumenfallError) -> bool:
        """Whether another run may well get the pictures, for nothing."""
        if error.code == LINK_PRIVATE:
            return False
        if any(self._call.facts.get("links", ())):
            is_lost = self._call.state is State.DONE and not isinstance(error, DownloadError)
            is_soon = self._call.state is State.DONE or is_new(self._call)
            return not is_lost and is_soon and can_fetch(self._call, error)
        return self._call.state is State.ANSWERED and self._journal.records.answer_name(self._call) is not None


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, LumenfallError) and error.code == PICTURE_LOST


def _describe(error: BaseException) -> str:
    return error.message if isinstance(error, LumenfallError) else f"{type(error).__name__}: {error}"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
