"""One server under several spellings."""

from __future__ import annotations

from urllib.parse import urlsplit

from .flavours import is_loopback

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def canonical(base_url: str) -> str:
    """One spelling for all that mean the same server: lower case, no port that goes without saying, ``localhost`` for
    this machine.
    """
    parts = urlsplit(base_url)
    host = "localhost" if is_loopback(base_url) else (parts.hostname or "").rstrip(".")
    return _spelled(base_url, f"[{host}]" if ":" in host else host)


def spellings(base_url: str) -> tuple[str, ...]:
    """``base_url`` as it is, and as others may have written it."""
    common = [_spelled(base_url, host) for host in _LOOPBACK] if is_loopback(base_url) else [canonical(base_url)]
    return tuple(dict.fromkeys([base_url, *common]))


def _spelled(base_url: str, host: str) -> str:
    parts = urlsplit(base_url)
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
