"""The one door to the network."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import tenacity

from ..errors import AnswerError, Charged, ConnectionFailed, DownloadError, InputError, LumenfallError
from . import downloads, quiet_logs, request_log
from .base_urls import is_web_page, names_version, no_api
from .certificates import VARIABLES, certificate_advice, certificates, is_of_certificates
from .credentials import Server
from .destinations import Guarded
from .exchange import NotSent, Reply, cause, exchange, told_upload
from .long_texts import TooMuch
from .memory import Share
from .proxies import Proxies, Transport
from .refusals import PROXY_ADVICE, error_for
from .request_log import Logged
from .requests import WireRequest
from .responses import Balance, DryRun, read_balance, read_dry_run
from .retries import ATTEMPTS, Busy, pause, refused_for_now, worth_another_try
from .salvage import TOO_MUCH, read_json

TIMEOUT = httpx.Timeout(600.0, connect=10.0, pool=None)
"""Seconds. Slow models need minutes (documented 95th percentile: 7), so reading waits ten."""

FREE_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
"""Seconds, for what costs nothing and must not hold a run up: model list, schema, balance."""

MEDIA_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds without a byte of a finished picture; its link lives for an hour and may be fetched again."""

DEADLINE = 1200.0
"""Seconds for one paid exchange in all; without it an answer that only drips would never end."""

FREE_DEADLINE = 60.0
LOOK_UP_DEADLINE = 15.0
"""Seconds for all that the request log is asked about one request: an error waits for it."""

LONGEST_FETCH = 6 * 3600.0
"""Seconds for a download with all its tries, each of which has a limit of its own."""

MAX_ANSWER_BYTES = 512 * 2**20
"""Ten 4K pictures as base64 stay far below this."""

MAX_FREE_BYTES = 32 * 2**20
"""Of what holds no pictures."""

_KEPT = httpx.Limits(max_connections=100, max_keepalive_connections=20)
"""Those of httpx."""

USER_AGENT = "comfyui-lumenfall/0.1.0"
"""With the version that pyproject.toml names, which is not there to be read in every installation."""

log = logging.getLogger(__name__)

_warned: set[str] = set()
Next = Callable[[], Awaitable["str | None"]]


