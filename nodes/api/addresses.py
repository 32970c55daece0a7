"""What an address is, and which are this machine's."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
