"""What is to be mended before a file is shared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """``code`` says of which kind it is, ``message`` what is there, ``advice`` what to do. ``fixable``: a cleaned copy
    is without it. The node is None for what stands beside the nodes.
    """

    code: str
    message: str
    advice: str
    fixable: bool
    node_id: str | None = None
    title: str | None = None
    class_type: str | None = None

    def __str__(self) -> str:
        name = f' "{self.title}"' if self.title and self.title != self.class_type else ""
        kind = f" ({self.class_type})" if self.class_type else ""
        place = f"node {self.node_id}{name}{kind}: " if self.node_id is not None else ""
        message = self.message if place else self.message[0].upper() + self.message[1:]
        return f"{place}{message} {self.advice}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, though a picture carries the same graph in two forms, one of which puts a path before an id."""
    named = {(each.code, (each.node_id or "").rpartition(":")[2], each.message): each for each in reversed([*findings])}
    return list(reversed(named.values()))
