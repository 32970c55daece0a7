"""``lumenfall recover``: pictures that were paid for and never arrived, as files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from ...host import use
from ...purchase.session import Session
from .. import signals
from ..host import Headless
from .exports import export, make_folder
from .printing import FAILED, as_dict, failing_in_words


def recover(
    name: Annotated[
        str, typer.Argument(metavar="[ID]", help="A request id, or the first 8 digits or more of a call id.")
    ] = "",
    output_folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where the pictures go.")] = Path(
        "output"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Fetch pictures that were paid for and never arrived: those of ID, or the newest. Nothing is ordered or paid."""
    host = Headless()
    with failing_in_words(as_json), use(host):
        # Once they count as delivered, they must also be there.
        make_folder(output_folder)
        with signals.held():
            from ...purchase import origin, recovery

        with signals.asking(host.stop):
            (delivery,) = asyncio.run(recovery.recover(name, origin.HiddenInputs())).deliveries
        files = Session(host).journal.files
        paths = [export(files, delivery.call, stored, output_folder) for stored in delivery.call.pictures]
    images = [str(path) for path in paths if path is not None]
    if as_json:
        print(json.dumps({"images": images, "call": as_dict(delivery.call), "notes": list(delivery.notes)}))
    else:
        for path in images:
            print(path)
        for note in delivery.notes:
            typer.echo(f"Note: {note}", err=True)
    if len(images) < len(paths):
        raise typer.Exit(FAILED)
