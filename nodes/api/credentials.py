"""Which server is asked, and with which key. The only place that reads either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from ..errors import CredentialError, InputError
from ..settings import SETTINGS_FILE
from .addresses import PORTS, address_of, is_loopback, is_own
from .base_urls import DEFAULT_BASE_URL, QUOTES, read_base_url
from .flavours import Flavour, flavour_of

T = TypeVar("T")

KEY_VARIABLE = "LUMENFALL_API_KEY"
BASE_URL_VARIABLE = "LUMENFALL_BASE_URL"

ADVICE = "In ComfyUI, enter it in Settings > Lumenfall"

LONG_KEY = 24

SHORTEST_SECRET = 12
"""Local servers take keys such as ``none``, which are no secret and may stand in a picture's base64 by chance."""

_PUBLIC = re.compile(r"(?:[a-z]{1,8}\d{0,2}[-_])+")
"""How keys begin, so that people know what they are: ``lmnfl_``, ``sk-proj-``, ``sk-or-v1-``."""


@lru_cache(maxsize=16)
def _secrets(key: str) -> tuple[str, ...]:
    """``key``, and those parts of it with which whoever has them has it: what follows the id, which ends with a dot,
    and what follows the beginning that all have. Only such that no word looks like.
    """
    parts = [key, key.partition(".")[2], key.rpartition(".")[2]]
    begin = _PUBLIC.match(key)
    rest = key[begin.end() :] if begin else ""
    parts += [rest] if len(rest) >= LONG_KEY and any(map(str.isdigit, rest)) else []
    return tuple(sorted({part for part in parts if len(part) >= SHORTEST_SECRET}, key=len, reverse=True))


@dataclass(frozen=True)
class Server:
    """A base URL and the key that belongs to it. The key is kept out of ``repr``."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def flavour(self) -> Flavour:
        return flavour_of(self.base_url)

    def redact(self, content: bytes) -> bytes:
        """``content`` without the key, or its secret part, should a server quote it back."""
        for secret in _secrets(self.api_key or ""):
            # As it is, and as the writers of JSON spell it.
            quoted = json.dumps(secret)[1:-1]
            for spelling in {secret, quoted, quoted.replace("/", "\\/")}:
                content = content.replace(spelling.encode(), b"***")
        return content

    def without_key(self, content: T) -> T:
        """``content``, which JSON can hold, with the key cut out of every text in it."""
        if not self.api_key:
            return content
        text = json.dumps(content)
        redacted = self.redact(text.encode()).decode()
        cleared: T = content if redacted == text else json.loads(redacted)
        return cleared

    @property
    def exposure(self) -> str | None:
        """A warning where the key travels in clear; None where it does not, or where it is no secret."""
        parts = urlsplit(self.base_url)
        if parts.scheme != "http" or len(self.api_key or "") < SHORTEST_SECRET or is_loopback(self.base_url):
            return None
        address = address_of(parts.hostname or "")
        if address is not None and is_own(address):
            return None
        return f"The API key travels in clear to {parts.hostname}: the base URL begins with http://, not https://."

    def owns(self, url: str) -> bool:
        """Whether ``url`` is of the origin that the key is bound to."""
        try:
            return _origin_of(url) == _origin_of(self.base_url)
        except ValueError:
            return False

    @property
    def native_url(self) -> str:
        """Lumenfall's native API beside its OpenAI-compatible one: balance and request log."""
        return self.base_url.removesuffix("/openai/v1") + "/v1"


@dataclass(frozen=True)
class _Source:
    name: str
    base_url: str | None
    api_key: str | None = field(repr=False)


def resolve_server(environ: Mapping[str, str], data_dir: Path) -> Server:
    """The server to use and its key.

    Sources in order: the environment (``LUMENFALL_API_KEY``, ``LUMENFALL_BASE_URL``), the settings file in
    ``data_dir``, the login of Lumenfall's own command line (``~/.lumenfall/credentials.json``, its ``api_key``
    only). The first source that names a base URL decides the server, else it is Lumenfall's. A key is used
    only with the server of its own source, so no setting can send it elsewhere.

    Raises CredentialError where a key is needed and none fits (a server on this machine needs none) or where it
    cannot be a key, InputError for a base URL that is no http(s) address.
    """
    return _server_at(configured_base_url(environ, data_dir), environ, data_dir)


def _server_at(base_url: str, environ: Mapping[str, str], data_dir: Path) -> Server:
    elsewhere = []
    for source in _sources(environ, data_dir):
        if source.api_key:
            if _origin(source.base_url or DEFAULT_BASE_URL) == _origin(base_url):
                return Server(base_url, _checked_key(source))
            elsewhere.append(source.name)
    if is_loopback(base_url):
        return Server(base_url)
    host = urlsplit(base_url).hostname
    if elsewhere:
        raise CredentialError(
            f"The API key in {elsewhere[0]} belongs to another server than {host}.",
            hint=f"Set {KEY_VARIABLE} and {BASE_URL_VARIABLE} together.",
        )
    if _origin(base_url) == _origin(DEFAULT_BASE_URL):
        advice = (
            f"Create one at https://lumenfall.ai/app/api_keys. {ADVICE}, or set it as the environment variable "
            f"{KEY_VARIABLE}"
        )
    else:
        advice = (
            f"{ADVICE}, or set its key as the environment variable {KEY_VARIABLE}, together with {BASE_URL_VARIABLE},"
        )
    raise CredentialError(f"No API key for {host}.", hint=f"{advice} and start again.")


