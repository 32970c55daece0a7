"""The key of a request: equal for two requests exactly when their users asked for the same picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_CARRIAGE = frozenset({"response_format", "stream", "partial_images", "user", "safety_identifier"})
"""Parameters that change how a picture travels, or for whom it is made, and not the picture."""


def request_key(
    server: str,
    operation: str,
    model: str,
    prompt: str | None,
    parameters: Mapping[str, Any],
    seed: int,
    pictures: Sequence[str],
    mask: str | None,
    node: Mapping[str, Any] | None = None,
    markup: str | None = None,
) -> str:
    """SHA-256, in hex, over what was asked: as it was typed, never as it is written on the wire, which depends on what
    happens to be known of the model.

    ``model`` is the slug, ``node`` what the node asks beside the request's parameters. ``pictures``, ``mask`` and
    ``markup`` are digests of pixels, not of files: the same pixels make the same key under every version of the PNG
    encoder. ``seed`` is the number of the take, whether it is sent or not.
    """
    return _digest(
        version=2,
        server=server,
        operation=operation,
        model=model,
        prompt=prompt or None,
        parameters={name: _plain(value) for name, value in parameters.items() if name not in _CARRIAGE},
        seed=seed,
        pictures=list(pictures),
        mask=mask,
        node=_plain(dict(node or {})),
        # What was bought before there was markup has the key that it always had.
        **({"markup": markup} if markup else {}),
    )


def former_keys(
    servers: Iterable[str],
    endpoint: str,
    fields: Mapping[str, Any],
    seed: int,
    pictures: Sequence[str],
    mask: str | None,
) -> Iterator[str]:
    """The keys by which version 0.1 of this pack entered a request, over its ``fields`` on the wire, one for each
    spelling of its server's address.
    """
    # Sorted by name, the address comes last but one: what stands before it is hashed once for all.
    rest = {"endpoint": endpoint, "fields": dict(fields), "mask": mask, "pictures": list(pictures), "seed": seed}
    beginning = hashlib.sha256(f'{_text(rest)[:-1]},"server":'.encode())
    for server in servers:
        whole = beginning.copy()
        whole.update(f'{_text(server)},"version":1}}'.encode())
        yield whole.hexdigest()


def _digest(**content: Any) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _text(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """``value`` with 4 for 4.0, as JSON means it."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
