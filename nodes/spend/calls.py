"""One paid request, as the journal knows it."""

from __future__ import annotations

import platform
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from ..errors import Charged

NANOS = 10**9

_PARAMETERS = "asked"
"""The name of a call's parameters in its row and record."""

_ELSEWHERE = ("pictures", "further_keys")
"""What has tables of its own."""


_NAME = re.compile(r"[0-9a-f]{64}[.0-9a-z]*")
"""Of a picture's file. What is read from a disk is not to lead to another."""


class State(str, Enum):
    """How far a call has come. Of two entries the later one in this order is true: who holds the pictures knows more
    than who gave them up.
    """

    SENT = "sent"
    """The request may have left this machine."""
    LOST = "lost"
    """No pictures will come, but money may have been spent."""
    REFUSED = "refused"
    """No pictures will come and nothing was charged."""
    ANSWERED = "answered"
    """The raw answer is on disk, its links are in the journal."""
    DOWNLOADED = "downloaded"
    """Each picture is a file, and the raw answer is there too. Earlier versions entered it on the way."""
    DONE = "done"
    """Each picture is a file; the raw answer is kept only where it held more."""
    CLEANED = "cleaned"
    """Done once; its pictures were removed to make room."""


OPEN = (State.SENT, State.ANSWERED, State.DOWNLOADED)
"""States in which something is still to be done for a call."""


@dataclass(frozen=True)
class Stored:
    """One picture of a call, a file of the store. Raises ValueError for what names none."""

    number: int
    sha256: str
    extension: str
    size: int

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(f"{self.sha256}{self.extension}"):
            raise ValueError("no file of the store is called so")


@dataclass(frozen=True)
class Caller:
    """Who asked for the pictures, for the ledger."""

    run_id: str | None = None
    node_title: str | None = None
    workflow: str | None = None
    graph: Mapping[str, Any] | None = None
    """``{"node": id, "nodes": {id: node}}``: the node that asked, and those that lead to it, in API format."""


def this_machine() -> str:
    return platform.node() or "unnamed"


@dataclass(frozen=True)
class Call:
    """A row of the journal. Costs are in nanos of ``currency``; times are seconds since 1970.

    ``parameters`` are what a person would want to know of the request, its prompt among them. ``facts`` hold what the
    answer said beside its pictures: ``entries``, how many were looked at; ``beyond``, how many more there were;
    ``revised_prompts``; ``notes``; and ``links``, one for each picture, None for one that came inside the answer.
    ``unasked`` tells how often, and with how many bytes, it was tried to fetch them while nobody asked; ``looks``, how
    often the server's log told no cost of it, and ``looked_at`` when it was asked last; ``refused`` names the requests
    that were put off before the last one was sent (None for one without an id), and ``trace`` is the trace id of that
    last one, where it is not the call's own; ``peer`` is the address that the answer
    came from, and ``dated`` when, by the server's clock; ``unreadable``, whether what came was read in vain;
    ``doubted``, whether it was refused in a way that may come after the work, which the server's log did not confirm;
    ``put_off``, whether that asked for it to be sent again later; ``given_up``, when the user has said that equal
    requests are to be sent all the same; ``approximate``, whether the server named no cost, so that it was told from
    its tokens and a price list.
    """

    key: str
    server: str
    endpoint: str
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = State.SENT
    charged: Charged = Charged.UNKNOWN
    facts: Mapping[str, Any] = field(default_factory=dict)
    sent_at: float = field(default_factory=lambda: time.time())
    used_at: float = field(default_factory=lambda: time.time())
    delivered_at: float | None = None
    seconds: float | None = None
    reserved: int | None = None
    cost: int | None = None
    currency: str | None = None
    executed_model: str | None = None
    provider: str | None = None
    request_id: str | None = None
    run_id: str | None = None
    node_title: str | None = None
    workflow: str | None = None
    graph: Mapping[str, Any] | None = None
    error: str | None = None
    worker: str = field(default_factory=this_machine)
    """The machine that ordered it."""
    pictures: tuple[Stored, ...] = ()
    further_keys: tuple[str, ...] = ()
    """Keys of the same request under other names of the model, as they were known when it was sent."""

    @property
    def cost_in_units(self) -> float | None:
        """The confirmed cost in units of ``currency``."""
        return None if self.cost is None else self.cost / NANOS

    @property
    def is_approximate(self) -> bool:
        """Whether the cost was told from tokens and a price list."""
        return self.cost is not None and "approximate" in self.facts

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done for it."""
        return self.state in OPEN

    @property
    def is_whole(self) -> bool:
        """Whether its pictures are all that its answer held."""
        return len(self.pictures) == self.facts.get("entries") and not self.facts.get("beyond")

    def picture(self, number: int) -> Stored | None:
        return next((picture for picture in self.pictures if picture.number == number), None)

    def with_picture(self, stored: Stored) -> Call:
        others = (picture for picture in self.pictures if picture.number != stored.number)
        return replace(self, pictures=tuple(sorted((*others, stored), key=lambda picture: picture.number)))

    def columns(self) -> dict[str, Any]:
        """The row of ``calls``, without its number."""
        row = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _ELSEWHERE}
        row[_PARAMETERS] = row.pop("parameters")
        row |= {"state": self.state.value, "charged": self.charged.value}
        # What a server sends must not keep a paid call from being entered.
        row["currency"] = self.currency and self.currency.strip().upper()[:16]
        return {
            name: _storable(value) if isinstance(value, str) or name == _PARAMETERS else value
            for name, value in row.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        pictures = [asdict(picture) for picture in self.pictures]
        return {**self.columns(), "pictures": pictures, "further_keys": list(self.further_keys)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Call:
        """The call in a row or a record. Raises ValueError, KeyError or TypeError for anything else."""
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in content.items() if name in known}
        values["parameters"] = content.get(_PARAMETERS, {})
        values["state"] = State(values["state"])
        values["charged"] = Charged(values["charged"])
        values["pictures"] = tuple(Stored(**picture) for picture in content.get("pictures", ()))
        values["further_keys"] = tuple(content.get("further_keys", ()))
        return cls(**values)


def _storable(value: Any) -> Any:
    """``value`` with texts that every database takes, and finds: no half of a surrogate pair, and for PostgreSQL no
    null characters.
    """
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")
    if isinstance(value, Mapping):
        return {name: _storable(inside) for name, inside in value.items()}
    return [_storable(inside) for inside in value] if isinstance(value, (list, tuple)) else value


def clock(moment: float) -> str:
    """A time for people, in their own time zone."""
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M:%S")


def nanos(amount: float | Decimal) -> int:
    """An amount of money as the server writes it, exactly."""
    return int((Decimal(str(amount)) * NANOS).to_integral_value())
