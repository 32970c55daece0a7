"""One HTTP request and its answer, of which nothing that has arrived gets lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from .compression import unpack
from .credentials import Server


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, not understood yet. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    broken: str | None = None
    """Why the body is not whole, in a few words; None where it is."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class _TooLarge(Exception):
    pass


@dataclass
class _Arrival:
    response: httpx.Response | None = None
    body: bytearray = field(default_factory=bytearray)


async def exchange(
    client: httpx.AsyncClient, server: Server, method: str, url: str, *, deadline: float, limit: int, **content: Any
) -> Reply:
    """Send a request and take in what comes: for at most ``deadline`` seconds and ``limit`` bytes.

    Raises httpx.HTTPError, httpx.InvalidURL or asyncio.TimeoutError, but only before the headers have arrived.
    Whatever goes wrong later is named in the reply's ``broken``. The server's key is cut out of the reply.
    """
    arrival = _Arrival()
    broken = None
    try:
        request = client.build_request(method, url, **content)
        await asyncio.wait_for(_take_in(client, request, arrival, limit), deadline)
    except Exception as error:
        if arrival.response is None:
            raise
        broken = _reason(error, deadline, limit)
    response = arrival.response
    assert response is not None
    headers = {name.lower(): server.redact(value.encode()).decode() for name, value in response.headers.items()}
    body, fault = unpack(bytes(arrival.body), headers.get("content-encoding", ""), limit)
    return Reply(response.status_code, headers, server.redact(body), broken or fault)


async def _take_in(client: httpx.AsyncClient, request: httpx.Request, arrival: _Arrival, limit: int) -> None:
    response = await client.send(request, stream=True)
    arrival.response = response
    try:
        # Raw: httpx would drop everything where the compression is damaged.
        async for chunk in response.aiter_raw():
            arrival.body += chunk
            if len(arrival.body) > limit:
                raise _TooLarge
    finally:
        await response.aclose()


def _reason(error: Exception, deadline: float, limit: int) -> str:
    if isinstance(error, _TooLarge):
        return f"it is larger than {limit / 2**20:.4g} MiB"
    if isinstance(error, asyncio.TimeoutError):
        return f"it did not end within {deadline:.4g} s"
    if isinstance(error, httpx.TimeoutException):
        return "the rest did not come in time"
    return f"the connection broke ({cause(error)})"


def cause(error: BaseException) -> str:
    """An error of the network in a few words."""
    return str(error) or type(error).__name__
