"""The command line, ``lumenfall``: its commands (each in a file of its own), and how it ends.

torch and the nodes take a while to import, so commands import what they use.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, NoReturn

import typer

from ..purchase import background
from . import signals
from .commands.convert import convert
from .commands.estimate import estimate
from .commands.limits import limits
from .commands.models import models
from .commands.options import EXIT_CODES
from .commands.playground import playground
from .commands.receipt import receipt
from .commands.recover import recover
from .commands.run import run
from .commands.sandbox import sandbox
from .commands.spend import spend
from .commands.store import store
from .streams import forgive
from .version import sentence

app = typer.Typer(
    help="Lumenfall image workflows without ComfyUI.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The command line for who has imported it: the console script of earlier installations, and tests."""
    forgive()
    with signals.heard():
        start()


def start() -> NoReturn:
    """Run the command that ``sys.argv`` names, and leave with its exit code. Signals are heard by now."""
    try:
        app(prog_name="lumenfall")
        raise AssertionError("unreachable: the app leaves")
    except SystemExit as stop:
        signals.ignore()
        # Typer has already told the person; whoever reads --json gets the object that every run ends with.
        usage = getattr(stop.__context__, "format_message", None)
        if usage is not None and "--json" in sys.argv:
            from .commands.summary import of_usage

            print(json.dumps(of_usage(usage())))
        if isinstance(getattr(stop.__context__, "__cause__", None), KeyboardInterrupt):
            break_off()
        raise
    except KeyboardInterrupt:
        break_off()
    finally:
        if signals.count() > 1:
            background.leave()


def break_off() -> NoReturn:
    """The end where a signal came before or after the part of a command that handles it."""
    signals.ignore()
    if "--json" in sys.argv:
        from .commands.summary import of_break_off

        print(json.dumps(of_break_off()))
    sys.exit(signals.exit_code())


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        print(sentence())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command(epilog=EXIT_CODES)(run)
app.command()(estimate)
app.command()(convert)
app.command()(sandbox)
app.command()(models)
app.command()(playground)
app.command()(spend)
app.command()(limits)
app.add_typer(store, name="store")
app.command()(recover)
app.command()(receipt)
