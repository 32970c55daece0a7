"""One server under several spellings."""

from __future__ import annotations

from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Other names and addresses of this machine may be other servers: ``a.localhost``, 127.0.0.2."""


def canonical(base_url: str) -> str:
    """One spelling for all that mean the same server: lower case, no port that goes without saying, ``localhost`` for
    this machine.
    """
    host = _host(base_url)
    return _spelled(base_url, "localhost" if host in _LOOPBACK else host)


def spellings(base_url: str) -> tuple[str, ...]:
    """``base_url`` as it is, and as others may have written it."""
    host = _host(base_url)
    hosts = _LOOPBACK if host in _LOOPBACK else (host,)
    return tuple(dict.fromkeys([base_url, *(_spelled(base_url, other) for other in hosts)]))


def _host(base_url: str) -> str:
    """In lower case, an IPv6 address in brackets."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    return f"[{host}]" if ":" in host else host


def _spelled(base_url: str, host: str) -> str:
    parts = urlsplit(base_url)
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
