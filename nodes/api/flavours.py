"""What differs between servers that speak OpenAI's image API.

Sources: docs.lumenfall.ai/api-reference, OpenAI's published openapi.yaml of August 2026.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Flavour:
    """How one family of servers departs from the common ground."""

    name: str
    fields: frozenset[str] | None
    """Request fields the server knows; None where unknown ones are passed on to the provider."""
    response_format: str | None
    """Sent when the user leaves it on auto; None to send nothing."""
    ratio_sizes: bool
    """Whether ``size`` may be a ratio such as 16:9."""
    native: bool
    """Whether dry run, balance, request log and model schemas exist."""
    max_image_bytes: int = 50 * 10**6
    """Per picture; OpenAI's limit, and above what Lumenfall advises."""
    max_mask_bytes: int = 4 * 10**6


LUMENFALL = Flavour(
    name="Lumenfall",
    fields=None,
    # Small answers that can be journaled; the links live for an hour and may be fetched again.
    response_format="url",
    ratio_sizes=True,
    native=True,
)

OPENAI = Flavour(
    name="OpenAI",
    # GPT Image always answers in base64 and refuses response_format.
    fields=frozenset(
        {"n", "size", "quality", "background", "moderation", "output_format", "output_compression", "input_fidelity"}
    ),
    response_format=None,
    ratio_sizes=False,
    native=False,
)

OTHER = Flavour(name="OpenAI-compatible", fields=None, response_format=None, ratio_sizes=True, native=False)


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


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
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


def flavour_of(base_url: str) -> Flavour:
    """The flavour that a base URL stands for.

    A server on this machine under Lumenfall's own path is taken for the sandbox, or a tunnel to Lumenfall.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "lumenfall.ai" or host.endswith(".lumenfall.ai"):
        return LUMENFALL
    if is_loopback(base_url) and parts.path.rstrip("/") == "/openai/v1":
        return LUMENFALL
    if host == "api.openai.com" or host.endswith(".openai.azure.com"):
        return OPENAI
    return OTHER
