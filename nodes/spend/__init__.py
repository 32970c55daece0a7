"""What was paid for: the journal of calls, the store of pictures, limits, and the ledger."""

from .budget import Limits
from .calls import NANOS, Call, Caller, State, Stored, clock, nanos
from .cleaning import GIGABYTE, Cleaned, clean, remove
from .files import Files
from .journal import LINK_LIFE, LONGEST_LINK_LIFE, Journal
from .key import former_key, request_key
from .ledger import (
    By,
    Total,
    counted,
    entries,
    in_the_air,
    kept,
    newest,
    picture_count,
    total,
    totals,
    typical_seconds,
    uncertain,
    with_picture,
)
from .locks import KeyLock

__all__ = [
    "GIGABYTE",
    "LINK_LIFE",
    "LONGEST_LINK_LIFE",
    "NANOS",
    "By",
    "Call",
    "Caller",
    "Cleaned",
    "Files",
    "Journal",
    "KeyLock",
    "Limits",
    "State",
    "Stored",
    "Total",
    "clean",
    "clock",
    "counted",
    "entries",
    "former_key",
    "in_the_air",
    "kept",
    "nanos",
    "newest",
    "picture_count",
    "remove",
    "request_key",
    "total",
    "totals",
    "typical_seconds",
    "uncertain",
    "with_picture",
]
