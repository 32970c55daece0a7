"""From an answer to files and then to tensors. From here on money may have been spent, so nothing is dropped: the
answer is on disk before it is looked at, and whatever goes wrong later says where it lies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .api import Answer, Client, Picture, Reply, read_answer, request_id
from .errors import AnswerError, Charged, DownloadError, LumenfallError
from .pixels import decode, sniff
from .spend import AnswerFolder, Originals


@dataclass(frozen=True)
class Delivery:
    """What one request brought: its pictures ``[frames, H, W, C]`` in order, and the facts for the report."""

    pictures: tuple[torch.Tensor, ...]
    answer: Answer
    originals: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float = 0.0


def total_cost(deliveries: Sequence[Delivery]) -> tuple[float | None, str | None]:
    """The sum of the confirmed costs and its currency; None where the server named none."""
    costs = [delivery.answer.cost for delivery in deliveries if delivery.answer.cost is not None]
    currency = next((delivery.answer.currency for delivery in deliveries if delivery.answer.currency), None)
    return (round(sum(costs), 9) if costs else None), currency


async def receive(client: Client, reply: Reply, originals: Originals) -> Delivery:
    """Keep and read a successful answer. Raises LumenfallError, which says where the answer is kept."""
    # Not in a thread: Stop could cancel it while it waits for its turn, and the answer would be gone.
    folder, notes = _keep(originals, reply)
    kept = f"What arrived is kept in the originals folder, in {folder.name(folder.path)}." if folder else ""
    answer: Answer | None = None
    try:
        answer = await asyncio.to_thread(read_answer, reply.status, reply.headers, reply.body)
        delivery = await _read(client, folder, answer)
    except LumenfallError as error:
        raise _located(error, answer, [*notes, kept]) from error.__cause__
    except Exception as error:
        unexpected = AnswerError(f"The answer could not be read ({type(error).__name__}: {error}).")
        raise _located(unexpected, answer, [*notes, kept]) from error
    if folder and len(delivery.originals) == answer.entries:
        await asyncio.to_thread(folder.complete)
    elif kept:
        notes.append(kept)
    return replace(delivery, notes=(*answer.notes, *delivery.notes, *notes))


def _keep(originals: Originals, reply: Reply) -> tuple[AnswerFolder | None, list[str]]:
    folder = None
    try:
        folder = originals.open(request_id(reply.headers))
        folder.keep_answer(reply.body)
    except OSError as error:
        return folder, [f"The answer could not be kept on disk: {error.strerror or error}."]
    return folder, []


async def _read(client: Client, folder: AnswerFolder | None, answer: Answer) -> Delivery:
    outcomes = await asyncio.gather(
        *(_picture(client, folder, number, picture) for number, picture in enumerate(answer.pictures, start=1)),
        return_exceptions=True,
    )
    pictures, files, notes = [], [], []
    for number, outcome in enumerate(outcomes, start=1):
        if isinstance(outcome, BaseException):
            what = outcome.message if isinstance(outcome, LumenfallError) else f"{type(outcome).__name__}: {outcome}"
            notes.append(f"Picture {number} could not be read: {what}")
        else:
            pictures.append(outcome[0])
            files.extend(outcome[1])
    if not pictures:
        raise next(outcome for outcome in outcomes if isinstance(outcome, BaseException))
    return Delivery(tuple(pictures), answer, tuple(files), tuple(notes))


async def _picture(
    client: Client, folder: AnswerFolder | None, number: int, picture: Picture
) -> tuple[torch.Tensor, list[str]]:
    """The tensor of a picture, and the name of its file if it could be written."""
    if picture.url is None:
        return await asyncio.to_thread(_keep_and_decode, folder, number, picture.content or b"")
    if folder is None:
        raise DownloadError("There is no folder to save the finished picture in.")
    await client.download(picture.url, folder.download_path(number))
    return await asyncio.to_thread(_name_and_decode, folder, number)


def _keep_and_decode(folder: AnswerFolder | None, number: int, content: bytes) -> tuple[torch.Tensor, list[str]]:
    names = []
    if folder is not None:
        # Without a file of its own it stays in the answer, which is not removed then.
        with contextlib.suppress(OSError):
            names.append(folder.keep_picture(number, content, _extension(content)))
    return decode(content), names


def _name_and_decode(folder: AnswerFolder, number: int) -> tuple[torch.Tensor, list[str]]:
    content = folder.download_path(number).read_bytes()
    picture = decode(content)
    return picture, [folder.name_download(number, _extension(content))]


def _extension(content: bytes) -> str:
    kind = sniff(content)
    return kind.extension if kind else ".bin"


def _located(error: LumenfallError, answer: Answer | None, notes: list[str]) -> LumenfallError:
    error.hint = " ".join(part for part in (error.hint, *notes) if part)
    if answer is not None:
        error.request_id = error.request_id or answer.request_id
        if answer.cost is not None:
            error.charged = Charged.YES if answer.cost else Charged.NO
    return error
