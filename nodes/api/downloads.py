"""Fetching finished pictures by their address, to disk.

The addresses come from an answer, so they are treated as somebody else's text: http(s) only, no private or
link-local machine, few redirects, bounded bytes, and never the API key.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from pathlib import Path

import httpx
import tenacity

from ..errors import DownloadError
from .credentials import Server

MAX_BYTES = 256 * 2**20
MAX_REDIRECTS = 4
_ATTEMPTS = 4
_REDIRECTS = (301, 302, 303, 307, 308)


class _Transient(Exception):
    """A failure that another try may mend; fetching a picture again costs nothing."""


async def download(client: httpx.AsyncClient, server: Server, url: str, path: Path) -> None:
    """Write what ``url`` holds to ``path``, whole or not at all.

    ``client`` must carry no Authorization header. Network failures and 5xx are tried again. Raises DownloadError.
    """
    url = str(httpx.URL(server.base_url).join(url)) if url.startswith("/") else url
    try:
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_Transient),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=0.2, max=4.0) + tenacity.wait_random(0.0, 0.2),
            reraise=True,
        ):
            with attempt:
                await _fetch(client, server, url, path)
    except _Transient as error:
        raise DownloadError(
            f"The finished picture could not be fetched from {httpx.URL(url).host} ({error}).",
            hint="It is kept on the server for about an hour.",
        ) from error


async def _fetch(client: httpx.AsyncClient, server: Server, url: str, path: Path) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        await _check_address(server, url)
        try:
            async with client.stream("GET", url, follow_redirects=False) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = str(response.url.join(response.headers["location"]))
                    continue
                if response.status_code in (408, 425, 429) or response.status_code >= 500:
                    raise _Transient(f"status {response.status_code}")
                if response.status_code != 200:
                    raise DownloadError(
                        f"The address of the finished picture answered {response.status_code}.",
                        hint="Links live for about an hour; after that the picture is gone from the server.",
                    )
                await _save(response, path)
                return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Transient(type(error).__name__) from error
    raise DownloadError(f"The address of the finished picture redirects more than {MAX_REDIRECTS} times.")


async def _save(response: httpx.Response, path: Path) -> None:
    partial = path.with_name(path.name + ".part")
    size = 0
    try:
        with partial.open("wb") as file:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise DownloadError(f"The finished picture is larger than {MAX_BYTES // 2**20} MiB.")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise DownloadError(
            f"The finished picture could not be written to disk ({error.strerror or type(error).__name__}).",
            hint="Its link lives on the server for about an hour.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


async def _check_address(server: Server, url: str) -> None:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise DownloadError("The address of the finished picture is not a web address.") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise DownloadError(f"The address of the finished picture is not http or https but {parts.scheme!r}.")
    if parts.host == httpx.URL(server.base_url).host:
        return
    for address in await _resolve(parts.host):
        if not address.is_global or address.is_multicast:
            raise DownloadError(f"The address of the finished picture, {parts.host}, is a private machine; refused.")


async def _resolve(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        # Behind a proxy names may resolve only there; a direct connection would fail by itself.
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