class Client:
    """Speaks to one server for the length of one ``async with``; nothing of it outlives the event loop.

    Proxies (:class:`Proxies` says which one when) and certificates (``certificates``) come from the environment.
    Raises InputError, code NETWORK_SETTINGS, where they cannot be used.
    ``on_status`` receives a short line when something other than waiting for the answer goes on, else None. ``meter``
    counts what downloads bring. Beyond ``deadline``, a time of :func:`time.monotonic`, nothing that is free is waited
    for.
    """

    def __init__(
        self,
        server: Server,
        on_status: Callable[[str | None], None] = lambda _: None,
        *,
        deadline: float = math.inf,
    ) -> None:
        self.server = server
        self.meter = downloads.Meter()
        self.dated: float | None = None
        """When the server answered last for nothing, by its own clock; None where it does not say."""
        self._deadline = deadline
        self._on_status = on_status
        if server.exposure and server.base_url not in _warned:
            _warned.add(server.base_url)
            log.warning(server.exposure)
        quiet_logs.install()
        # Uncompressed, what has arrived of a broken answer can be read, and a download be continued at any byte.
        plain = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        authorized = {**plain, "Authorization": f"Bearer {server.api_key}"} if server.api_key else plain
        self._compressed = {**authorized, "Accept-Encoding": "gzip, deflate"}
        # Paid calls never go over a kept connection, which the server may close just as the body leaves.
        fresh = httpx.Limits(max_keepalive_connections=0)
        # Redirects are never followed: they could carry the key, or a paid body, to another machine.
        try:
            tls = self._tls = certificates()
        except (OSError, ValueError) as error:
            raise InputError(
                f"The certificate settings of the environment cannot be used ({error}).",
                code="NETWORK_SETTINGS",
                hint=f"Check {', '.join(VARIABLES)}: a file or folder that is not there stops everything.",
            ) from error
        self._proxies = proxies = Proxies()
        proxies.check(server.base_url, tls)
        # With a transport of its own, httpx does not read the proxies of the environment.
        self._guarded = Guarded(server, proxies, tls, _KEPT)
        self._media = httpx.AsyncClient(headers=plain, timeout=MEDIA_TIMEOUT, transport=self._guarded)
        self._paid = httpx.AsyncClient(headers=authorized, timeout=TIMEOUT, transport=Transport(proxies, tls, fresh))
        self._clients = [self._media, self._paid]

    async def __aenter__(self) -> Client:
        quiet_logs.ours.set(True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        quiet_logs.ours.set(False)
        for client in self._clients:
            await client.aclose()

    @cached_property
    def _api(self) -> httpx.AsyncClient:
        """For what is free. Many purchases ask for nothing of that kind."""
        transport = Transport(self._proxies, self._tls, _KEPT)
        client = httpx.AsyncClient(headers=self._compressed, timeout=FREE_TIMEOUT, transport=transport)
        self._clients.append(client)
        return client

    async def send(
        self,
        request: WireRequest,
        wanted: Callable[[], bool] = lambda: True,
        trace_id: str | None = None,
        put_off: Callable[[Reply], Awaitable[Next]] | None = None,
    ) -> Reply:
        """Send a paid request and return the answer as it came, errors and broken ones included.

        Sent again only where nothing can have been made: the connection failed, or the server refused with 429,
        or with 503 and a code of its own that means the same; and only while ``wanted`` says so. ``trace_id`` (32
        hex digits) is what :meth:`look_up` finds the request by. ``put_off`` is given what refused the request, before
        the pause, and gives what after it names the ``trace_id`` of the next one, or None where there must be none.
        Raises ConnectionFailed, whose ``charged`` says what is known, where no answer began.
        """
        url = f"{self.server.base_url}/{request.path}"
        failure: Busy | NotSent | None = None
        following: Next | None = None
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(worth_another_try),
                stop=lambda state: state.attempt_number >= ATTEMPTS or not wanted(),
                wait=pause,
                before_sleep=self._tell_retry,
                reraise=True,
            ):
                with attempt:
                    if failure is not None and not wanted():
                        raise failure
                    if isinstance(failure, Busy) and following and (trace_id := await following()) is None:
                        return failure.reply
                    self._on_status(None)
                    try:
                        return await self._post(url, request, trace_id)
                    except (Busy, NotSent) as error:
                        failure = error
                        following = await put_off(error.reply) if isinstance(error, Busy) and put_off else None
                        raise
        except Busy as busy:
            return busy.reply
        except NotSent as error:
            raise self._unreachable(error) from error
        raise AssertionError("unreachable: the loop returns or raises")

    async def dry_run(self, request: WireRequest) -> DryRun:
        """Price of ``request`` by dry run, which makes nothing. Raises InputError for a flavour without it: another
        server would make the pictures and bill them; DryRunCharged where that has happened all the same.
        """
        self._require_native("dry run")
        url = f"{self.server.base_url}/{request.path}"
        reply = await self._free("POST", url, whole=False, params={"dryRun": "true"}, **request.content)
        return read_dry_run(reply.status, reply.headers, reply.body, reply.broken)

    async def balance(self) -> Balance:
        """Prepaid money left. Raises InputError for a flavour without it."""
        self._require_native("balance")
        reply = await self._free("GET", f"{self.server.native_url}/balance")
        return read_balance(reply.status, reply.headers, reply.body)

    async def get(self, path: str, **params: str) -> Any:
        """The JSON at ``path`` below the base URL, free of charge. Raises LumenfallError."""
        return await self._json(f"{self.server.base_url}/{path}", params or None)

    async def look_up(
        self,
        request_id: str | None,
        trace_id: str | None,
        since: float,
        refused: Sequence[str | None] = (),
        until: float | None = None,
        *,
        is_alone: bool = False,
    ) -> Logged | None:
        """What the server's log says of a request that was sent at ``since`` (unix time), free of charge; it was
        answered at ``until``, if ever.

        ``refused`` are the ids of the requests that were put off before it, with the same trace unless it ``is_alone``.
        None where the server has no such request, no log, or does not show all of them yet. Raises LumenfallError where
        the log cannot be asked now, or cannot be read.
        """
        if not self.server.flavour.native:
            return None
        asking = self._look_up(request_id, trace_id, since, refused, until, is_alone)
        try:
            return await asyncio.wait_for(asking, self._at_most(LOOK_UP_DEADLINE))
        except asyncio.TimeoutError as error:
            raise ConnectionFailed("The request log did not answer in time.", charged=Charged.NO) from error

    async def _look_up(
        self,
        request_id: str | None,
        trace_id: str | None,
        since: float,
        refused: Sequence[str | None],
        until: float | None,
        is_alone: bool,
    ) -> Logged | None:
        url, found, failure = self.server.native_url, None, None
        try:
            if request_id and request_id not in refused:
                found = await request_log.by_id(self._json, url, request_id)
        except ConnectionFailed:
            raise  # whoever does not answer would keep everybody waiting twice
        except LumenfallError as error:
            failure = error
        if trace_id and not (found and found.trace_id in (None, trace_id)):
            # An id that others have too is a server's that gives one to all of its attempts, or a proxy's.
            alone = None if is_alone else refused
            try:
                found = await request_log.by_trace(self._json, url, trace_id, since, alone, until) or found
            except LumenfallError:
                if found is None:
                    raise
        if found is None and failure is not None:
            raise failure
        return found

    async def download(
        self,
        url: str,
        partial: Path,
        share: Share | None = None,
        *,
        past_caches: bool = False,
        patient: Callable[[], bool] = lambda: False,
    ) -> bytes:
        """Fetch a finished picture, without the key. Raises DownloadError.

        What arrives is also written to ``partial``, and the next call with the same file goes on where it ends; the
        caller removes it. A disk that fails does not matter. What is returned counts in ``share``, until the caller
        gives that back. ``past_caches`` asks those on the way not to answer. A refused link is tried again after
        growing pauses, as long as there is somebody ``patient``.
        """
        try:
            fetching = downloads.download(
                self._media,
                self.server,
                url,
                partial,
                self.meter,
                share,
                past_caches=past_caches,
                patient=patient,
                tell=self._on_status,
            )
            return await asyncio.wait_for(fetching, self._at_most(LONGEST_FETCH))
        except asyncio.TimeoutError:
            raise DownloadError("The download took too long for now.") from None
        except InputError as error:
            # The picture's host needs a proxy that the server, reached directly, did not.
            raise DownloadError(error.message, code=error.code, hint=error.hint) from error
        except DownloadError as error:
            raise error.replaced(message=self._redact(error.message)) from error.__cause__

    def _at_most(self, seconds: float) -> float:
        return min(seconds, max(0.0, self._deadline - time.monotonic()))

    def met(self, peer: str | None) -> None:
        """Take in the address that an answer of the server came from, perhaps to an earlier process."""
        self._guarded.met(peer)

    def _redact(self, text: str) -> str:
        return self._proxies.redact(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def _without_secrets(self, reply: Reply) -> Reply:
        """Without what a proxy quotes of its credentials. Only where it is prose: a user's name may be a word of a
        picture's link, or the name of a field.
        """
        is_of_proxy = reply.status == 407 or "proxy-authenticate" in reply.headers
        if reply.is_success or (not is_of_proxy and reply.body[:100].lstrip()[:1] in (b"{", b"[")):
            return reply
        return replace(reply, body=self._proxies.redact(reply.body))

    def _require_native(self, what: str) -> None:
        if not self.server.flavour.native:
            raise InputError(f"{self.server.flavour.name} servers have no {what}.")

    async def _post(self, url: str, request: WireRequest, trace_id: str | None) -> Reply:
        is_traced = trace_id and self.server.flavour.native
        headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"} if is_traced else {}
        everything = {"headers": headers, **request.content}
        try:
            reply = await exchange(
                self._paid,
                self.server,
                "POST",
                url,
                deadline=DEADLINE,
                limit=MAX_ANSWER_BYTES,
                tell=lambda *sizes: self._on_status(told_upload(*sizes)),
                **everything,
            )
        except NotSent as error:
            if isinstance(error.__cause__, (httpx.ReadTimeout, asyncio.TimeoutError)):
                # A proxy that took its time over nothing; once is enough.
                raise self._unreachable(error) from error
            raise
        except (httpx.TimeoutException, asyncio.TimeoutError) as error:
            raise ConnectionFailed(
                "The server did not answer in time.", hint="Look the request up before you send it again."
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise ConnectionFailed(
                f"The connection broke before an answer came ({self._redact(cause(error))}).",
                hint="Look the request up before you send it again.",
            ) from error
        self.met(reply.peer)
        reply = self._without_secrets(reply)
        if refused_for_now(reply):
            raise Busy(reply)
        return reply

    async def _json(self, url: str, params: dict[str, str] | None) -> Any:
        reply = await self._free("GET", url, params=params)
        if reply.status != 200:
            error = error_for(reply.status, reply.headers, reply.body)
            raise error.replaced(message=self.server.without_key(error.message))  # JSON may spell it as escapes
        path = httpx.URL(url).path
        try:
            return read_json(reply.body)
        except TooMuch:
            raise AnswerError(f"{path} answered with {TOO_MUCH}.", charged=Charged.NO) from None
        except (ValueError, RecursionError):
            if is_web_page(reply.headers, reply.body) and not names_version(self.server.base_url):
                raise no_api(self.server.base_url) from None
            raise AnswerError(f"{path} answered with something that is not JSON.", charged=Charged.NO) from None

    async def _free(self, method: str, url: str, *, whole: bool = True, **content: Any) -> Reply:
        try:
            limit = MAX_FREE_BYTES if whole else MAX_ANSWER_BYTES
            seconds = self._at_most(FREE_DEADLINE)
            reply = await exchange(self._api, self.server, method, url, deadline=seconds, limit=limit, **content)
        except (NotSent, httpx.HTTPError, asyncio.TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        self.met(reply.peer)
        self.dated = reply.dated
        reply = self._without_secrets(reply)
        if reply.broken and whole:
            raise ConnectionFailed(f"The answer did not arrive whole ({reply.broken}).", charged=Charged.NO)
        return reply

    def _tell_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        reason = "the server is busy" if isinstance(error, Busy) else "no connection"
        seconds = state.next_action.sleep if state.next_action else 0.0
        self._on_status(f"{reason}, trying again in {math.ceil(seconds)} s")

    def _unreachable(self, error: Exception) -> ConnectionFailed:
        reason = self._redact(cause(error))
        usual = PROXY_ADVICE if reason.startswith("407") else "Check the network, the proxy settings and the base URL."
        hint = certificate_advice(error) if is_of_certificates(error) else usual
        host = httpx.URL(self.server.base_url).netloc.decode("ascii")
        return ConnectionFailed(f"{host} could not be reached ({reason}).", hint=hint, charged=Charged.NO)
