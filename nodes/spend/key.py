"""The key of a request: equal for two requests exactly when they would order the same picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def request_key(
    server: str, endpoint: str, fields: Mapping[str, Any], seed: int, pictures: Sequence[str], mask: str | None
) -> str:
    """SHA-256, in hex, over everything that decides what comes back.

    ``fields`` are those on the wire, the model among them; ``pictures`` and ``mask`` are digests of pixels, not of
    files: the same pixels make the same key under every version of the PNG encoder. ``seed`` counts whether it is
    sent or not, as the number of the take.
    """
    content = {
        "version": 1,
        "server": server,
        "endpoint": endpoint,
        "fields": dict(fields),
        "seed": seed,
        "pictures": list(pictures),
        "mask": mask,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
