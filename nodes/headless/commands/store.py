"""``lumenfall store``: the pictures that were paid for, as they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import InputError
from ...purchase.session import Session
from ...spend import (
    GIGABYTE,
    Call,
    Journal,
    State,
    clean,
    clock,
    kept,
    kept_count,
    newest_kept,
    picture_count,
    remove,
    stored_size,
)
from ..host import Headless
from .exports import export as export_picture
from .exports import make_folder
from .printing import FAILED, as_dict, console, failing_in_words, iso_time, money, one_line, print_object, size_text

store = typer.Typer(help="Look at, copy and clear the store of pictures.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
LISTED = 200
"""Calls in a table, where nothing else is said."""

ID_HELP = "A request id, or the first 8 digits or more of a call id."


@store.command("list")
def list_calls(
    last: Annotated[int, typer.Option(min=1, help="How many calls to list, the newest.")] = LISTED,
    as_json: AsJson = False,
) -> None:
    """List the calls whose pictures are kept, the newest last."""
    with failing_in_words(as_json):
        session = Session(Headless())
        journal, settings = session.journal, session.settings
        size = stored_size(journal)
        if as_json:
            listed = ({**as_dict(call), "size": _size(call)} for call in kept(journal))
            print_object({"calls": listed, "size": size, "limit": round(settings.store_gb * GIGABYTE)})
            return
        calls, count = newest_kept(journal, last), kept_count(journal)
    from rich.table import Table

    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("id", "time", "model", "prompt"):
        table.add_column(name, overflow="fold")
    for name in ("pictures", "size", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state")
    for call in calls:
        words = [one_line(call.model, 40), one_line(call.parameters.get("prompt") or "", 40)]
        amounts = [str(picture_count(call)), size_text(_size(call)), money(call.cost)]
        table.add_row(call.id[:8], clock(call.sent_at), *words, *amounts, _state(call))
    if calls:
        out.print(table)
    if len(calls) < count:
        out.print(f"The newest {len(calls)} of {count} calls; --last lists more, --json has all.")
    out.print(f"{count} call{'s' * (count != 1)}, {size_text(size)} of {settings.store_gb:g} GB")


@store.command()
def show(name: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP)], as_json: AsJson = False) -> None:
    """Show everything that is known of a call, and where its pictures lie."""
    with failing_in_words(as_json):
        journal = Session(Headless()).journal
        found = everything(journal, _find(journal, name))
    if as_json:
        print(json.dumps(found))
    else:
        print_everything(found)


@store.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to. Made if it does not exist.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help=f"{ID_HELP} Default: all.")] = None,
) -> None:
    """Copy pictures under readable names. Nothing is overwritten."""
    with failing_in_words(False):
        journal = Session(Headless()).journal
        calls = iter([_find(journal, name) for name in names]) if names else kept(journal)
        make_folder(folder)
        lost = 0
        for call in calls:
            for stored in call.pictures:
                path = export_picture(journal.files, call, stored, folder)
                lost += path is None
                typer.echo(path or f"Gone from the store, or damaged: {journal.files.name(stored)}", err=path is None)
            if names and not call.pictures:
                lost += 1
                typer.echo(f"{call.request_id or call.id[:8]} has no pictures in the store.", err=True)
    raise typer.Exit(FAILED if lost else 0)


@store.command("clean")
def clean_store(
    to: Annotated[
        float | None, typer.Option(metavar="GB", min=0, help="How much may stay. Default: the limit of the settings.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="Leave nothing but what never arrived.")] = False,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="With --all: also what was paid for and never arrived.")
    ] = False,
) -> None:
    """Remove the pictures that were not used for longest. The ledger stays; what is unfinished is left alone."""
    if everywhere and to is not None:
        raise typer.BadParameter("choose one of --all and --to")
    if undelivered and not everywhere:
        raise typer.BadParameter("--undelivered goes with --all only")
    with failing_in_words(False):
        session = Session(Headless())
        journal, settings = session.journal, session.settings
        calls, size = kept_count(journal), stored_size(journal)
        clean(journal, 0.0 if everywhere else settings.store_gb if to is None else to)
        if undelivered:
            for call in kept(journal):
                if call.state is State.DONE and call.delivered_at is None:
                    remove(journal, call)
        removed, left = calls - kept_count(journal), stored_size(journal)
    typer.echo(
        f"Removed {size_text(size - left)} of {removed} call{'s' * (removed != 1)}; {size_text(left)} left, "
        f"the limit is {settings.store_gb:g} GB."
    )


def everything(journal: Journal, call: Call) -> dict[str, Any]:
    """A call with all that the journal knows, and ``files``: absolute paths, None for a file that is gone."""
    # Links open without a key for an hour; they do not belong on a screen.
    facts = {name: value for name, value in call.facts.items() if name != "links"}
    paths = [
        str(journal.files.path(stored).resolve()) if journal.files.has(stored) else None for stored in call.pictures
    ]
    return {
        **as_dict(call),
        "key": call.key,
        "endpoint": call.endpoint,
        "asked": dict(call.parameters),
        "facts": facts,
        "error": call.error,
        "used_at": iso_time(call.used_at),
        "delivered_at": None if call.delivered_at is None else iso_time(call.delivered_at),
        "files": paths,
    }


def print_everything(found: dict[str, Any]) -> None:
    """The same for people: a line for each thing that is known."""
    for name, value in found.items():
        if name == "files":
            for path in value:
                typer.echo(f"{'file':14}{path or 'gone from the store'}")
        elif isinstance(value, dict):
            for key, inner in value.items():
                typer.echo(f"{name + '.' + key:24}{one_line(inner)}")
        elif value is not None:
            typer.echo(f"{name:14}{one_line(value)}")


def _find(journal: Journal, name: str) -> Call:
    journal.open()  # enters what the database missed
    call = journal.find(name.strip())
    if call is None:
        raise InputError(
            f"No call has the id {one_line(name, 60)}.", code="NOT_FOUND", hint="See lumenfall store list."
        )
    return call


def _size(call: Call) -> int:
    return sum(stored.size for stored in call.pictures)


def _state(call: Call) -> str:
    return call.state.value if call.delivered_at else f"{call.state.value}, never arrived"
