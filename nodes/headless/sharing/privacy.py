"""Private paths and private addresses in a text, and a text without what was found in it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["key", "private_path", "private_address"]

PATH = re.compile(
    r"(?:(?<![\w.:/\\~%-])(?:file:/{2,3}?)?|(?<=\w:)(?=/(?:var/)?home/|/Users/|/run/media/))(?:"
    r"/(?:(?:var/)?home|Users|run/media)/"
    r"(?P<posix>[^\\/\s:*?\"'<>|,;()]+(?:(?: [A-Z][\w.'-]{0,30}){1,3}(?=/))?)"
    r"|/(?:root|mnt|media|Volumes)(?=/\w)"
    r"|/?[A-Za-z]:(?:\\{1,2}(?![nrt])(?=[\w.~$-])"
    r"|\\{1,2}(?=[nrt][^\s:*?\"'<>|,;()]{0,200}?(?:\\{1,2}[^\s\\nrt]|\.[A-Za-z]\w{1,4}(?![\w\\])))"
    r"|//?(?=[\w.~$-]{2,}(?:[\\/]|\.\w)|[\w.~$-]{2,}$))"
    r"(?:(?:Users|Documents and Settings)[\\/]{1,2}(?P<windows>[^\\/:*?\"<>|\r\n]{1,40}(?=[\\/])|[^\\/\s:*?\"<>|]+))?"
    r"|~(?=/[A-Za-z_.][\w.-])"
    r"|\\\\(?![nrt]\\|n\w*\\\\n)[\w.$-]+\\{1,2}[\w$-][\w.$-]*)"
    r"[^\s:*?\"'<>|,;()\[\]{}]*"
)
"""After a letter a backslash and n, r or t may be a line's end as programs write it: ``Q:\\nWhat``."""

WRITTEN_ON_A_SIGN = re.compile(r"/Users/[A-Z][\w.]*")
"""Within a text: whoever has that name begins it with a small letter, and there would be something below it."""

URL = re.compile(
    r"\b(?:https?|wss?|ftps?|sftp|smb|nfs|postgresql|redis)://(?:[^\s/\"'<>)\]}\[]*\[[\w.:%]+\])?[^\s\"'<>)\]}\[]*",
    re.IGNORECASE,
)
BARE = re.compile(
    r"(?<![\w./:@\\-])(?P<host>localhost|(?P<number>\d{1,3}(?:\.\d{1,3}){3})|[A-Za-z0-9][\w-]*\.(?:local|lan|internal|home\.arpa|[\w-]+\.ts\.net))"
    r"(?P<more>(?::\d+)?(?:/[^\s\"'<>)\]}]*)?)(?![\w.]*\w)",
    re.IGNORECASE,
)
BARE_V6 = re.compile(
    r"(?<![\w:.\[])(?:\[[0-9A-Fa-f:]{2,}(?:%\w+)?\](?::\d+)?|(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):[0-9a-f:]{2,}(?:%\w+)?)"
    r"(?:/[^\s\"'<>)\]}]*)?(?![\w:])",
    re.IGNORECASE,
)
VERSION = re.compile(r"(?:\b(?:version|release|build|driver|firmware|update|ver|v)\.?)\s{0,3}$", re.IGNORECASE)
"""What stands before four numbers that are no address."""

MACHINE = re.compile(
    r"\w*(?:nas|box|server|srv|gpu|mac|imac|book|comfy|desktop|laptop|station|host|pi|router|assistant|pc)\w{0,3}"
    r"\.|[^.]*[\d_-]|[^.]*\.[^.]*\.",
    re.IGNORECASE,
)
"""Names of machines, rather than two words without a space, such as ``farm.local``."""

ANYBODYS = ("localhost", "127.0.0.1")
"""Everybody's own machine: in a sentence, without a port, that says nothing of anybody."""

LOCAL_ENDINGS = (".local", ".localhost", ".lan", ".internal", ".intranet", ".home", ".home.arpa", ".ts.net")
SHARED_RANGE = ipaddress.ip_network("100.64.0.0/10")
"""Between a provider and its customers (RFC 6598), and in private networks over the internet."""


@dataclass(frozen=True)
class Match:
    """``shown`` is what a person may be told of it, ``instead`` what a cleaned text has in its place."""

    kind: Kind
    start: int
    end: int
    shown: str
    instead: str


def private_places(text: str) -> list[Match]:
    """The private paths and addresses in ``text``, from left to right."""
    urls = [it for it in URL.finditer(text) if _is_private(it[0])]
    bare = [it for it in BARE.finditer(text) if _is_private(f"//{it[0]}") and not _is_prose(it)]
    bare += [it for it in BARE_V6.finditer(text) if _is_private(f"//{it[0]}")]
    found = [Match("private_address", *it.span(), it[0], "...") for it in (*urls, *bare)]
    found += [Match("private_path", *span, text[slice(*span)], name_in(text[slice(*span)])) for span in _paths(text)]
    return apart(found)


def apart(found: Iterable[Match]) -> list[Match]:
    """``found`` from left to right, without those that reach into another."""
    kept: list[Match] = []
    for match in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or match.start >= kept[-1].end:
            kept.append(match)
    return kept


def without(text: str, found: Iterable[Match]) -> str:
    """``text`` with what is in place of each match; they are apart, and go from left to right."""
    for match in reversed([*found]):
        text = text[: match.start] + match.instead + text[match.end :]
    return text


def name_in(path: str) -> str:
    """The file's name in a path; nothing where the path is that of a home folder itself."""
    parts = [part for part in re.split(r"[\\/]+", path) if part]
    home = PATH.match(path)
    owner = home and (home["posix"] or home["windows"])
    if not parts or (owner and parts[-1] == owner.strip()) or len(parts) < 2:
        return ""
    return parts[-1]


def owners(text: str) -> Iterator[str]:
    """The names of the people whose home folders are named."""
    for path in PATH.finditer(text):
        name = path["posix"] or path["windows"]
        if name:
            yield name.strip()


def _paths(text: str) -> Iterator[tuple[int, int]]:
    first = PATH.match(text)
    if first and "\n" not in text and not re.search(r"[:*?\"<>|]", text[3:]) and not re.search(r"[.,;] ", text):
        # A widget that holds nothing else; there may be spaces in it.
        yield 0, len(text)
        return
    for path in PATH.finditer(text):
        if not WRITTEN_ON_A_SIGN.fullmatch(path[0]):
            yield path.start(), path.end()


def _is_prose(address: re.Match[str]) -> bool:
    """Whether it is only a part of a text, and there no address, or everybody's."""
    if address["more"] or address[0] == address.string:
        return False
    if address[0].lower() in ANYBODYS:
        return True
    if address["number"]:
        return bool(VERSION.search(address.string, max(0, address.start() - 20), address.start()))
    return not MACHINE.match(address[0])


def _is_private(url: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
    except ValueError:
        # Version 6 stands in brackets, but not where it stands alone.
        host = url.strip("/").lower()
    host = host.partition("%")[0] if ":" in host else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(LOCAL_ENDINGS) or bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", host))
    is_shared = address.version == 4 and address in SHARED_RANGE
    return is_shared or address.is_private or address.is_loopback or address.is_link_local