@dataclass(frozen=True)
class KnownKey:
    """What may be told of the key in use: where it comes from, and its ends."""

    source: Literal["environment", "settings", "login"]
    masked: str


def known_key(environ: Mapping[str, str], data_dir: Path) -> KnownKey | None:
    """The key that :func:`resolve_server` would use, unreadable; None where it would find none that fits.

    Raises InputError for a base URL that is none, CredentialError for a file that cannot be read.
    """
    origin = _origin(configured_base_url(environ, data_dir))
    names: tuple[Literal["environment", "settings", "login"], ...] = ("environment", "settings", "login")
    for name, source in zip(names, _sources(environ, data_dir), strict=True):
        if source.api_key and _origin(source.base_url or DEFAULT_BASE_URL) == origin:
            return KnownKey(name, _masked(source.api_key))
    return None


def base_url_source(environ: Mapping[str, str], data_dir: Path) -> Literal["environment", "settings", "default"]:
    """What names the base URL."""
    if environ.get(BASE_URL_VARIABLE):
        return "environment"
    return "settings" if _read_json(data_dir / SETTINGS_FILE).get("base_url") else "default"


def decided_by_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``key`` and ``base_url``, where a variable decides them, each with its name."""
    variables = {"key": KEY_VARIABLE, "base_url": BASE_URL_VARIABLE}
    return {setting: name for setting, name in variables.items() if environ.get(name, "").strip()}


def server_to_try(environ: Mapping[str, str], data_dir: Path, base_url: str | None, api_key: str | None) -> Server:
    """The server that would be used if ``base_url`` and ``api_key`` were set; None: as it is. Raises as
    :func:`resolve_server` does.
    """
    if base_url is None and api_key is None:
        return resolve_server(environ, data_dir)
    chosen = read_base_url(base_url or configured_base_url(environ, data_dir))
    if api_key is not None:
        return Server(chosen, _checked_key(_Source("what you entered", chosen, api_key)))
    return _server_at(chosen, environ, data_dir)


def write_server(content: dict[str, Any], **changes: str | None) -> None:
    """Set ``api_key`` and ``base_url`` in the content of a settings file; None removes one.

    A key stays with the server that it was given for: raises CredentialError where a stored one would come to belong
    to another. Raises InputError for a base URL that is none.
    """
    # What is no text counts as missing, as it does in :func:`resolve_server`.
    stored = content.get("base_url") if isinstance(content.get("base_url"), str) else None
    base_url = changes.get("base_url", stored)
    before = _origin_or_none(stored or DEFAULT_BASE_URL)
    if content.get("api_key") and "api_key" not in changes and _origin(base_url or DEFAULT_BASE_URL) != before:
        raise CredentialError(
            "The stored API key belongs to another server.",
            code="KEY_NEEDED",
            hint="Give the new server's key together with its address, or remove the stored one.",
        )
    if changes.get("api_key"):
        _checked_key(_Source("what you entered", base_url, changes["api_key"]))
    for name, value in changes.items():
        if value:
            content[name] = read_base_url(value) if name == "base_url" else value
        else:
            content.pop(name, None)


def _origin_or_none(base_url: str) -> tuple[str, str | None, int | None] | None:
    try:
        return _origin(base_url)
    except InputError:
        return None


def _masked(key: str) -> str:
    """The ends of a key, where it is long enough that they give nothing away."""
    return f"{key[:8].partition('.')[0]}...{key[-4:]}" if len(key) >= LONG_KEY else "..."


def configured_base_url(environ: Mapping[str, str], data_dir: Path) -> str:
    """The base URL that :func:`resolve_server` would choose, with no demand for a key. Raises InputError."""
    named = environ.get(BASE_URL_VARIABLE) or _read_json(data_dir / SETTINGS_FILE).get("base_url")
    return read_base_url(named or DEFAULT_BASE_URL)


def _sources(environ: Mapping[str, str], data_dir: Path) -> Iterator[_Source]:
    """Read one after the other, so that a damaged login does not matter beside a key that was found before it."""
    yield _Source("the environment", environ.get(BASE_URL_VARIABLE), _pasted(environ.get(KEY_VARIABLE, "")))
    settings = _read_json(data_dir / SETTINGS_FILE)
    yield _Source("the settings file", settings.get("base_url"), _pasted(settings.get("api_key", "")) or None)
    folder = environ.get("LUMENFALL_CONFIG_DIR")
    login = _read_json(Path(folder or "~/.lumenfall") / "credentials.json")
    yield _Source("the login of Lumenfall's command line", None, login.get("api_key"))


def _pasted(key: str) -> str:
    """``key`` without what comes along as it is copied: quotes, as in a file for Docker, and the word of its header."""
    bare = key.strip().strip(QUOTES).strip()
    return re.sub(r"^(Authorization:\s*)?Bearer\s+", "", bare, flags=re.IGNORECASE)


def _read_json(path: Path) -> dict[str, str]:
    try:
        # With a byte order mark, as Windows' editors write it, or without.
        found = json.loads(path.expanduser().read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        # RuntimeError: this user has no home folder.
        return {}
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"{path.name} in {path.parent.name} cannot be read ({type(error).__name__}).",
            hint='It must be JSON such as {"api_key": "..."}, saved as UTF-8.',
        ) from None
    return {k: v.strip() for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _checked_key(source: _Source) -> str:
    key = source.api_key or ""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise CredentialError(
            f"The API key in {source.name} holds a space, a line break or a special character.",
            hint="Copy it again, without quotes.",
        )
    return key


def _origin(base_url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what a key is bound to. Raises InputError."""
    return _origin_of(read_base_url(base_url))


def _origin_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)
