"""What the environment wants reached without its proxy: the entries of NO_PROXY.

There is no standard. Names are read as curl and Go have them, shortened IPv4 addresses and ranges as macOS does (and
Python's ``urllib.request`` there). What tools disagree on, or do not know, is passed over, as most of them do; where it
may be meant for the server, whose key would come to a proxy by that, it is refused rather than guessed.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import logging
import re
from dataclasses import dataclass

import httpx

from ..errors import InputError
from .addresses import PORTS, address_of

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
