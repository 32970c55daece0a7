"""What the commands about paid calls share: failing in words, and writing a call down."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from ...errors import LumenfallError
from ...host import Interrupted
from ...spend import NANOS, Call, picture_count
from .. import signals

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
WIDE = 200
"""Columns of a table that goes into a file or another program."""


@contextlib.contextmanager
def failing_in_words(as_json: bool) -> Iterator[None]:
    """Ends the command where the block raises a LumenfallError or is stopped; with ``as_json`` it prints
    {"error": the shape of LumenfallError.as_dict(), or None for Ctrl-C} first.
    """
    try:
        yield
    except LumenfallError as error:
        if as_json:
            print(json.dumps({"error": error.as_dict()}))
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except (Interrupted, KeyboardInterrupt):
        if as_json:
            print(json.dumps({"error": None}))
        raise typer.Exit(signals.exit_code()) from None


def console() -> Console:
    """Stdout, for tables: as wide as the terminal, and wide enough for everything elsewhere."""
    from rich.console import Console

    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else WIDE)


def as_dict(call: Call) -> dict[str, Any]:
    """A call as JSON has it: ``cost`` and ``reserved`` in units of ``currency``, ``approximate`` whether the cost was
    told from tokens and a price list, ``sent_at`` an ISO time with its offset, ``pictures`` how many came.
    """
    return {
        "id": call.id,
        "request_id": call.request_id,
        "sent_at": iso_time(call.sent_at),
        "model": call.model,
        "executed_model": call.executed_model,
        "provider": call.provider,
        "server": call.server,
        "node_title": call.node_title,
        "workflow": call.workflow,
        "run_id": call.run_id,
        "state": call.state.value,
        "charged": call.charged.value,
        "delivered": call.delivered_at is not None,
        "pictures": picture_count(call),
        "seconds": call.seconds,
        "cost": call.cost_in_units,
        "approximate": call.is_approximate,
        "reserved": None if call.reserved is None else call.reserved / NANOS,
        "currency": call.currency or ("USD" if call.cost is not None or call.reserved is not None else None),
        "prompt": call.parameters.get("prompt"),
    }


def print_object(found: Mapping[str, Any]) -> None:
    """Print one JSON object. An iterator in it becomes a list that is never in memory as a whole."""
    separator = "{"
    for name, value in found.items():
        sys.stdout.write(f"{separator}{json.dumps(name)}: ")
        separator = ", "
        if isinstance(value, Iterator):
            inner = "["
            for entry in value:
                sys.stdout.write(f"{inner}{json.dumps(entry)}")
                inner = ", "
            sys.stdout.write("[]" if inner == "[" else "]")
        else:
            sys.stdout.write(json.dumps(value))
    sys.stdout.write("}\n")


def iso_time(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="seconds")


def money(amount: int | None) -> str:
    """Nanos as units, exactly, with two decimals or more; nothing where the amount is not known."""
    if amount is None:
        return ""
    whole, _, decimals = f"{Decimal(amount) / NANOS:.9f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def size_text(size: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def one_line(text: object, width: int = 10**6) -> str:
    """Text that others wrote, safe for a terminal: no control characters, and at most ``width`` letters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."
