"""Addresses: which are this machine's, and which spellings mean the same server."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache
from urllib.parse import quote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_KEPT = 32
"""Addresses that are not taken apart again: each call looks for calls at all spellings of its server's."""

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Other names and addresses of this machine may be other servers: ``a.localhost``, 127.0.0.2."""


def is_loopback(base_url: str) -> bool:
    """Whether the server is on this machine."""
    return is_loopback_host(urlsplit(base_url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Whether ``host``, a name or an address without brackets, means this machine wherever it is read: 127.0.0.0/8,
    ::1, both also as IPv4-mapped; ``localhost`` and what is below it (RFC 6761); and the unspecified address, which
    servers print and systems take for this machine.

    A name that merely resolves to such an address is somebody else's word, and does not count.
    """
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = address_of(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


@lru_cache(_KEPT)
def address_of(host: str) -> Address | None:
    """The address that ``host`` spells, an IPv4-mapped one as the IPv4 that it is; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return getattr(address, "ipv4_mapped", None) or address
    try:
        # 127.1 and 0x7f000001, which resolvers take for addresses as well.
        return ipaddress.IPv4Address(socket.inet_aton(host)) if re.fullmatch(r"[0-9a-fxA-FX.]+", host) else None
    except OSError:
        return None


def is_own(address: Address) -> bool:
    """Whether it is an address of this machine: only to such does it speak under the same address. Nothing is sent."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address)
    except OSError:
        return False


@lru_cache(_KEPT)
def canonical(base_url: str) -> str:
    """One spelling for all that mean the same server: lower case, no port that goes without saying, ``localhost`` for
    this machine, and the path as :func:`_plain_path` writes it.
    """
    host = _host(base_url)
    return _spelled(base_url, "localhost" if host in _LOOPBACK else host, _plain_path(urlsplit(base_url).path))


@lru_cache(_KEPT)
def formerly_canonical(base_url: str) -> str:
    """What :func:`canonical` was while paths counted as they were written."""
    host = _host(base_url)
    return _spelled(base_url, "localhost" if host in _LOOPBACK else host, urlsplit(base_url).path)


@lru_cache(_KEPT)
def spellings(base_url: str) -> tuple[str, ...]:
    """``base_url`` as it is, and as others may have written it."""
    host = _host(base_url)
    hosts = _LOOPBACK if host in _LOOPBACK else (host,)
    path = urlsplit(base_url).path
    paths = dict.fromkeys((path, _plain_path(path)))
    return tuple(dict.fromkeys([base_url, *(_spelled(base_url, other, each) for each in paths for other in hosts)]))


def _host(base_url: str) -> str:
    """In lower case, an IPv6 address in brackets."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    return f"[{host}]" if ":" in host else host


def _spelled(base_url: str, host: str, path: str) -> str:
    parts = urlsplit(base_url)
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{path.rstrip('/')}"


def _plain_path(path: str) -> str:
    """``path`` without what changes nothing (RFC 3986, section 6.2.2): percent signs before what needs none, dots for
    this folder and the one above; nor doubled slashes, which servers merge.
    """
    encoded = quote(path, safe="/%:@!$&'()*+,;=")
    plain = re.sub(r"%[0-9A-Fa-f]{2}", _decoded, encoded)
    folders: list[str] = []
    for folder in plain.split("/")[1:]:
        if folder == "..":
            del folders[-1:]
        elif folder != ".":
            folders.append(folder)
    return "".join(f"/{folder}" for folder in folders if folder)


def _decoded(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else match[0].upper()
