"""Which way a request takes to its host: directly, or through a proxy.

There is no standard for NO_PROXY. Names are read as curl and Go have them, shortened IPv4 addresses and ranges as
macOS does (and Python's ``urllib.request`` there). What tools disagree on, or do not know, is passed over, as most of
them do; where it may be meant for the server, whose key would come to a proxy by that, it is refused, not guessed.
"""

from __future__ import annotations

import base64
import fnmatch
import functools
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote
from urllib.request import getproxies

import httpx

from ..errors import InputError
from .addresses import PORTS, address_of, is_loopback_host, is_own

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


log = logging.getLogger(__name__)

_warned: set[str] = set()

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ENTRY = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?"
    r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>(?=[^:]*:[^:]*:)[0-9a-f:.]+(?:%[\w.~-]+)?|[^\[\]:/]+))"
    r"(?:/(?P<length>[0-9]{1,3}))?(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_NUMBER = r"(?:0|[1-9][0-9]{0,2})"
"""Without leading zeros, which are octal to some."""
_ADDRESS = rf"{_NUMBER}(?:\.{_NUMBER}){{3}}"
_RANGE = re.compile(rf"(?P<first>{_ADDRESS})-(?P<last>{_ADDRESS})")
_SHORTENED = re.compile(rf"(?P<numbers>{_NUMBER}(?:\.{_NUMBER}){{0,3}})(?P<dot>\.?)")


class NoProxy:
    """``value``: entries that commas or blanks separate. Each is

    - ``*``, for everything;
    - a domain, with all that is below it, with or without a leading ``.`` or ``*.``; or a name with ``*`` anywhere;
    - an address, IPv6 with or without brackets and zone;
    - a range of addresses: ``10.0.0.0/8``, ``fd00::/8``, shortened ``10.1/16``, by its first numbers ``10.1.`` or
      ``10.1``, or by its ends ``10.0.0.1-10.0.0.9``.

    It may be followed by ``:port`` and follow ``http://`` or ``https://``, and then is meant for these alone. Names are
    not looked up for this.
    """

    def __init__(self, value: str) -> None:
        # A lone dot is what remains of .$DOMAIN where there is no domain.
        self._texts = [text for text in re.split(r"[\s,]+", value) if text not in ("", ".")]
        self._entries: list[_Entry] = []
        self._odd: list[int] = []
        """Which of the texts cannot be understood."""
        for position, text in enumerate(self._texts):
            try:
                self._entries.append(_read(text))
            except (httpx.InvalidURL, ValueError):
                self._odd.append(position)

    @property
    def is_everything(self) -> bool:
        return "*" in self._texts

    def covers(self, url: httpx.URL) -> bool:
        return self.is_everything or any(entry.covers(url) for entry in self._entries)

    def check(self, url: httpx.URL) -> None:
        """Raises InputError for an entry that cannot be understood, and may be meant for ``url``. The others are named
        in the log, once.
        """
        if self.covers(url):
            return
        for position in self._odd:
            shown = self._shown(position)
            # A password that has come here belongs to the proxy's own address, whatever server is asked.
            if "@" in self._texts[position] or _may_mean(self._texts[position], url):
                raise InputError(
                    f"NO_PROXY of the environment has an entry that cannot be understood: {shown}",
                    code="NETWORK_SETTINGS",
                    hint="Entries look like example.com, example.com:8080, 10.0.0.1, 10.0.0.0/8, 192.168.* or [::1], "
                    "with commas between them; * alone means every server.",
                )
            if shown not in _warned:
                _warned.add(shown)
                log.warning("NO_PROXY of the environment has an entry that is passed over, as it means none: %s", shown)

    def _shown(self, position: int) -> str:
        """Without a password, which may have been cut in two by a comma of its own."""
        text = self._texts[position]
        if "@" in text:
            return f"...@{text.rpartition('@')[2]}, which needs no user and password"
        return f"number {position + 1}" if any("@" in later for later in self._texts[position:]) else text


_NUMBERS = re.compile(r"[\da-fx.:;/*%\[\]-]+", re.IGNORECASE)


