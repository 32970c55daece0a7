"""Keys, tokens and passwords in a text: what looks like those of known services, and what is called one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .privacy import Match, apart

CUT = "***"
"""Stands for a key, as it does wherever this pack shows something."""

KNOWN = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"lmnfl_[\w.-]{8,}|sk-(?:proj|svcacct|admin|ant|or|lf)-[\w-]{12,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{30,}"
    r"|r8_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|rpa_[A-Za-z0-9]{20,}"
    r"|pplx-[A-Za-z0-9]{20,}|tgp_v1_[\w-]{16,}|msy_[A-Za-z0-9]{20,}|tsk_[\w-]{20,}|key_[0-9a-f]{32,}|sk_[0-9a-f]{32,}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|comfyui-[0-9a-f]{32,}|A[KS]IA[0-9A-Z]{16}|xox[abeprs]-[\w-]{10,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9a-f]{32}"
    r"|eyJ[\w-]{10,600}\.[\w-]{10,8000}\.[\w-]{5,}|(?:bot)?\d{8,10}:AA[\w-]{33}(?![\w-])"
    r"|discord(?:app)?\.com/api/webhooks/\d{5,20}/[\w-]{30,}|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,})"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)"
)
"""What the keys of known services look like; the pair of a UUID and 32 digits is fal's, the one with AA Telegram's. All
that may begin within another has an end, so that a text is read in one go.
"""

OF_OPENAI_AND_OTHERS = re.compile(r"(?<![A-Za-z0-9_])sk-[\w-]{16,}")
WORD = re.compile(r"(?:[A-Z]?[a-z]{1,15}|[A-Z]{1,15})?(?:\d{1,4}(?:x\d{1,4}|[a-z]{1,3})?)?")
"""A part of what was written by hand, such as ``etchy``, ``1920x1080`` or ``35mm``."""

NAME = (
    r"[\w-]{0,40}?(?:api[ _-]?key|(?:access|secret|private)[_-]?key(?:[_-]?id)?|secret|token|passw(?:or)?d"
    r"|authorization|credentials?)"
)
QUOTE = r"\\?[\"']"
PARAMETER = re.compile(
    rf"[?&#](?:{NAME}|(?:[\w-]+-)?signature|sig|(?P<common>key|auth))=(?P<value>[^\s&#\"'<>\\]{{6,}})", re.IGNORECASE
)
FIELD = re.compile(rf"{QUOTE}{NAME}{QUOTE}\s*[:=]\s*{QUOTE}(?P<value>[^\s\"'\\]{{8,}}){QUOTE}", re.IGNORECASE)
ASSIGNED = re.compile(
    rf"(?<![\w-])(?:{NAME}|[a-z0-9]{{2,20}}_key)\s*[:=]\s*(?:{QUOTE})?(?P<value>[\w.~+/=-]{{16,}})", re.IGNORECASE
)
PASSWORD = re.compile(
    r"(?<!\w)(?i:passw(?:or)?d|passwort|pwd)\s{0,3}[:=]\s{0,3}"
    r"(?P<value>(?=\S{0,60}[a-z])(?=\S{0,60}[A-Z])(?=\S{0,60}\d)[^\s\"'<>\\,;]{8,60})"
)
"""With small and large letters and a digit, as they are asked for: no word of a sentence."""

HEADER = re.compile(
    rf"\bauthorization(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?(?:basic|token|key|bearer)\s+(?P<value>[^\s\"'\\,;]{{8,}})",
    re.IGNORECASE,
)
BEARER = re.compile(r"\bBearer\s+(?P<value>[\w.~+/=-]{12,})", re.IGNORECASE)
LOGIN = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,20}://(?P<value>[^\s/@:\"'<>]{0,200}:[^\s/@\"'<>]{1,200}|[\w.-]{16,200})@", re.IGNORECASE
)
PROSE = (ASSIGNED, BEARER)
"""What may also be words that somebody wrote."""

PLACEHOLDER = re.compile(r"\*+$|[<{$%\[]|\.\.\.|x{4,}|your|my[_-]|none$|null$|undefined$|change", re.IGNORECASE)
"""How the value begins that somebody wrote in place of a key."""

KEY_NAME = re.compile(
    r"api_?key|access_?key|(access|auth|bearer|refresh|api)_?token|secret|passw|authorization|credential"
)


def keys(text: str) -> list[Match]:
    """What may be a key in ``text``, from left to right."""
    found = [(*it.span(), f"{it[0][:4]}...") for it in KNOWN.finditer(text)]
    found += [(*it.span(), "sk-...") for it in OF_OPENAI_AND_OTHERS.finditer(text) if not _is_written(it[0][3:])]
    found += [(*span, "a value by its name") for span in _values(text)]
    found += [(*it.span("value"), "a login in an address") for it in LOGIN.finditer(text)]
    return apart(Match("key", start, end, shown, CUT) for start, end, shown in found)


def _values(text: str) -> Iterator[tuple[int, int]]:
    """What is called a key, a token or a password. Of what may be prose only what no word looks like."""
    for pattern in (PARAMETER, HEADER, FIELD, PASSWORD, *PROSE):
        for found in pattern.finditer(text):
            value = found["value"]
            is_odd = bool(re.search(r"\d", value)) or len(value) >= 16
            is_prose = pattern in PROSE or found.groupdict().get("common")
            is_key = (pattern is PARAMETER and not is_prose) or (is_odd and not (is_prose and _is_written(value)))
            if is_key and not PLACEHOLDER.match(value):
                yield found.span("value")


def is_secret(name: str, value: str) -> bool:
    """Whether ``value`` may be a key by the ``name`` that it stands below."""
    called = KEY_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower())
    return bool(called and re.fullmatch(r"\S{8,}", value) and not PLACEHOLDER.match(value))


def is_titled_secret(title: str, value: str) -> bool:
    """Whether the ``value`` of a node that holds nothing else may be a key by the node's title, which anybody wrote."""
    return is_secret(title.replace(" ", "_"), value) and not _is_written(value)


def _is_written(text: str) -> bool:
    """Whether it is words, rather than letters by chance."""
    return all(WORD.fullmatch(part) for part in re.split(r"[-_./]", text))
