"""The one way from a node's inputs to tensors.

    inputs -> requests, checked -> sent -> answer on disk -> pictures on disk -> tensors

Whatever was paid for is on disk before anything is done with it, so that a later failure loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from . import host
from .api import (
    Answer,
    Catalogue,
    Client,
    ImageRequest,
    Mode,
    Model,
    ModelList,
    Picture,
    WireRequest,
    configured_base_url,
    error_for,
    read_answer,
    resolve_server,
    write,
)
from .errors import AnswerError, Charged, LumenfallError
from .host.waiting import wait
from .pixels import decode, sniff
from .spend import AnswerFolder, Originals

MAX_PARALLEL = 4
"""Requests of one node in the air at once. More gains little and runs into providers' limits."""


@dataclass(frozen=True)
class Delivery:
    """What one request brought: its pictures ``[frames, H, W, C]`` in order, and the facts for the report."""

    pictures: tuple[torch.Tensor, ...]
    answer: Answer
    seconds: float
    originals: tuple[str, ...]
    notes: tuple[str, ...]


async def ask(slug: str, build: Callable[[Model], Sequence[ImageRequest]]) -> list[Delivery]:
    """Send the requests that ``build`` makes for the model ``slug`` and return what they brought, in order.

    All requests are checked before the first is sent; they run together, MAX_PARALLEL at a time. When one fails,
    the others are still brought to disk before its LumenfallError is raised. Stop raises the host's interruption.
    """
    surroundings = host.current()
    call = _Call(surroundings, slug)
    return await wait(call.run(build), surroundings, call.doing)


def model_names(*modes: Mode) -> list[str]:
    """Slugs for a node's menu, without touching the network. Never empty."""
    known = _catalogue().known()
    return known.names(*modes) or known.names("generate", "edit", "upscale", "variations")


async def list_models() -> ModelList:
    """The server's models: fresh if it answers, else those known. Raises CredentialError without a key."""
    surroundings = host.current()
    server = resolve_server(surroundings.environ(), surroundings.data_dir())
    async with Client(server) as client:
        try:
            return await _catalogue().fresh(client)
        except LumenfallError:
            return _catalogue().known()


def _catalogue() -> Catalogue:
    surroundings = host.current()
    data_dir = surroundings.data_dir()
    return Catalogue(data_dir, configured_base_url(surroundings.environ(), data_dir))