def _may_mean(text: str, url: httpx.URL) -> bool:
    """Whether somebody may have meant the host of ``url`` by ``text``, which is no entry: one of its domains stands in
    it, or both are numbers.
    """
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    if address_of(host.partition("%")[0]) is not None:
        return _NUMBERS.fullmatch(text) is not None
    if text.lower() == "<local>":
        return "." not in host
    names = (name.strip(".") for name in re.split(r"[^\w.*-]+", re.sub(r":\*?$", "", text.lower())))
    return any(
        name and (f".{host}".endswith(f".{name}") or ("*" in name and fnmatch.fnmatchcase(host, name)))
        for name in names
    )


@dataclass(frozen=True)
class _Entry:
    name: str | None
    """Of a host, or of the domain that it is in; with ``*`` a pattern. None where there are ``networks``."""
    networks: tuple[Network, ...]
    zone: str
    """Of an IPv6 address; empty for any."""
    port: int | None
    scheme: str | None

    def covers(self, url: httpx.URL) -> bool:
        if self.scheme not in (None, "all", url.scheme) or self.port not in (None, url.port or PORTS.get(url.scheme)):
            return False
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        if self.name is None:
            plain, _, zone = host.partition("%")
            address = address_of(plain)
            return (
                address is not None
                and self.zone in ("", _zone(zone))
                and any(address in network for network in self.networks)
            )
        if "*" in self.name:
            return fnmatch.fnmatchcase(host, self.name)
        return host == self.name or host.endswith(f".{self.name}")


def _read(text: str) -> _Entry:
    """Raises httpx.InvalidURL or ValueError for what is no entry."""
    parts = _ENTRY.fullmatch(text)
    if parts is None:
        raise ValueError("not a host")
    host, percent, zone = (parts["bracketed"] or parts["plain"]).partition("%")
    if percent and not (zone and ":" in host):
        raise ValueError("a zone of what is no IPv6 address")
    networks = _networks(host, parts["length"])
    if not networks and (parts["length"] or parts["bracketed"]):
        raise ValueError("a range of what is no address")
    name = None if networks else _name(host)
    port = int(parts["port"]) if parts["port"] else None
    if port is not None and not 0 < port < 2**16:
        raise ValueError("not a port")
    return _Entry(name, networks, _zone(zone), port, parts["scheme"] and parts["scheme"].lower())


def _zone(text: str) -> str:
    """As systems write it: in a URL its ``%`` is ``%25`` (RFC 6874)."""
    return (text.removeprefix("25") or text).lower()


def _networks(text: str, length: str | None) -> tuple[Network, ...]:
    """The addresses that an entry means; empty for a name. Raises ValueError for numbers that are no address."""
    if ":" in text:
        address = ipaddress.IPv6Address(text)
        bits = 128 if length is None else int(length)
        if address.ipv4_mapped:
            if bits < 96:
                raise ValueError("may be meant as a length of the IPv4 address")
            return (ipaddress.ip_network(f"{address.ipv4_mapped}/{bits - 96}", strict=False),)
        return (ipaddress.ip_network(f"{address}/{bits}", strict=False),)
    ends = _RANGE.fullmatch(text)
    if ends and length is None:
        first, last = (ipaddress.IPv4Address(ends[end]) for end in ("first", "last"))
        return tuple(ipaddress.summarize_address_range(first, last))
    shortened = _SHORTENED.fullmatch(text)
    if shortened is None:
        return ()
    numbers = shortened["numbers"].split(".")
    if len(numbers) == 1 and length is None and not shortened["dot"]:
        raise ValueError("a number may mean anything")
    base = ".".join([*numbers, "0", "0", "0"][:4])
    return (ipaddress.ip_network(f"{base}/{8 * len(numbers) if length is None else length}", strict=False),)


def _name(text: str) -> str:
    """As it stands in an address on the wire. Raises httpx.InvalidURL or ValueError for what is no name."""
    name = text.lower().strip(".")
    name = name.removeprefix("*.") if name.count("*") == 1 else name
    if any(letter.isascii() and not (letter.isalnum() or letter in "-._*") for letter in name):
        raise ValueError("not a name")
    if not name.isascii():
        name = httpx.URL(f"http://{name}").raw_host.decode("ascii")
    if not re.fullmatch(r"[a-z0-9_*-]+(\.[a-z0-9_*-]+)*", name):
        raise ValueError("not a name")
    if name == "*" != text:
        raise ValueError("everything, by a dot too many")
    if "*" not in text and (re.fullmatch(r"[0-9]+|[0-9-]*\.[0-9.-]*", name) or address_of(name) is not None):
        raise ValueError("numbers, but no address")
    return name
