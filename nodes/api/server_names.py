"""One server under several spellings."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Other names and addresses of this machine may be other servers: ``a.localhost``, 127.0.0.2."""


def canonical(base_url: str) -> str:
    """One spelling for all that mean the same server: lower case, no port that goes without saying, ``localhost`` for
    this machine, and the path as :func:`_plain_path` writes it.
    """
    host = _host(base_url)
    return _spelled(base_url, "localhost" if host in _LOOPBACK else host, _plain_path(urlsplit(base_url).path))


def formerly_canonical(base_url: str) -> str:
    """What :func:`canonical` was while paths counted as they were written."""
    host = _host(base_url)
    return _spelled(base_url, "localhost" if host in _LOOPBACK else host, urlsplit(base_url).path)


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
