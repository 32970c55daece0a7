"""Whom an encrypted connection trusts, and what helps where it does not."""

from __future__ import annotations

import os
import re
import ssl
import sys
from functools import lru_cache
from pathlib import Path

import httpx

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those of OpenSSL and httpx, requests and curl; the first one that is set decides, alone."""


def certificates() -> ssl.SSLContext:
    """Those that the environment names, else those of the system and of certifi together. Reading them takes a while,
    so all clients share them. Raises OSError, ValueError.
    """
    names = tuple(os.environ.get(name) or None for name in VARIABLES)
    # httpx 0.27 passes over one that is not there.
    return _read(names, *(Path(name).stat().st_mtime_ns for name in names if name))


@lru_cache(maxsize=1)
def _read(names: tuple[str | None, ...], *changed: int) -> ssl.SSLContext:
    of_openssl, of_others = any(names[:2]), next(filter(None, names[2:]), None)
    if of_others and not of_openssl:
        if Path(of_others).is_dir():
            return ssl.create_default_context(capath=of_others)
        return ssl.create_default_context(cafile=of_others)
    if not of_openssl and sys.platform in ("darwin", "win32"):
        try:
            import truststore
        except ImportError:
            pass
        else:
            # Python by itself reads nothing of macOS's keychain, and only what Windows has used before.
            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context()
    if not of_openssl:
        # What a company adds to the system; beside certifi, as a container may have none.
        context.load_default_certs()
    return context


_MALFORMED = re.compile(
    r"(authority|subject) key identifier|basic constraints|key usage|marked critical|(issuer|subject)[\w ]* empty"
    r"|x509v3",
    re.IGNORECASE,
)
"""What OpenSSL says of a certificate that X509_V_FLAG_X509_STRICT finds wrong (openssl/crypto/x509/x509_txt.c)."""


def is_of_certificates(error: BaseException) -> bool:
    """Whether encryption failed for a certificate that is not trusted, or is another machine's."""
    return "CERTIFICATE" in str(error).upper()


def certificate_advice(error: BaseException) -> str:
    """What to change after ``error``, which is of certificates."""
    text = str(error)
    if _MALFORMED.search(text):
        return (
            "The certificate is malformed, trusted or not, and Python 3.13 and later refuse such a one: naming it in "
            "SSL_CERT_FILE does not help. It comes from whatever inspects the connection (a company's proxy, a virus "
            "scanner). Its administrator has to issue it anew, with key usage and key identifiers (RFC 5280); until "
            "then exempt this server from inspection, or run ComfyUI with Python 3.12."
        )
    if re.search(r"hostname mismatch|IP address mismatch|not valid for", text, re.IGNORECASE):
        return (
            "The certificate is another machine's, so SSL_CERT_FILE does not help: check the base URL, and what is "
            "between (a proxy, the login page of a network)."
        )
    if "expired" in text or "not yet valid" in text:
        return "The certificate is not valid now. Check this machine's clock; else its owner has to renew it."
    native = ", or pip install truststore in ComfyUI's Python, so that the system's count"
    # An environment of conda's sets one by itself.
    decisive = next((name for name in VARIABLES if os.environ.get(name)), None)
    names = f"{decisive}, which is set and decides alone," if decisive else "SSL_CERT_FILE (or REQUESTS_CA_BUNDLE)"
    return (
        "Behind a company's proxy or a virus scanner that inspects connections, point "
        f"{names} at its certificate{native if sys.platform in ('darwin', 'win32') else ''}."
    )
