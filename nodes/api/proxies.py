"""Which way a request takes to its host: directly, or through a proxy."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import ssl
from dataclasses import dataclass
from urllib.request import getproxies

import httpx

from ..errors import InputError
from .addresses import PORTS
from .flavours import address_of, is_loopback_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ENTRY = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?"
    r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>(?=[^:]*:[^:]*:)[0-9a-f:.]+|[^\[\]:/]+))"
    r"(?:/(?P<length>\d{1,3}))?(?::(?P<port>\d{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Exception:
    """One entry of NO_PROXY."""

    name: str | None
    """Of a host, or of the domain that it is in; with ``*`` a pattern. None where there is a ``network``."""
    network: Network | None
    port: int | None
    scheme: str | None

    def covers(self, url: httpx.URL) -> bool:
        if self.scheme not in (None, "all", url.scheme) or self.port not in (None, _port(url)):
            return False
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        if self.network is not None:
            address = address_of(host)
            return address is not None and address in self.network
        assert self.name is not None
        if "*" in self.name:
            return fnmatch.fnmatchcase(host, self.name)
        return host == self.name or host.endswith(f".{self.name}")


class Proxies:
    """The proxies of the environment, read once.

    What decides, first to last:

    1. A host on this machine (:func:`is_loopback_host`) is reached directly, whatever the environment says.
    2. So is what ``NO_PROXY`` names, in entries that commas or blanks separate: ``*`` for everything; a domain, with
       all that is below it, with or without a leading ``.`` or ``*.``; a name with ``*`` anywhere; an address or a
       range (``10.0.0.0/8``, ``fd00::/8``), IPv6 with or without brackets; each may be followed by ``:port`` and
       follow ``http://`` or ``https://``, and then is meant for these alone. Names are not looked up for this.
    3. ``HTTP_PROXY`` or ``HTTPS_PROXY``, by the scheme of the address; else ``ALL_PROXY``. A value without a scheme
       is an http proxy, as curl and httpx have it.

    Lower case names win over upper case ones. Where no variable is set, the settings of Windows and macOS count, as
    ``urllib.request.getproxies`` reads them.
    """

    def __init__(self) -> None:
        found = getproxies()
        self._values = {scheme: found[scheme].strip() for scheme in ("http", "https", "all") if found.get(scheme)}
        self._exceptions = re.split(r"[\s,]+", found.get("no", "").strip(" \t,"))

    def is_direct(self, url: httpx.URL) -> bool:
        """Raises InputError for a NO_PROXY that cannot be understood, where it matters."""
        if is_loopback_host(url.host) or self._variable(url.scheme) is None or "*" in self._exceptions:
            return True
        return any(_read(entry).covers(url) for entry in self._exceptions if entry)

    def transport(self, scheme: str, tls: ssl.SSLContext, limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
        """Through the proxy for ``scheme``. Raises InputError where it cannot be used."""
        variable = self._variable(scheme)
        assert variable is not None
        value = self._values[variable]
        try:
            proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
            # httpx writes blanks as %20.
            port = 80 if proxy.url.port is None else proxy.url.port
            if not proxy.url.host or "%" in proxy.url.host or not 0 < port < 2**16:
                raise ValueError("no host, or no port")
            return httpx.AsyncHTTPTransport(verify=tls, limits=limits, proxy=proxy)
        except ImportError:
            problem, change = "is a SOCKS proxy, which needs another package", "Run `pip install httpx[socks]`"
        except (httpx.InvalidURL, ValueError):
            # Never the value, nor what the library says of it: a password may stand in it.
            problem, change = "is not the address of a proxy", "Make it look like http://proxy.example.com:3128"
        name = f"{variable.upper()}_PROXY"
        raise InputError(
            f"The proxy settings of the environment cannot be used: {name} {problem}.",
            code="NETWORK_SETTINGS",
            hint=f"{change}, remove {name}, or name the server in NO_PROXY.",
        )

    def check(self, base_url: str, tls: ssl.SSLContext) -> None:
        """Raise InputError where a request to ``base_url``, or the download of what it makes, would have to take a
        proxy that cannot be used. A server that is reached directly is not held up by any.
        """
        if is_loopback_host(httpx.URL(base_url).host):
            return
        if self._values:
            # All of them: the pictures may lie at any host.
            for entry in self._exceptions:
                if entry != "*" and entry:
                    _read(entry)
        if not self.is_direct(httpx.URL(base_url)):
            for scheme in ("http", "https"):
                if self._variable(scheme):
                    self.transport(scheme, tls, httpx.Limits())

    def _variable(self, scheme: str) -> str | None:
        return next((name for name in (scheme, "all") if self._values.get(name)), None)


class Transport(httpx.AsyncBaseTransport):
    """Sends each request the way that ``proxies`` choose for its address: redirects and downloads too.

    Raises InputError for an address whose proxy cannot be used.
    """

    def __init__(self, proxies: Proxies, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._proxies = proxies
        self._tls = tls
        self._limits = limits
        self._direct = httpx.AsyncHTTPTransport(verify=tls, limits=limits)
        self._through: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._way(request.url).handle_async_request(request)

    async def aclose(self) -> None:
        for transport in (self._direct, *self._through.values()):
            await transport.aclose()

    def _way(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        if self._proxies.is_direct(url):
            return self._direct
        if url.scheme not in self._through:
            self._through[url.scheme] = self._proxies.transport(url.scheme, self._tls, self._limits)
        return self._through[url.scheme]


def _read(entry: str) -> _Exception:
    """Raises InputError for what is no entry of NO_PROXY."""
    parts = _ENTRY.fullmatch(entry)
    try:
        if parts is None:
            raise ValueError("not a host")
        text = parts["bracketed"] or parts["plain"]
        port = int(parts["port"]) if parts["port"] else None
        scheme = parts["scheme"].lower() if parts["scheme"] else None
        address = address_of(text)
        if address is not None:
            length = parts["length"] or address.max_prefixlen
            return _Exception(None, ipaddress.ip_network(f"{address}/{length}", strict=False), port, scheme)
        if parts["length"] or parts["bracketed"]:
            raise ValueError("a range of what is no address")
        return _Exception(_name(text), None, port, scheme)
    except (httpx.InvalidURL, ValueError):
        raise InputError(
            f"NO_PROXY of the environment has an entry that cannot be understood: {entry}",
            code="NETWORK_SETTINGS",
            hint="Entries look like example.com, example.com:8080, 10.0.0.0/8 or [::1], with commas between them.",
        ) from None


def _name(text: str) -> str:
    """As it stands in an address on the wire. Raises httpx.InvalidURL or ValueError for what is no name."""
    name = text.lower().strip(".")
    name = name.removeprefix("*.") if name.count("*") == 1 else name
    if not name.isascii():
        name = httpx.URL(f"http://{name}").raw_host.decode("ascii")
    if not re.fullmatch(r"[a-z0-9_*-]+(\.[a-z0-9_*-]+)*", name):
        raise ValueError("not a name")
    return name


def _port(url: httpx.URL) -> int | None:
    return url.port or PORTS.get(url.scheme)
