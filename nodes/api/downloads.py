"""Fetching finished pictures by their address, going on where an earlier try ended.

The addresses come from an answer, so they are treated as somebody else's text: http(s) only, no private machine (which
is for :class:`Guarded`, the transport), few redirects, bounded bytes, and no API key, unless the server itself, at the
very origin that the key is bound to, refuses its own link without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
import tenacity

from ..errors import DownloadError
from .certificates import certificate_advice, is_of_certificates
from .credentials import Server
from .exchange import cause, packing, unpack
from .heads import mend
from .memory import Share

MAX_BYTES = 256 * 2**20
MAX_REDIRECTS = 4
DEADLINE = 600.0
"""Seconds for one try; the next goes on where it ended."""

LINK_EXPIRED = "LINK_EXPIRED"
LINK_REFUSED = "LINK_REFUSED"
"""As an expired link is too, by some stores; but a new one as well, until all of a store know it."""

LAG = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds to wait before a new link that is refused is tried once more."""

_POLL = 0.1
"""Seconds between two looks at whether anybody still has the patience."""

_now: Callable[[], float] = time.monotonic
_sleep = asyncio.sleep

_ATTEMPTS = 4
_backoff = tenacity.wait_exponential(multiplier=0.2, max=4.0) + tenacity.wait_random(0.0, 0.2)
_REDIRECTS = (301, 302, 303, 307, 308)
_REFUSED = (202, 403, 404)
"""202 where the picture is not made yet."""

_LOCKED = (401, 403)
_KEY = "Authorization"
_WHOLE = (200, 201, 203)
"""203 where a proxy has changed something (RFC 9110)."""
_PAST_CACHES = {"Cache-Control": "no-cache", "Pragma": "no-cache"}


class _Transient(Exception):
    """A failure that another try may mend; fetching a picture again costs nothing."""


@dataclass
class Meter:
    """Counts the bytes that downloads bring, and ends the one that would go beyond ``most``."""

    most: int | None = None
    count: int = 0

    def take(self, size: int) -> None:
        """Raises DownloadError."""
        self.count += size
        if self.most is not None and self.count > self.most:
            raise DownloadError(f"More than {self.most // 2**20} MiB came for the pictures of one request.")


async def download(
    client: httpx.AsyncClient,
    server: Server,
    url: str,
    path: Path,
    meter: Meter,
    share: Share | None = None,
    *,
    past_caches: bool = False,
    patient: Callable[[], bool] = lambda: False,
    tell: Callable[[str | None], None] = lambda _: None,
) -> bytes:
    """What ``url`` holds. Meanwhile it is also written to ``path``, and a beginning found there is continued.

    ``client`` must carry no Authorization header, and ask for no compression. Network failures, 408, 429 and 5xx are
    tried again; 403 and 404 too, with growing pauses that are told, as long as there is somebody ``patient``: not all
    of a store knows a new picture at once. ``past_caches`` asks caches on the way to let the request through. Raises
    DownloadError, with the code LINK_EXPIRED or LINK_REFUSED where the picture is gone, or may be. ``path`` stays,
    whatever happens, except where it holds more than MAX_BYTES.
    """
    url = _joined(server, url)
    partial = await asyncio.to_thread(Partial, path, MAX_BYTES)
    pauses = iter(LAG)
    try:
        while True:
            try:
                await _persistently(client, server, url, partial, meter, _PAST_CACHES if past_caches else {})
                with contextlib.ExitStack() as stack:
                    return await _unpacked(partial, share or stack.enter_context(Share()))
            except DownloadError as error:
                pause = next(pauses, None)
                if error.code != LINK_REFUSED or pause is None or not patient():
                    raise
                tell(f"the picture is not at its address yet, trying again in {math.ceil(pause)} s")
                has_waited = await _sat_out(pause, patient)
                tell(None)
                if not has_waited:
                    raise
    finally:
        partial.close()


