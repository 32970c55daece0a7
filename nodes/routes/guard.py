"""Who may use the pack's routes. ComfyUI's own check lets cases through: requests without an Origin, a foreign name
that resolves to this machine (DNS rebinding), and every origin under ``--enable-cors-header``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HEADER = "X-Lumenfall"
"""On every request. A page of another origin can send it only with a permission that these routes never give."""

HOSTS_VARIABLE = "LUMENFALL_HOSTS"
"""Names under which ComfyUI is reached, separated by commas. Addresses and localhost need not be listed."""

REMOTE_VARIABLE = "LUMENFALL_REMOTE"
"""``on`` lets other machines change settings, too."""

_PROXYING = re.compile(r"forwarded|via|x-forwarded-.+|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip")
"""Headers, in lower case, by which a proxy tells of itself."""

_HOST = re.compile(r"(\[[^\[\]]+\]|[^\[\]:@/?#\\\s]+)(?::[0-9]{1,5})?")
"""A name or an address, and a port. Anything else, such as ``[::1].example``, is no name that a browser sends."""


@dataclass(frozen=True)
class Visit:
    """What the guard looks at. ``headers`` are by their names in lower case; ``peer`` is the address that asks."""

    method: str
    headers: Mapping[str, str]
    peer: str | None


@dataclass(frozen=True)
class Refusal:
    """Why a visit is turned away; never with anything of what was asked."""

    status: int
    code: str
    message: str


def refusal(visit: Visit, environ: Mapping[str, str]) -> Refusal | None:
    """Why ``visit`` is refused; None where it may go on."""
    if visit.headers.get(HEADER.lower()) != "1":
        return Refusal(403, "HEADER", f"The header {HEADER} is missing.")
    host = visit.headers.get("host", "")
    if not _is_own_name(host, environ):
        return Refusal(403, "HOST", f"This name is not known here. Add it to {HOSTS_VARIABLE}.")
    if visit.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return Refusal(403, "ORIGIN", "Only ComfyUI's own page may ask.")
    origin = visit.headers.get("origin")
    if origin is not None and _netloc(origin) != host.lower():
        return Refusal(403, "ORIGIN", "Only ComfyUI's own page may ask.")
    if visit.method == "POST":
        if visit.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Refusal(415, "CONTENT_TYPE", "The body must be application/json.")
        why_not = why_no_changes(visit, environ)
        if why_not is not None:
            return Refusal(403, "REMOTE", why_not)
    return None


def why_no_changes(visit: Visit, environ: Mapping[str, str]) -> str | None:
    """Why this visitor may only look; None for whoever sits at this machine, or where others are allowed to."""
    if environ.get(REMOTE_VARIABLE, "").strip().lower() in ("on", "1", "true", "yes"):
        return None
    # Behind a proxy on this machine, everybody seems to sit here.
    is_here = _is_loopback(visit.peer) and not any(_PROXYING.fullmatch(name) for name in visit.headers)
    if is_here:
        return None
    return f"Only the machine that ComfyUI runs on may change anything here, unless {REMOTE_VARIABLE}=on is set there."


def _is_own_name(host: str, environ: Mapping[str, str]) -> bool:
    """Whether a request may come under this name. An address cannot be rebound, any other name can."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").lower()
    allowed = {one.strip().lower() for one in environ.get(HOSTS_VARIABLE, "").split(",")} - {""}
    if name == "localhost" or name.endswith(".localhost") or name in allowed or host.lower() in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
