"""The one door to the network."""

from __future__ import annotations

import email.utils
import json
import logging
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import tenacity

from ..errors import AnswerError, Charged, ConnectionFailed, InputError, InsufficientBalance
from . import downloads
from .credentials import Server
from .refusals import error_for
from .requests import WireRequest
from .responses import Balance, Estimate, read_balance, read_estimate

TIMEOUT = httpx.Timeout(600.0, connect=10.0, pool=None)
"""Seconds. Slow models need minutes (documented 95th percentile: 7), so reading waits ten."""

FREE_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
"""Seconds, for what costs nothing and must not hold a run up: model list, schema, balance."""

MEDIA_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds without a byte of a finished picture; its link lives for an hour and may be fetched again."""

MAX_ANSWER_BYTES = 512 * 2**20
"""Ten 4K pictures as base64 stay far below this."""

ATTEMPTS = 4
LONGEST_RETRY_AFTER = 60.0
"""Seconds. A server that asks for more gets an error instead of a node that seems to hang."""

USER_AGENT = "comfyui-lumenfall/0.1"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, whole but not understood yet. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class _NotSent(Exception):
    """The connection failed before anything left this machine."""


class _Busy(Exception):
    """The server refused for now and said so; nothing was made."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")

    @property
    def wait(self) -> float | None:
        """Seconds that Retry-After asks for, given as a number or a date."""
        value = self.reply.headers.get("retry-after", "")
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None


_ours: ContextVar[bool] = ContextVar("lumenfall_http", default=False)


