"""``lumenfall playground``: the pack in ComfyUI's own browser frontend, without ComfyUI."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from ...errors import LumenfallError
from ...purchase import background
from .. import signals

CANNOT_START = 2


def playground(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8188,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox/--server", help="A built-in stand-in for the API: no key, no cost; or the server."),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="For pictures, settings and saved workflows.")
    ] = Path("output/playground"),
    frontend: Annotated[
        Path | None,
        typer.Option("--frontend", metavar="DIR", help="A built frontend. Default: comfyui-frontend-package."),
    ] = None,
) -> None:
    """Serve the pack in ComfyUI's browser frontend until Ctrl-C or another signal, without ComfyUI.

    It knows the nodes of this pack and the core image nodes, and is open to this machine only.
    """
    with signals.held():
        from ..playground import running

    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            running(output, port=port, frontend=frontend, sandbox=sandbox) as server,
        ):
            print(f"The playground is open at {server.url} and keeps its files in {server.folders.root}.")
            print("It runs on the sandbox: nothing is really paid." if sandbox else "It runs on the real server.")
            print("Ctrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
        if sandbox:
            background.leave()
        else:
            # A stopped node's call is still in the air.
            signals.wait_for_what_is_paid()
    except LumenfallError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(CANNOT_START) from None
    except OSError as error:
        typer.echo(f"Port {port} cannot be used: {error.strerror}", err=True)
        raise typer.Exit(CANNOT_START) from None