class _Call:
    """One call of a node: its client and its requests. Nothing of it outlives the node's event loop."""

    def __init__(self, surroundings: host.Host, slug: str) -> None:
        self._host = surroundings
        self._slug = slug
        self._status: str | None = None
        self._total = 0
        self._done = 0
        self._originals = Originals(surroundings.data_dir() / "originals")

    def doing(self) -> str:
        """What is being waited for, in a few words."""
        if self._status:
            return self._status
        several = f", {self._done} of {self._total} done" if self._total > 1 else ""
        return f"waiting for {self._slug}{several}"

    async def run(self, build: Callable[[Model], Sequence[ImageRequest]]) -> list[Delivery]:
        server = resolve_server(self._host.environ(), self._host.data_dir())
        async with Client(server, on_status=self._tell) as client:
            model = await Catalogue(self._host.data_dir(), server.base_url).model(client, self._slug)
            # Encoding large pictures takes a while; in a thread it does not hold up other nodes or Stop.
            requests = await asyncio.to_thread(build, model)
            wires = [write(request, server.flavour, takes_seed=model.takes("seed")) for request in requests]
            self._originals.check_writable()
            self._total = len(wires)
            self._tell(None)
            room = asyncio.Semaphore(MAX_PARALLEL)
            outcomes = await asyncio.gather(
                *(self._one(client, room, *pair) for pair in zip(requests, wires, strict=True)),
                return_exceptions=True,
            )
        deliveries = _all_or_error(outcomes)
        # Some browsers keep the last line on the node after the run.
        self._host.progress(_summary(deliveries))
        return deliveries

    def _tell(self, status: str | None) -> None:
        self._status = status
        self._host.progress(self.doing())

    async def _one(self, client: Client, room: asyncio.Semaphore, request: ImageRequest, wire: WireRequest) -> Delivery:
        async with room:
            started = time.monotonic()
            try:
                return await self._deliver(client, request, wire, started)
            except LumenfallError as error:
                raise client.redacted(error) from error.__cause__
            finally:
                self._done += 1

    async def _deliver(self, client: Client, request: ImageRequest, wire: WireRequest, started: float) -> Delivery:
        reply = await client.send(wire)
        self._tell(None)
        if reply.status != 200:
            raise error_for(reply.status, reply.headers, reply.body)
        folder = self._originals.open(reply.headers.get("x-lumenfall-request-id"))
        folder.keep_answer(reply.body)
        answer = read_answer(reply.status, reply.headers, reply.body)
        fetched = await asyncio.gather(
            *(self._fetch(client, folder, number, picture) for number, picture in enumerate(answer.pictures, start=1)),
            return_exceptions=True,
        )
        pictures, files, notes = [], [], [*wire.notes, *answer.notes]
        failures: list[BaseException] = []
        for number, outcome in enumerate(fetched, start=1):
            if isinstance(outcome, BaseException):
                failures.append(outcome)
                notes.append(f"Picture {number} was lost: {_sentence(outcome)}")
            else:
                pictures.append(outcome[0])
                files.append(folder.name(outcome[1]))
        if not failures:
            folder.complete()
        if not pictures:
            raise _with_answer(failures[0], answer)
        asked = int(request.parameters.get("n", 1))
        if len(answer.pictures) < asked:
            notes.append(f"{asked} pictures were asked for, {len(answer.pictures)} came.")
        return Delivery(tuple(pictures), answer, time.monotonic() - started, tuple(files), tuple(notes))

    async def _fetch(
        self, client: Client, folder: AnswerFolder, number: int, picture: Picture
    ) -> tuple[torch.Tensor, Path]:
        if picture.url is not None:
            path = folder.picture_path(number)
            await client.download(picture.url, path)
            content = path.read_bytes()
            kind = sniff(content)
            if kind is not None:
                path = path.replace(path.with_suffix(kind.extension))
        else:
            content = picture.content or b""
            kind = sniff(content)
            path = folder.keep_picture(number, content, kind.extension if kind else ".bin")
        return await asyncio.to_thread(decode, content), path


def _all_or_error(outcomes: Sequence[Delivery | BaseException]) -> list[Delivery]:
    deliveries = [outcome for outcome in outcomes if isinstance(outcome, Delivery)]
    for outcome in outcomes:
        if isinstance(outcome, LumenfallError) and deliveries:
            kept = ", ".join(name for delivery in deliveries for name in delivery.originals)
            outcome.hint += (
                f" {len(deliveries)} of the {len(outcomes)} requests of this node succeeded; "
                f"their pictures are kept in the originals folder: {kept}."
            )
        if isinstance(outcome, BaseException):
            raise outcome
    return deliveries


def _summary(deliveries: Sequence[Delivery]) -> str:
    costs = [delivery.answer.cost for delivery in deliveries if delivery.answer.cost is not None]
    seconds = max(delivery.seconds for delivery in deliveries)
    count = sum(len(delivery.pictures) for delivery in deliveries)
    price = f", {sum(costs):.4g} {deliveries[0].answer.currency}" if costs else ""
    return f"{count} picture{'s' * (count != 1)} in {seconds:.0f} s{price}"


def _with_answer(error: BaseException, answer: Answer) -> BaseException:
    if isinstance(error, LumenfallError):
        error.request_id = error.request_id or answer.request_id
        if isinstance(error, AnswerError) and answer.cost:
            error.charged = Charged.YES
    return error


def _sentence(error: BaseException) -> str:
    return error.message if isinstance(error, LumenfallError) else f"{type(error).__name__}: {error}"