class _Discreet(logging.Filter):
    """Drops httpx's line for each of our requests: it holds the links to finished pictures, which need no key,
    and ComfyUI serves its log to everybody.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


_discreet = _Discreet()
# httpcore says the same, and where redirects lead to, when logging is at DEBUG.
_NETWORK_LOGS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


class Client:
    """Speaks to one server for the length of one ``async with``; nothing of it outlives the event loop.

    Proxies and certificates come from the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).
    ``on_status`` receives a short line when something other than waiting for the answer goes on, else None.
    """

    def __init__(self, server: Server, on_status: Callable[[str | None], None] = lambda _: None) -> None:
        self.server = server
        self._on_status = on_status
        for name in _NETWORK_LOGS:
            logging.getLogger(name).addFilter(_discreet)
        headers = {"User-Agent": USER_AGENT}
        authorized = {**headers, "Authorization": f"Bearer {server.api_key}"} if server.api_key else headers
        # Paid calls never go over a kept connection, which the server may close just as the body leaves.
        fresh = httpx.Limits(max_keepalive_connections=0)
        # Redirects are never followed: they could carry the key, or a paid body, to another machine.
        try:
            self._media = httpx.AsyncClient(headers=headers, timeout=MEDIA_TIMEOUT)
            self._api = httpx.AsyncClient(headers=authorized, timeout=FREE_TIMEOUT)
            self._paid = httpx.AsyncClient(headers=authorized, timeout=TIMEOUT, limits=fresh)
        except (ImportError, OSError, ValueError) as error:
            raise InputError(
                f"The proxy or certificate settings of the environment cannot be used ({error}).",
                code="NETWORK_SETTINGS",
                hint="Check HTTPS_PROXY, ALL_PROXY (SOCKS needs `pip install httpx[socks]`) and SSL_CERT_FILE.",
            ) from error

    async def __aenter__(self) -> Client:
        _ours.set(True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ours.set(False)
        await self._api.aclose()
        await self._paid.aclose()
        await self._media.aclose()

    async def send(self, request: WireRequest, wanted: Callable[[], bool] = lambda: True) -> Reply:
        """Send a paid request and return the answer as it came, errors included.

        Sent again only where nothing can have been made: the connection failed, or the server refused with 429,
        or with 503 and a code of its own that means the same; and only while ``wanted`` says so. Raises
        ConnectionFailed, whose ``charged`` says what is known.
        """
        url = f"{self.server.base_url}/{request.path}"
        failure: _Busy | _NotSent | None = None
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(_worth_another_try),
                stop=lambda state: state.attempt_number >= ATTEMPTS or not wanted(),
                wait=_pause,
                before_sleep=self._tell_retry,
                reraise=True,
            ):
                with attempt:
                    if failure is not None and not wanted():
                        raise failure
                    self._on_status(None)
                    try:
                        return await self._post(url, request)
                    except (_Busy, _NotSent) as error:
                        failure = error
                        raise
        except _Busy as busy:
            return busy.reply
        except _NotSent as error:
            raise self._unreachable(error) from error
        raise AssertionError("unreachable: the loop returns or raises")

    async def estimate(self, request: WireRequest) -> Estimate:
        """Price of ``request`` by dry run, which makes nothing. Raises InputError for a flavour without it: another
        server would make the pictures and bill them.
        """
        self._require_native("dry run")
        url = f"{self.server.base_url}/{request.path}"
        reply = await self._free("POST", url, params={"dryRun": "true"}, **request.content)
        return read_estimate(reply.status, reply.headers, reply.body)

    async def balance(self) -> Balance:
        """Prepaid money left. Raises InputError for a flavour without it."""
        self._require_native("balance")
        reply = await self._free("GET", f"{self.server.native_url}/balance")
        return read_balance(reply.status, reply.headers, reply.body)

    async def get(self, path: str, **params: str) -> Any:
        """The JSON at ``path`` below the base URL, free of charge. Raises ApiError or AnswerError."""
        reply = await self._free("GET", f"{self.server.base_url}/{path}", params=params)
        if reply.status != 200:
            raise error_for(reply.status, reply.headers, reply.body)
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError):
            raise AnswerError(f"{path} answered with something that is not JSON.", charged=Charged.NO) from None

    async def download(self, url: str, path: Path) -> None:
        """Fetch a finished picture to ``path``, without the key. Raises DownloadError."""
        await downloads.download(self._media, self.server, url, path)

    def _require_native(self, what: str) -> None:
        if not self.server.flavour.native:
            raise InputError(f"{self.server.flavour.name} servers have no {what}.")

    async def _post(self, url: str, request: WireRequest) -> Reply:
        try:
            reply = await self._exchange(self._paid, "POST", url, **request.content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.InvalidURL) as error:
            raise _NotSent(_cause(error)) from error
        except httpx.TimeoutException as error:
            raise ConnectionFailed(
                "The server did not answer in time.", hint="Look the request up before you send it again."
            ) from error
        except httpx.DecodingError as error:
            raise ConnectionFailed(
                f"The answer came compressed in a way that cannot be undone ({_cause(error)}).",
                hint="Look the request up before you send it again.",
            ) from error
        except httpx.HTTPError as error:
            raise ConnectionFailed(
                f"The connection broke before the answer was complete ({_cause(error)}).",
                hint="Look the request up before you send it again.",
            ) from error
        if _refused_for_now(reply):
            raise _Busy(reply)
        return reply

    async def _free(self, method: str, url: str, **content: Any) -> Reply:
        try:
            return await self._exchange(self._api, method, url, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    async def _exchange(self, client: httpx.AsyncClient, method: str, url: str, **content: Any) -> Reply:
        async with client.stream(method, url, **content) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerError(f"The answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB.")
            redact = self.server.redact
            headers = {name.lower(): redact(value.encode()).decode() for name, value in response.headers.items()}
            return Reply(response.status_code, headers, redact(bytes(body)))

    def _tell_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        reason = "the server is busy" if isinstance(error, _Busy) else "no connection"
        seconds = state.next_action.sleep if state.next_action else 0.0
        self._on_status(f"{reason}, trying again in {math.ceil(seconds)} s")

    def _unreachable(self, error: Exception) -> ConnectionFailed:
        cause = _cause(error)
        hint = "Check the network, the proxy settings and the base URL."
        if "CERTIFICATE" in cause.upper():
            hint = "Behind a company's proxy, point SSL_CERT_FILE at its certificate."
        host = httpx.URL(self.server.base_url).netloc.decode("ascii")
        return ConnectionFailed(f"{host} could not be reached ({cause}).", hint=hint, charged=Charged.NO)


def _worth_another_try(error: BaseException) -> bool:
    if isinstance(error, _Busy):
        return (error.wait or 0.0) <= LONGEST_RETRY_AFTER
    return isinstance(error, _NotSent)


_backoff = tenacity.wait_exponential(multiplier=0.5, max=8.0) + tenacity.wait_random(0.0, 0.5)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _Busy) else None
    return _backoff(state) if asked is None else asked


def _refused_for_now(reply: Reply) -> bool:
    """Whether the server says that it has not begun: 429, or 503 with a code of its own that means the same."""
    if reply.status not in (429, 503):
        return False
    error = error_for(reply.status, reply.headers, reply.body)
    return error.charged is Charged.NO and not isinstance(error, InsufficientBalance)


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
