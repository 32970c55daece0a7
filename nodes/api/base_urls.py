"""A base URL as people paste it, and as requests need it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import httpx

from ..errors import InputError
from .addresses import is_loopback

BASE_URL = "BASE_URL"
"""The code of what is wrong with one."""

WEB_PAGES: set[str] = set()
"""The base URLs under which a page came where a list of models should have been."""

DEFAULT_BASE_URL = "https://api.lumenfall.ai/openai/v1"

QUOTES = "\"'`\u201c\u201d\u2018\u2019\u200b\u2060\ufeff"
"""What stands around what was copied; the last three are not even seen."""

AZURE = " Azure's, without api-version, is https://NAME.openai.azure.com/openai/v1."

_ENDPOINTS = re.compile(r"(/images(/(generations|edits|variations))?|/chat/completions|/responses|/models)$")


@lru_cache(maxsize=16)
def read_base_url(text: str) -> str:
    """``text`` without what comes along as it is copied: quotes around it, a sign or a slash at its end, the path of
    one endpoint; and with the scheme that it lacks, ``http`` on this machine and ``https`` elsewhere.

    Raises InputError for what is no usable address, also where it holds a user name or a query.
    """
    base_url = text.strip().strip(QUOTES + "<>").strip().rstrip("/#?.,;")
    base_url = _ENDPOINTS.sub("", base_url).rstrip("/")
    try:
        if "://" not in text:
            base_url = f"http://{base_url}" if is_loopback(f"http://{base_url}") else f"https://{base_url}"
        usable = _is_usable(base_url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise InputError(
            "The configured base URL is not a usable address.",
            code=BASE_URL,
            hint=f"It looks like {DEFAULT_BASE_URL}: http or https, no user name, no query.{_azure(text)}",
        )
    # A zone as systems write it: in a URL its % is %25 (RFC 6874).
    return re.sub(r"(//\[[^]%]*)%25", r"\1%", base_url, count=1)


def _azure(text: str) -> str:
    """What takes the place of its older addresses, which cannot be used here."""
    return AZURE if "api-version" in text or ".azure.com" in text.lower() else ""


def _is_usable(base_url: str) -> bool:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        return False
    if parts.username is not None or parts.query or parts.fragment:
        return False
    # The client takes neither blanks nor control characters, which urlsplit() removes without a word.
    if not base_url.isprintable() or any(character.isspace() for character in base_url):
        return False
    # A scheme with a slip of the pen: the key would go to a machine of that name.
    if re.fullmatch(r"https?\W*", parts.hostname) or "\\" in base_url:
        return False
    return bool(httpx.URL(base_url).host)


def names_version(base_url: str) -> bool:
    """Whether its path has a version of an API in it, such as ``/v1``."""
    return re.search(r"/v\d", urlsplit(base_url).path) is not None


def is_web_page(headers: Mapping[str, str], body: bytes) -> bool:
    start = body[:1000].lstrip().lower()
    return "html" in headers.get("content-type", "") and start.startswith((b"<!doctype html", b"<html"))


def no_api(base_url: str) -> InputError:
    """The error for a base URL under which a web server shows its pages."""
    return InputError(
        f"{base_url} is the address of a web page, not of an API: a list of models was asked for, and a page came.",
        code=BASE_URL,
        hint=f"Try {base_url}/v1 as the base URL. Nothing was sent. Where it is right as it is, and only has no list "
        'of models, set LUMENFALL_CHECK_BASE_URL=off, or "check_base_url": false in settings.json.',
    )


def require_api(base_url: str) -> None:
    """Raise InputError where there is none, as far as is known: the page would come in a picture's place, too."""
    if base_url in WEB_PAGES:
        raise no_api(base_url)