async def _unpacked(partial: Partial, share: Share) -> bytes:
    encoding = packing(partial.encoding, bytes(partial.content[:3]))
    is_packed = encoding.strip().lower() not in ("", "identity")
    # While it is unpacked it is there twice, and nobody knows its size.
    await share.take(2 * MAX_BYTES if is_packed else len(partial.content))
    content = bytes(partial.content)
    if is_packed:
        content, _ = await asyncio.to_thread(unpack, content, encoding, MAX_BYTES)
    share.keep(len(content))
    return content


def _joined(server: Server, url: str) -> str:
    """A link that names no server, or no folder, is meant below the base URL. Raises DownloadError."""
    try:
        # Browsers leave the ends of lines out of one, too (WHATWG's URL, section 4.4).
        address = httpx.URL(f"{server.base_url}/").join(re.sub(r"[\t\r\n]", "", url.strip().strip("<>")))
    except httpx.InvalidURL:
        raise DownloadError("The address of the finished picture is not a web address.") from None
    return str(address)


async def _sat_out(seconds: float, patient: Callable[[], bool]) -> bool:
    """Wait for so long; whether there was the patience for all of it."""
    end = _now() + seconds
    while patient():
        left = end - _now()
        if left <= 0:
            return True
        await _sleep(min(left, _POLL))
    return False


async def _persistently(
    client: httpx.AsyncClient, server: Server, url: str, partial: Partial, meter: Meter, headers: Mapping[str, str]
) -> None:
    try:
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_Transient),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=_backoff,
            reraise=True,
        ):
            with attempt:
                await _in_time(client, server, url, partial, meter, headers)
                return
    except _Transient as error:
        raise DownloadError(
            f"The finished picture could not be fetched from {httpx.URL(url).host} ({error}).",
            hint="The download can be resumed: the server keeps the picture for about an hour.",
        ) from error
    raise AssertionError("unreachable: the loop returns or raises")


async def _in_time(
    client: httpx.AsyncClient, server: Server, url: str, partial: Partial, meter: Meter, headers: Mapping[str, str]
) -> None:
    try:
        await asyncio.wait_for(_fetch(client, server, url, partial, meter, headers), DEADLINE)
    except asyncio.TimeoutError:
        raise _Transient(f"it took longer than {DEADLINE:.4g} s") from None


async def _fetch(
    client: httpx.AsyncClient, server: Server, url: str, partial: Partial, meter: Meter, headers: Mapping[str, str]
) -> None:
    # Neither twice, nor for a link that others have led to.
    key = server.api_key if server.owns(url) else None
    for _ in range(MAX_REDIRECTS + 1):
        _check_scheme(url)
        try:
            asked = {**headers, **_range(partial)}
            async with client.stream(
                "GET", url, headers=asked, follow_redirects=False, extensions={"trace": mend}
            ) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = str(response.url.join(response.headers["location"]))
                    headers, key = {name: value for name, value in headers.items() if name != _KEY}, None
                    continue
                if response.status_code in _LOCKED and key:
                    headers, key = {**headers, _KEY: f"Bearer {key}"}, None
                    continue
                await _take_in(response, partial, meter)
                return
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if is_of_certificates(error):
                raise DownloadError(
                    f"The certificate of {httpx.URL(url).host}, where the finished picture is, is not accepted "
                    f"({cause(error)}).",
                    hint=certificate_advice(error),
                ) from error
            raise _Transient(type(error).__name__) from error
    raise DownloadError(f"The address of the finished picture redirects more than {MAX_REDIRECTS} times.")


OVERLAP = 512
"""Bytes that are fetched a second time where no ETag tells whether the picture is still the same file."""


def _resume_at(partial: Partial) -> int:
    return len(partial.content) if partial.etag else max(0, len(partial.content) - OVERLAP)


def _range(partial: Partial) -> dict[str, str]:
    """Ask for what is missing, and for everything if the picture is not the same any more."""
    start = _resume_at(partial)
    if not start:
        return {}
    headers = {"Range": f"bytes={start}-"}
    return {**headers, "If-Range": partial.etag} if partial.etag else headers


