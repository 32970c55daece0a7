"""The one way from a node's inputs to tensors.

    inputs -> requests, checked -> sent -> answer on disk -> pictures on disk -> tensors

Whatever was paid for is on disk before anything is done with it, so that a later failure loses nothing.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from . import host
from .api import (
    Catalogue,
    Client,
    ImageRequest,
    Mode,
    Model,
    ModelList,
    WireRequest,
    bundled,
    configured_base_url,
    error_for,
    resolve_server,
    write,
)
from .errors import AuthenticationFailed, Charged, LumenfallError
from .host.waiting import wait
from .receive import Delivery, receive, total_cost
from .spend import Originals

NodeFunction = Callable[..., Awaitable[dict[str, Any]]]

MAX_PARALLEL = 4
"""Requests of one node in the air at once. More gains little and runs into providers' limits."""


async def ask(slug: str, build: Callable[[Model], Sequence[ImageRequest]]) -> list[Delivery]:
    """Send the requests that ``build`` makes for the model ``slug`` and return what they brought, in order.

    All requests are checked before the first is sent; they run together, MAX_PARALLEL at a time. When one fails, no
    more are sent, and those in the air are brought to disk before its LumenfallError is raised. Stop raises the
    host's interruption.
    """
    surroundings = host.current()
    call = _Call(surroundings, slug)
    return await wait(call.run(build), surroundings, call.doing)


def paid_node(function: NodeFunction) -> NodeFunction:
    """Decorates the function of a node so that the node itself says why it ended early.

    ComfyUI's browser hides the text of an error behind a click, and leaves the last line of progress standing.
    """

    @functools.wraps(function)
    async def telling(*args: Any, **inputs: Any) -> dict[str, Any]:
        try:
            return await function(*args, **inputs)
        except LumenfallError as error:
            host.say(host.current(), f"{error.message} {error.hint}".strip())
            raise
        except Exception as error:
            stopped = isinstance(error, type(host.current().interruption()))
            host.say(host.current(), "stopped" if stopped else f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            host.say(host.current(), "stopped")
            raise

    return telling


def model_names(*modes: Mode) -> list[str]:
    """Slugs for a node's menu, without touching the network. Never empty, and never raises for bad settings: a node
    whose menu fails would vanish from ComfyUI; the settings are complained of when it runs.
    """
    try:
        known = _catalogue().known()
    except (LumenfallError, ValueError):
        known = bundled()
    return known.names(*modes) or known.names("generate", "edit", "upscale", "variations")


async def list_models() -> ModelList:
    """The server's models if it answers, else those known, with the reason in ``failure``.

    Raises CredentialError without a key and AuthenticationFailed with a wrong one.
    """
    surroundings = host.current()
    server = resolve_server(surroundings.environ(), surroundings.data_dir())
    async with Client(server) as client:
        try:
            return await _catalogue().fresh(client)
        except AuthenticationFailed:
            raise
        except LumenfallError as error:
            return replace(_catalogue().known(), failure=error.message)


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
        self._failed = False
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
        host.say(self._host, _summary(deliveries))
        return deliveries

    def _tell(self, status: str | None) -> None:
        self._status = status
        host.say(self._host, self.doing())

    async def _one(self, client: Client, room: asyncio.Semaphore, request: ImageRequest, wire: WireRequest) -> Delivery:
        async with room:
            if self._failed:
                raise _Skipped
            started = time.monotonic()
            try:
                reply = await client.send(wire, wanted=lambda: not self._failed)
                if not reply.is_success:
                    raise error_for(reply.status, reply.headers, reply.body)
                delivery = await receive(client, reply, self._originals)
            except Exception:
                self._failed = True
                raise
            finally:
                self._done += 1
                self._tell(None)
        notes = [*wire.notes, *delivery.notes]
        asked = int(request.parameters.get("n", 1))
        if delivery.answer.entries < asked:
            notes.append(f"{asked} pictures were asked for, {delivery.answer.entries} came.")
        return replace(delivery, notes=tuple(notes), seconds=time.monotonic() - started)


class _Skipped(Exception):
    """Another request of the same node had failed before this one's turn came."""


_GRAVEST = (Charged.YES, Charged.UNKNOWN, Charged.NO)


def _all_or_error(outcomes: Sequence[Delivery | BaseException]) -> list[Delivery]:
    """The deliveries, if every request brought one. Else the error that may have cost most, which speaks for all."""
    deliveries = [outcome for outcome in outcomes if isinstance(outcome, Delivery)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, LumenfallError)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, (LumenfallError, _Skipped)):
            raise outcome
    if not errors:
        return deliveries
    gravest = min(errors, key=lambda error: _GRAVEST.index(error.charged))
    hints = [gravest.hint]
    hints += [f"Another request failed too: {error.message} {error.hint}" for error in errors if error is not gravest]
    if deliveries:
        kept = ", ".join(name for delivery in deliveries for name in delivery.originals)
        hints.append(
            f"{len(deliveries)} of the {len(outcomes)} requests of this node succeeded; "
            f"their pictures are kept in the originals folder: {kept}."
        )
        if any(delivery.answer.cost != 0 for delivery in deliveries):
            gravest.charged = Charged.YES
    skipped = len(outcomes) - len(deliveries) - len(errors)
    if skipped:
        hints.append(f"{skipped} of the requests {'was' if skipped == 1 else 'were'} not sent any more.")
    gravest.hint = " ".join(hint for hint in hints if hint)
    raise gravest


def _summary(deliveries: Sequence[Delivery]) -> str:
    cost, currency = total_cost(deliveries)
    seconds = max(delivery.seconds for delivery in deliveries)
    count = sum(len(delivery.pictures) for delivery in deliveries)
    price = "" if cost is None else f", {cost:.4g} {currency}"
    return f"{count} picture{'s' * (count != 1)} in {seconds:.0f} s{price}"
