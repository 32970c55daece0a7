"""Who may use the pack's routes. ComfyUI's own check lets cases through: requests without an Origin, a foreign name
that resolves to this machine (DNS rebinding), and every origin under ``--enable-cors-header``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

HEADER = "X-Lumenfall"
"""On every request. A page of another origin can send it only with a permission that these routes never give."""

HOSTS_VARIABLE = "LUMENFALL_HOSTS"
"""Names under which ComfyUI is reached, separated by commas; ``*.example.com`` is every name below that one. Addresses
and localhost need not be listed.
"""

REMOTE_VARIABLE = "LUMENFALL_REMOTE"
"""``on`` lets other machines change settings, too."""

_PROXYING = re.compile(r"forwarded|via|x-forwarded-.+|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip")
"""Headers, in lower case, by which a proxy tells of itself."""

_HOST = re.compile(r"(\[[^\[\]]+\]|[^\[\]:@/?#\\\s]+)(?::[0-9]{1,5})?")
"""A name or an address, and a port. Anything else, such as ``[::1].example``, is no name that a browser sends."""


class Needs(Enum):
    """What a route may be asked by."""

    ANY_NAME = "any name"
    """Whoever reaches ComfyUI's page: it tells nothing of the user, and changes nothing."""
    KNOWN_NAME = "known name"
    """Whoever does so under a name that cannot be anybody else's."""
    OWN_MACHINE = "own machine"
    """Whoever sits at ComfyUI's machine."""


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
    hint: str = ""


def refusal(visit: Visit, environ: Mapping[str, str], needs: Needs) -> Refusal | None:
    """Why ``visit`` is refused; None where it may go on."""
    if visit.headers.get(HEADER.lower()) != "1":
        return Refusal(403, "HEADER", f"The header {HEADER} is missing.")
    host = visit.headers.get("host", "")
    name = _name(host)
    if name is None or (needs is not Needs.ANY_NAME and not _is_own_name(name, host, environ)):
        return Refusal(403, "HOST", *_why_not_under(name))
    if visit.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return Refusal(403, "ORIGIN", "Only ComfyUI's own page may ask.")
    origin = visit.headers.get("origin")
    if origin is not None and _netloc(origin) != host.lower():
        return Refusal(403, "ORIGIN", "Only ComfyUI's own page may ask.")
    kind = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
    if visit.method == "POST" and kind != "application/json":
        return Refusal(415, "CONTENT_TYPE", "The body must be application/json.")
    if needs is Needs.OWN_MACHINE:
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
    # Not by an address of its own either: some containers give theirs to whoever comes in from outside.
    return (
        "Only the machine that ComfyUI runs on may change anything here, and there only a page that was opened by "
        f"localhost or 127.0.0.1, unless {REMOTE_VARIABLE}=on is set there."
    )


def _name(host: str) -> str | None:
    """The name or address in a Host header; None where there is none that a browser sends."""
    found = _HOST.fullmatch(host)
    return None if found is None else found[1].strip("[]").lower()


def _is_own_name(name: str, host: str, environ: Mapping[str, str]) -> bool:
    """Whether a request may come under this name. An address cannot be rebound, any other name can."""
    allowed = {entry.strip().lower() for entry in environ.get(HOSTS_VARIABLE, "").split(",")} - {""}
    if name == "localhost" or name.endswith(".localhost") or name in allowed or host.lower() in allowed:
        return True
    # Below a name of one word, such as *.com, there is everybody.
    below = {entry[1:] for entry in allowed if re.fullmatch(r"\*(\.[^.*:/]+){2,}", entry)}
    if any(name.endswith(ending) and len(name) > len(ending) for ending in below):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _why_not_under(name: str | None) -> tuple[str, str]:
    """Message and hint where nothing of the user's is told under ``name``."""
    if name is None:
        return "The request does not say under which name ComfyUI is reached.", ""
    line = f"{HOSTS_VARIABLE}={name}"
    return (
        f"Your settings and calls are not shown under {name}: anybody's page could take such a name.",
        f"If it is yours, set the environment variable {line} on the machine where ComfyUI runs, then restart "
        "it. Separate names by commas; *.example.com stands for every name below that one.",
    )


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
