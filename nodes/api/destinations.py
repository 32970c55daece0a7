"""Where downloads may lead, and connections to exactly the addresses that were checked.

Links come from an answer, so they may name any machine, by names whose addresses change from one look to the next.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
import ssl
import time

import httpx

from ..errors import DownloadError
from .addresses import PORTS, Address, address_of, is_loopback_host, is_own
from .credentials import Server
from .proxies import Proxies, Transport

LINK_PRIVATE = "LINK_PRIVATE"

_CARRYING_IPV4 = tuple(
    ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "::/96")
)
"""Networks whose last 32 bits are the IPv4 address that is reached in the end (RFC 6052, 4291, 7915)."""

_LOCAL_TRANSLATION = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215. Where in it the IPv4 address lies is each network's own choice, so that none of it can be checked."""

_NOBODYS = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # for protocols, no machine of anybody's (RFC 6890)
    ipaddress.IPv4Network("192.88.99.0/24"),  # the nearest relay to 6to4, once (RFC 7526)
    ipaddress.IPv4Network("168.63.129.16/32"),  # what each machine in Azure is managed by
    ipaddress.IPv6Network("fec0::/10"),  # site-local once, and still routed so by some (RFC 3879)
    ipaddress.IPv6Network("5f00::/16"),  # segments of somebody's own network (RFC 9602)
    ipaddress.IPv6Network("3fff::/20"),  # for documentation (RFC 9637)
)
"""Networks that are not public, whatever the version of Python knows of them."""

_ISATAP = (0x5EFE, 0x0200_5EFE)
"""What an interface's identifier begins with that ends in an IPv4 address (RFC 5214)."""

_STAND_INS = ipaddress.IPv4Network("198.18.0.0/15")
"""Set aside for measuring (RFC 2544). Tunnels that resolve names at their other end give these out for all names."""

_LOOPBACK: tuple[Address, ...] = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))

MOST_ADDRESSES = 20
"""How many of a name's addresses are tried."""

NEXT_AFTER = 0.25
"""Seconds for which an address may keep silent until the next one is tried beside it (RFC 8305, section 5)."""

CONNECT_WITHIN = 10.0
"""Seconds for all of them, where the request does not say."""


def is_public(address: Address) -> bool:
    """Whether the whole internet means the same machine by it; of an address that carries another one, that too."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _LOCAL_TRANSLATION or address.is_loopback or address.is_unspecified:
            return False
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network for network in _CARRYING_IPV4):
            return is_public(carried)
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(carried):
            return False
    if any(address in network for network in _NOBODYS):
        return False
    return address.is_global and not address.is_multicast


class Guarded(httpx.AsyncBaseTransport):
    """Sends requests to public machines, and to the one of ``server``; the names of it are as good as its addresses.
    A private machine is the server's only where its answers came from there, and none from the internet; where it has
    not been asked, only where its name has no public address.

    A name is looked up once for each connection, and what was found is what is connected to; Host and TLS still go by
    the name. Where a proxy leads there, the proxy looks names up, and only addresses are checked. Raises DownloadError,
    code LINK_PRIVATE, for all other machines.
    """

    def __init__(self, server: Server, proxies: Proxies, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._host = httpx.URL(server.base_url).host
        self._proxies = proxies
        self._tls = tls
        self._limits = limits
        self._through = Transport(proxies, tls, limits)
        # One for each name: a connection that was made for one must not serve another at the same address.
        self._direct: dict[str, httpx.AsyncHTTPTransport] = {}
        self._peers: set[Address] = set()
        self._found: list[Address] | None = None
        self._reached: dict[tuple[str, int | None], Address] = {}

    def met(self, peer: str | None) -> None:
        """An answer of the server came from this address."""
        address = address_of(peer or "")
        if address is not None:
            self._peers.add(address)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if ".." in host:
            raise DownloadError("The address of the finished picture is not a web address.")
        spelled = _spelled(host)
        is_here = self._is_here()
        if not self._proxies.is_direct(request.url) and not (is_here and spelled and all(map(is_own, spelled))):
            if spelled and host != self._host:
                await self._check(host, spelled, is_here)
            return await self._through.handle_async_request(request)
        addresses = spelled or await _resolve(host)
        if host == self._host:
            own = await self._own()
            addresses = [address for address in addresses if is_public(address) or address in own] or addresses
        await self._check(host, addresses, is_here)
        return await self._connected(request, in_turn(addresses)[:MOST_ADDRESSES])

    async def aclose(self) -> None:
        for transport in (self._through, *self._direct.values()):
            await transport.aclose()

    def _is_here(self) -> bool:
        """Whether the server is on this machine by what its address says: that a name leads here is somebody's word."""
        name = socket.gethostname().lower()
        address = address_of(self._host)
        return (
            is_loopback_host(self._host) or self._host in (name, f"{name}.local") or bool(address and is_own(address))
        )

    async def _check(self, host: str, addresses: list[Address], is_here: bool) -> None:
        private = [address for address in addresses if not is_public(address)]
        if all(is_here and is_own(address) for address in private):
            return
        own = await self._own()
        tunnelled = any(address in _STAND_INS for address in own)
        for address in private:
            if address not in own and not (tunnelled and address in _STAND_INS):
                raise DownloadError(
                    f"The address of the finished picture, {host}, is a private machine; refused.",
                    code=LINK_PRIVATE,
                    hint="If you trust this server, let its pictures come inside its answers: set response_format to "
                    "b64_json in Request Options.",
                )

    async def _own(self) -> set[Address]:
        """The private addresses of the server's machine."""
        if self._found is None:
            try:
                self._found = _spelled(self._host) or await _resolve(self._host)
            except httpx.ConnectError:
                self._found = []
        found = set() if any(map(is_public, self._found)) else set(self._found)
        return set() if any(map(is_public, self._peers)) else found | self._peers

    async def _connected(self, request: httpx.Request, addresses: list[Address]) -> httpx.Response:
        # Certificates are for names without the dot that ends a full one.
        name = request.url.raw_host.decode("ascii").rstrip(".")
        if name not in self._direct:
            self._direct[name] = httpx.AsyncHTTPTransport(verify=self._tls, limits=self._limits)
        place = (name, request.url.port)
        address = self._reached.get(place)
        if address not in addresses:
            address = addresses[0]
            if len(addresses) > 1:
                port = request.url.port or PORTS[request.url.scheme]
                patience = request.extensions.get("timeout", {}).get("connect") or CONNECT_WITHIN
                address = await _first_to_answer(addresses, port, patience)
            self._reached[place] = address
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=request.headers,  # Host among them
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": name},
        )
        try:
            return await self._direct[name].handle_async_request(pinned)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._reached.pop(place, None)
            raise


