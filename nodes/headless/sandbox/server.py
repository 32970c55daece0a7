"""The HTTP server: routes, the life of one request, starting and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from decimal import Decimal
from typing import Any

from aiohttp import web

from . import log
from .answers import answer, paint
from .billing import Account, Charge, estimate
from .fault import Fault, page
from .faults import parse
from .log import Received
from .media import SHELF, Shelf
from .media_faults import redirect
from .models import Offer
from .refusal import Refusal
from .sending import STOPPING
from .validation import check

OPENAI_BASE = "/openai/v1"
NATIVE_BASE = "/v1"
GATEWAY_BASE = "/gateway/v1"
"""The same as any other server has it: for clients that ask Lumenfall's for more than OpenAI's API. Without the
version there are web pages, as gateways show them to browsers.
"""
LINK_LIFETIME = 3600.0  # seconds, as documented for media.lumenfall.ai
MAX_BODY = 1 << 30
SHUTDOWN_TIMEOUT = 1.0  # seconds that a request may still take when the sandbox stops

Handler = Callable[[web.Request, Received, Fault | None], Awaitable[web.Response]]


class Sandbox:
    """Lumenfall's image API on this machine.

    ``latency`` is the pause in seconds before each answer to a POST. ``api_key``: None accepts any key and none,
    otherwise only that key is accepted. ``link_lifetime`` is how many seconds a finished picture can be fetched.
    ``requests`` and ``account`` may be read at any time, ``latency`` and ``faults`` changed.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        faults: Iterable[Fault | str] = (),
        api_key: str | None = None,
        link_lifetime: float = LINK_LIFETIME,
    ) -> None:
        self.latency = latency
        self.faults: list[Fault] = []
        self.requests: list[Received] = []
        self.account = Account()
        self._api_key = api_key
        self._offer = Offer()
        self._shelf = Shelf(link_lifetime)
        self._runner: web.AppRunner | None = None
        self._serving: set[asyncio.Task[Any]] = set()
        self._origin = ""
        self.fail_next(*faults)

    @property
    def base_url(self) -> str:
        """Such as ``http://127.0.0.1:8189/openai/v1``."""
        if self._runner is None:
            raise RuntimeError("The sandbox is not running.")
        return self._origin + OPENAI_BASE

    @property
    def gateway_url(self) -> str:
        """Such as ``http://127.0.0.1:8189/gateway/v1``: nothing but OpenAI's API, as far as a client can tell."""
        return self.base_url.removesuffix(OPENAI_BASE) + GATEWAY_BASE

    @property
    def bill(self) -> list[Charge]:
        return self.account.bill

    @property
    def billed(self) -> Decimal:
        """USD in total."""
        return sum((charge.cost for charge in self.bill), Decimal(0))

    def fail_next(self, *faults: Fault | str) -> None:
        """Line up faults, each a :class:`Fault` or a ``NAME[:COUNT]``."""
        for fault in faults:
            self.faults.extend(parse(fault) if isinstance(fault, str) else [fault])

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Port 0 takes a free one. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=MAX_BODY)
        app[STOPPING] = asyncio.Event()
        app[SHELF] = self._shelf
        self._add_routes(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._origin = f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Let go of everything that hangs, finish what is being answered, close.

        Work whose client has left is finished and billed too, as a real gateway would; aiohttp does not wait for it.
        """
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.app[STOPPING].set()
            await runner.cleanup()
        if self._serving:
            await asyncio.wait(self._serving)
        # Connections that were just given up let go of their sockets in the next turn of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _add_routes(self, app: web.Application) -> None:
        openai: list[tuple[str, str, Handler]] = [
            ("POST", "images/generations", self._images),
            ("POST", "images/edits", self._images),
            ("POST", "images/variations", self._images),
            ("GET", "models", self._models),
            ("GET", "models/{id:.+}", self._model),
        ]
        native: list[tuple[str, str, Handler]] = [
            ("GET", "balance", self._balance),
            ("GET", "requests", self._requests),
            ("GET", "requests/{id}", self._request),
            ("DELETE", "requests/{id}/payloads", self._purge),
        ]
        for base, routes in ((OPENAI_BASE, openai), (GATEWAY_BASE, openai), (NATIVE_BASE, native)):
            for method, endpoint, handler in routes:
                name = endpoint.replace(":.+", "")
                app.router.add_route(method, f"{base}/{endpoint}", self._endpoint(name, handler))
        app.router.add_get("/media/{name}", self._endpoint("media/{name}", self._media))
        app.router.add_route("*", "/{anything:.*}", self._endpoint("", self._nowhere))

    def _endpoint(self, name: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A route's handler for aiohttp. Keeps track of what is in the air."""

        async def serve(request: web.Request) -> web.StreamResponse:
            task = asyncio.current_task()
            assert task is not None
            self._serving.add(task)
            try:
                return await self._serve(request, name, handler)
            finally:
                self._serving.discard(task)

        return serve

    async def _serve(self, request: web.Request, name: str, handler: Handler) -> web.StreamResponse:
        """The life of one request, whatever its handler does."""
        received = Received.from_request(request, name)
        self.requests.append(received)
        fault: Fault | None = None
        try:
            await received.read(request)
            self._authenticate(received)
            if request.method == "POST":
                await self._pause(request)
            fault = self._next_fault(received)
            if fault and fault.instead:
                response = fault.instead(fault, request)
                status = response.status if response.status >= 400 else None
                received.error = Refusal("UPSTREAM_ERROR", fault.about, status=status)
            else:
                response = await handler(request, received, fault)
        except Refusal as refusal:
            received.error = refusal
            response = refusal.answer()
            if fault and fault.billed:
                self.faults.insert(0, fault)
                fault = None
        return await self._send(request, received, response, fault)

    async def _send(
        self, request: web.Request, received: Received, response: web.Response, fault: Fault | None
    ) -> web.StreamResponse:
        received.finished = time.time()
        if fault and fault.spoil_text:
            response.text = fault.spoil_text(response.text or "")
        response.headers["X-Lumenfall-Provider"] = received.provider
        response.headers["X-Lumenfall-Model"] = received.model
        response.headers["X-Lumenfall-Request-Id"] = received.request_id
        if fault and fault.spoil_answer:
            response = fault.spoil_answer(response)
        if fault and fault.sending:
            return await fault.sending(request, response)
        received.status = response.status
        return response

    async def _pause(self, request: web.Request) -> None:
        if self.latency:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(request.app[STOPPING].wait(), self.latency)

    def _authenticate(self, received: Received) -> None:
        if self._api_key is None or received.endpoint.startswith("media/"):
            return
        scheme, _, key = received.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refusal("AUTHENTICATION_FAILED", "Send the API key as 'Authorization: Bearer <key>'.")
        if key != self._api_key:
            raise Refusal("AUTHENTICATION_FAILED", "The API key is not valid.")

    def _next_fault(self, received: Received) -> Fault | None:
        for place, fault in enumerate(self.faults):
            if received.endpoint.startswith(fault.endpoint) and not received.is_dry_run:
                return self.faults.pop(place)
        return None

    async def _images(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        order = await asyncio.to_thread(check, received, self._offer)
        if received.is_dry_run:
            return web.json_response(estimate(order.model.id, order.provider, order.model.cost, order.n))
        self.account.require(order.cost)
        files = await asyncio.to_thread(paint, order)
        received.cost = order.cost
        self.account.charge(received.request_id, order.cost)
        if fault and fault.spoil_files:
            files = fault.spoil_files(files)
        media_root = str(request.url.origin()) + "/media"
        return web.json_response(answer(order, files, received.request_id, self._shelf, media_root))

    async def _models(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        return web.json_response({"object": "list", "data": [model.listing() for model in self._offer.models]})

    async def _model(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        model, received.provider = self._offer.find(request.match_info["id"])
        received.model = model.id
        schema = {"schema": model.schema()} if received.query.get("schema") == "true" else {}
        return web.json_response(model.listing() | schema)

    async def _balance(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        return web.json_response(self.account.as_dict())

    def _logged(self) -> list[Received]:
        return [one for one in self.requests if one.endpoint.startswith("images/") and not one.is_dry_run]

    async def _requests(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        return web.json_response(log.page(self._logged(), received.query))

    async def _request(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        return web.json_response(log.find(self._logged(), request.match_info["id"]).entry())

    async def _purge(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        logged = log.find(self._logged(), request.match_info["id"])
        already, logged.purged = logged.purged, True
        deleted = self._shelf.purge(logged.request_id)
        body: dict[str, Any] = {"id": logged.request_id, "purged": True, "already_purged": already}
        return web.json_response(body | {"deleted_media_count": deleted})

    async def _media(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        return redirect(request) if "hop" in request.query else self._shelf.serve(request)

    async def _nowhere(self, request: web.Request, received: Received, fault: Fault | None) -> web.Response:
        if request.path.startswith("/gateway/"):
            return page(200, "A gateway")
        raise Refusal("NOT_FOUND", f"Invalid URL ({request.method} {request.path})")


@contextlib.contextmanager
def running(
    sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0, **options: Any
) -> Iterator[Sandbox]:
    """A sandbox that runs in a thread of its own for as long as the block lasts.

    Takes a :class:`Sandbox`, or the options to make one. Raises OSError when the port is taken.
    """
    sandbox = sandbox or Sandbox(**options)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        leave = asyncio.Event()
        try:
            await sandbox.start(host, port)
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result((asyncio.get_running_loop(), leave))
        try:
            await leave.wait()
        finally:
            await sandbox.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="lumenfall-sandbox", daemon=True)
    thread.start()
    try:
        loop, leave = started.result()
        try:
            yield sandbox
        finally:
            loop.call_soon_threadsafe(leave.set)
    finally:
        thread.join()