async def _take_in(response: httpx.Response, partial: Partial, meter: Meter) -> None:
    status, etag = response.status_code, _strong_etag(response)
    start, total = _content_range(response)
    if status in (408, 425, 429) or status >= 500:
        raise _Transient(f"status {status}")
    if status == 416 and partial.content:
        if total == len(partial.content):
            return
        partial.start_over()
        raise _Transient("its beginning on disk is not of the same file")
    if status == 206 and start is None and not partial.content:
        start = 0  # it was not asked for a part
    if status == 206 and (start != _resume_at(partial) or (partial.etag and etag != partial.etag)):
        partial.start_over()
        raise _Transient("another part came than was asked for")
    repeated = bytes(partial.content[start:]) if status == 206 else b""
    if status in _WHOLE:
        partial.start_over()
    elif status != 206:
        raise _refused(status)
    partial.etag = etag
    async for chunk in response.aiter_raw():
        meter.take(len(chunk))
        if repeated:
            known, repeated = repeated[: len(chunk)], repeated[len(chunk) :]
            if not chunk.startswith(known):
                partial.start_over()
                raise _Transient("its beginning is not of the same file")
            chunk = chunk[len(known) :]
        if len(partial.content) + len(chunk) > MAX_BYTES:
            partial.remove()
            raise DownloadError(f"The finished picture is larger than {MAX_BYTES // 2**20} MiB.")
        partial.append(chunk)
    if repeated or (status == 206 and total is not None and len(partial.content) < total):
        raise _Transient("only a part of it came")
    partial.encoding = response.headers.get("content-encoding", "")


def _strong_etag(response: httpx.Response) -> str | None:
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    """Where the part begins and how long the whole is; None for what is not said."""
    found = re.fullmatch(
        r"bytes (?:(\d{1,18})-\d+|\*)/(?:(\d{1,18})|\*)", response.headers.get("content-range", "").strip()
    )
    start, total = found.groups() if found else (None, None)
    return (None if start is None else int(start)), (None if total is None else int(total))


def _refused(status: int) -> DownloadError:
    return DownloadError(
        f"The address of the finished picture answered {status}.",
        code=LINK_EXPIRED if status == 410 else LINK_REFUSED if status in _REFUSED else None,
        hint="Links live for about an hour; after that the picture is gone from the server." if status == 410 else "",
    )


def _check_scheme(url: str) -> None:
    parts = httpx.URL(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise DownloadError(f"The address of the finished picture is not http or https but {parts.scheme!r}.")
    if parts.port is not None and not 0 < parts.port < 2**16:
        raise DownloadError(f"The address of the finished picture names port {parts.port}, which there is not.")


class Partial:
    """A download that is under way: the beginning of a file, with what an earlier process left of it, in memory and, as
    long as the disk goes along, in a file that outlives the process.

    No method raises OSError: a disk that fails is left alone, with a shorter beginning on it.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """``limit``: bytes above which an earlier beginning is not taken up."""
        self.content = bytearray()
        self.etag: str | None = None
        """Names the version of the file on the server, where this process was told."""
        self.encoding = ""
        """How the whole is packed, where it has come."""
        self._path = path
        self._file: BinaryIO | None = None
        self._disk_works = True
        try:
            if not path.is_file():
                # Nobody reads from a pipe what is written to it.
                path.unlink(missing_ok=True)
            elif path.stat().st_size <= limit:
                self.content += path.read_bytes()
        except OSError:
            self._disk_works = False

    def append(self, chunk: bytes) -> None:
        place = len(self.content)
        self.content += chunk
        if not self._disk_works:
            return
        try:
            if self._file is None:
                # Unbuffered, so that a killed process leaves all that came.
                self._file = self._path.open("r+b" if place else "wb", buffering=0)
                self._file.seek(place)
            # A full disk may take less than it is given; going on would leave a hole.
            self._disk_works = self._file.write(chunk) == len(chunk)
        except OSError:
            self._disk_works = False

    def start_over(self) -> None:
        """Forget everything; the file is emptied by the next byte."""
        self.close()
        self.content.clear()
        self.etag = None

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
