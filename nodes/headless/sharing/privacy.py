"""Keys, private paths and private addresses in a text, and the text without them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["key", "private_path", "private_address"]

OWN_KEY = "your own API key"
CUT = "***"
"""Stands for a key, as it does wherever this pack shows something."""

KEY = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"lmnfl_[\w.-]{8,}|sk-[\w-]{16,}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|r8_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|rpa_[A-Za-z0-9]{20,}"
    r"|comfyui-[0-9a-f]{32,}|AKIA[0-9A-Z]{16}|xox[abp]-[\w-]{10,}|glpat-[\w-]{16,}|tgp_v1_[\w-]{16,}"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9a-f]{32}"
    r"|(?<=Bearer )[\w.~+/=-]{12,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})"
)
"""What the keys of known services look like; the pair of a UUID and 32 digits is fal's."""

KEY_NAME = re.compile(
    r"api_?key|access_?key|(access|auth|bearer|refresh|api)_?token|secret|passw|authorization|credential"
)

PATH = re.compile(
    r"(?<![\w.:/\\~%-])(?:file:/{2,3}?)?(?:"
    r"/(?:home|Users)/(?P<posix>[^\\/\s:*?\"'<>|,;()]+)"
    r"|/(?:root|mnt|media|Volumes)(?=/\w)"
    r"|/?[A-Za-z]:[\\/]{1,2}(?=[\w.~$-])"
    r"(?:(?:Users|Documents and Settings)[\\/]{1,2}(?P<windows>[^\\/:*?\"<>|\r\n]{1,40}(?=[\\/])|[^\\/\s:*?\"<>|]+))?"
    r"|~(?=/\w)"
    r"|\\\\[\w.$-]+\\{1,2}[\w$-][\w.$-]*)"
    r"[^\s:*?\"'<>|,;()\[\]{}]*"
)

URL = re.compile(r"\b(?:https?|wss?|ftps?|sftp|smb|nfs|postgresql|redis)://[^\s\"'<>)\]}]+")
BARE = re.compile(
    r"(?<![\w./:@\\-])(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z0-9][\w-]*\.(?:local|lan|internal|home\.arpa))"
    r"(?::\d+)?(?:/[^\s\"'<>)\]}]*)?(?![\w.]*\w)"
)
ANYBODYS = ("localhost", "127.0.0.1")
"""Everybody's own machine: in a sentence, without a port, that says nothing of anybody."""

LOCAL_ENDINGS = (".local", ".localhost", ".lan", ".internal", ".intranet", ".home", ".home.arpa")


@dataclass(frozen=True)
class Match:
    """``shown`` is what a person may be told of it, ``instead`` what a cleaned text has in its place."""

    kind: Kind
    start: int
    end: int
    shown: str
    instead: str


def matches(text: str, without_key: Callable[[str], str]) -> Iterator[Match]:
    """What is private in ``text``, from left to right. ``without_key`` cuts the user's own key out of a text."""
    if without_key(text) != text:
        # Where it stands nobody needs to know: the text is taken whole.
        yield Match("key", 0, len(text), OWN_KEY, without_key(text))
        text = without_key(text)
    found = [Match("key", it.start(), it.end(), f"{it[0][:4]}...", CUT) for it in KEY.finditer(text)]
    found += [Match("private_address", *it.span(), it[0], "...") for it in URL.finditer(text) if _is_private(it[0])]
    found += [
        Match("private_address", *it.span(), it[0], "...")
        for it in BARE.finditer(text)
        if _is_private(f"//{it[0]}") and not (it[0] in ANYBODYS and it[0] != text)
    ]
    found += [Match("private_path", *span, text[slice(*span)], name_in(text[slice(*span)])) for span in _paths(text)]
    end = 0
    for match in sorted(found, key=lambda each: (each.start, -each.end)):
        if match.start >= end:
            yield match
            end = match.end


def without(text: str, found: list[Match]) -> str:
    """``text`` with what is in place of each match, as :func:`matches` gives them."""
    whole = [match for match in found if (match.start, match.shown) == (0, OWN_KEY)]
    text = whole[0].instead if whole else text
    for match in reversed([match for match in found if match not in whole]):
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
        yield path.start(), path.end()


def _is_private(url: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(LOCAL_ENDINGS) or bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", host))
    return address.is_private or address.is_loopback or address.is_link_local
