"""``lumenfall sandbox``: the stand-in for the API, served on this machine."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

import typer

from .. import signals
from .options import WRONG


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8787,
    latency: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait before each answer.")] = 0.0,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME[:COUNT]", help="Fail COUNT times; a wrong name lists all."),
    ] = None,
) -> None:
    """Serve a stand-in for the API until Ctrl-C or another signal: deterministic pictures, no key, no cost."""
    with signals.held():
        from ..sandbox import FAULTS, running

    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            running(port=port, latency=latency, faults=faults or []) as server,
        ):
            print("Start ComfyUI with this variable; no API key is needed. Ctrl-C ends the sandbox.")
            print(f"LUMENFALL_BASE_URL={server.base_url}", flush=True)
            while True:
                time.sleep(3600)
    except ValueError as error:
        typer.echo(f"{error}\nFaults: {', '.join(FAULTS)}", err=True)
        raise typer.Exit(WRONG) from None
    except OSError as error:
        typer.echo(f"Port {port} cannot be used: {error.strerror}", err=True)
        raise typer.Exit(WRONG) from None
