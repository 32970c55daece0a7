"""Answers as other servers give them, as the sandbox plays them: no shape costs a paid picture."""

from __future__ import annotations

from tests.faults.answers import THREE, THREE_B64, delivered
from tests.faults.table import B64

ROWS = [
    *(
        delivered(shape, 3, name=f"{shape} of {kind}", inputs=inputs)
        for shape in ("images-list", "bare-list", "strings", "image-url", "image-url-object", "event-stream")
        for kind, inputs in (("links", THREE), ("base64", THREE_B64))
    ),
    delivered("data-uris", 3, inputs=THREE_B64),
    delivered("picture-body", inputs=B64),
    delivered("keep-alive", 3, inputs=THREE),
]
