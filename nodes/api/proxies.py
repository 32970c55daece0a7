"""Which way a request takes to its host: directly, or through a proxy."""

from __future__ import annotations

import base64
import functools
import re
import socket
import ssl
from collections.abc import Iterable
from urllib.parse import unquote
from urllib.request import getproxies

import httpx

from ..errors import InputError
from .addresses import address_of, is_loopback_host, is_own
from .no_proxy import NoProxy

_HOSTS_FILES = re.compile(r"(.+\.)?localhost\.localdomain|localhost[46](\.localdomain[46])?|ipv?6-(localhost|loopback)")
"""Names of this machine in the hosts files of Debian, Red Hat and SUSE, and those of systemd-resolved."""


_SHORTEST = 3


class Proxies:
    """The proxies of the environment, read once.

    What decides, first to last:

    1. A host on this machine is reached directly, whatever the environment says: by the names and addresses of
       :func:`is_loopback_host`, by any address that it has in a network, by what hosts files call it, and by its own
       name where that is a loopback address.
    2. So is what ``NO_PROXY`` names (:class:`NoProxy`).
    3. ``HTTP_PROXY`` or ``HTTPS_PROXY``, by the scheme of the address; else ``ALL_PROXY``. A value without a scheme
       is an http proxy, as curl and httpx have it.

    Lower case names win over upper case ones. Where no variable is set, the settings of Windows and macOS count, as
    ``urllib.request.getproxies`` reads them.
    """

    def __init__(self) -> None:
        found = getproxies()
        self._values = {scheme: found[scheme].strip() for scheme in ("http", "https", "all") if found.get(scheme)}
        self._secrets = _secrets(self._values.values())
        self._no_proxy = NoProxy(found.get("no", ""))
        # Once for each name, so that the way stays the same, and a slow resolver is waited for once.
        self._is_only_loopback = functools.cache(_is_only_loopback)
        self._is_own = functools.cache(is_own)

    def is_direct(self, url: httpx.URL) -> bool:
        if self._is_here(url.host) or self._variable(url.scheme) is None:
            return True
        return self._no_proxy.covers(url)

    def transport(self, scheme: str, tls: ssl.SSLContext, limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
        """Through the proxy for ``scheme``. Raises InputError where it cannot be used."""
        variable = self._variable(scheme)
        assert variable is not None
        value = _spelled(self._values[variable])
        try:
            proxy = httpx.Proxy(value)
            # httpx writes blanks as %20.
            port = 80 if proxy.url.port is None else proxy.url.port
            if not proxy.url.host or "%" in proxy.url.host or not 0 < port < 2**16:
                raise ValueError("no host, or no port")
            return httpx.AsyncHTTPTransport(verify=tls, limits=limits, proxy=proxy)
        except ImportError:
            problem = "is a SOCKS proxy, which needs another package"
            change = 'Run `pip install "httpx[socks]"` in ComfyUI\'s Python and start it again'
        except (httpx.InvalidURL, ValueError):
            # Never the value, nor what the library says of it: a password may stand in it.
            problem, change = "is not the address of a proxy", "Make it look like http://proxy.example.com:3128"
        name = f"{variable.upper()}_PROXY"
        raise InputError(
            f"The proxy settings of the environment cannot be used: {name} {problem}.",
            code="NETWORK_SETTINGS",
            hint=f"{change}, remove {name}, or name the server in NO_PROXY.",
        )

    def redact(self, content: bytes) -> bytes:
        """``content`` without the users and passwords of the proxies, should one quote them back."""
        for secret in self._secrets:
            content = content.replace(secret, b"***")
        return content

    def check(self, base_url: str, tls: ssl.SSLContext) -> None:
        """Raise InputError where a request to ``base_url``, or the download of what it makes, would have to take a
        proxy that cannot be used. A server that is reached directly is not held up by any.
        """
        if self._is_here(httpx.URL(base_url).host):
            return
        if self._values:
            self._no_proxy.check(httpx.URL(base_url))
        if not self.is_direct(httpx.URL(base_url)):
            for scheme in ("http", "https"):
                if self._variable(scheme):
                    self.transport(scheme, tls, httpx.Limits())

    def _is_here(self, host: str) -> bool:
        """This decides the way only. For what is trusted more than others, :func:`is_loopback_host` is the measure."""
        name = host.lower().removesuffix(".")
        if is_loopback_host(name) or _HOSTS_FILES.fullmatch(name):
            return True
        address = address_of(name)
        if address is not None:
            return self._is_own(address)
        own = socket.gethostname().lower()
        return name in (own, own.partition(".")[0]) and self._is_only_loopback(name)

    def _variable(self, scheme: str) -> str | None:
        return next((name for name in (scheme, "all") if self._values.get(name)), None)


_SOCKS = re.compile(r"socks(5h?)?://", re.IGNORECASE)


def _spelled(value: str) -> str:
    """The address of a proxy as httpx takes it: SOCKS is its version 5, and looks names up itself, however it is
    spelled. Without a scheme it is an http proxy.
    """
    return _SOCKS.sub("socks5://", value, count=1) if "://" in value else f"http://{value}"


def _secrets(values: Iterable[str]) -> list[bytes]:
    """Longest first, as what holds others must go as a whole; none so short that it stands in any text."""
    found = set()
    for value in values:
        user_and_password = value.rpartition("@")[0].rpartition("://")[2]
        user, _, password = user_and_password.partition(":")
        plain = f"{unquote(user)}:{unquote(password)}".encode()
        found |= {user.encode(), password.encode(), unquote(user).encode(), unquote(password).encode()}
        found.add(base64.b64encode(plain) if user_and_password else b"")
    return sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True)


def _is_only_loopback(name: str) -> bool:
    try:
        addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None)]
    except (OSError, UnicodeError):
        return False
    return bool(addresses) and all(is_loopback_host(address) for address in addresses)


PEER = "lumenfall_peer"
"""The name of a response's extension: the address that it came from, where no proxy was between."""


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
        way = self._way(request.url)
        response = await way.handle_async_request(_without_dot(request))
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream is not None and way is self._direct else None
        if peer:
            response.extensions[PEER] = str(peer[0]).partition("%")[0]
        return response

    async def aclose(self) -> None:
        for transport in (self._direct, *self._through.values()):
            await transport.aclose()

    def _way(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        if self._proxies.is_direct(url):
            return self._direct
        if url.scheme not in self._through:
            self._through[url.scheme] = self._proxies.transport(url.scheme, self._tls, self._limits)
        return self._through[url.scheme]


def _without_dot(request: httpx.Request) -> httpx.Request:
    """``request`` to the same name without the dot that ends a full one, and that no certificate has."""
    if not request.url.host.endswith("."):
        return request
    return httpx.Request(
        request.method,
        request.url.copy_with(host=request.url.host.rstrip(".")),
        headers=request.headers,  # Host among them, as it was written
        stream=request.stream,
        extensions=request.extensions,
    )