def in_turn(addresses: list[Address]) -> list[Address]:
    """Both families alternately, that of the first address first (RFC 8305, section 4)."""
    first = [address for address in addresses if address.version == addresses[0].version]
    others = [address for address in addresses if address.version != addresses[0].version]
    pairs = itertools.zip_longest(first, others)
    return [address for pair in pairs for address in pair if address is not None]


async def _first_to_answer(addresses: list[Address], port: int, patience: float) -> Address:
    """The first that can be connected to: one is tried after the other, beside those that keep silent. Raises
    httpx.ConnectError, or ConnectTimeout after ``patience`` seconds.
    """
    end = time.monotonic() + patience
    left = list(addresses)
    trying: set[asyncio.Task[Address]] = set()
    failure: BaseException | None = None
    try:
        while left or trying:
            if left:
                trying.add(asyncio.create_task(_tried(left.pop(0), port)))
            remaining = end - time.monotonic()
            if remaining <= 0:
                raise httpx.ConnectTimeout("")
            pause = min(NEXT_AFTER, remaining) if left else remaining
            done, trying = await asyncio.wait(trying, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            failures = {task: task.exception() for task in done}
            for task, failure in failures.items():
                if failure is None:
                    return task.result()
    finally:
        for task in trying:
            task.cancel()
    raise httpx.ConnectError(str(failure)) from failure


async def _tried(address: Address, port: int) -> Address:
    _, writer = await asyncio.open_connection(str(address), port)
    writer.close()
    return address


def _spelled(host: str) -> list[Address]:
    """The address that ``host`` spells, also with the dot that ends a full name; none of a name."""
    # In a URL, the % before a zone is written as %25 (RFC 6874).
    address = address_of(host.removesuffix(".").replace("%25", "%"))
    return [] if address is None else [address]


async def _resolve(host: str) -> list[Address]:
    """Each address once. Raises httpx.ConnectError where there is none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if is_loopback_host(host):
            return list(_LOOPBACK)
        raise httpx.ConnectError(str(error)) from error
    addresses = [address_of(str(entry[4][0]).partition("%")[0]) for entry in found]
    known = list(dict.fromkeys(address for address in addresses if address is not None))
    if not known:
        raise httpx.ConnectError("The name has no address.")
    return known
