"""The command line, ``lumenfall``: its commands (each in a file of its own), signals, and how it ends.

torch and the nodes take a while to import, so commands import what they use.
"""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import typer

from ..purchase import background
from . import signals
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

app = typer.Typer(
    help="Lumenfall image workflows without ComfyUI.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script."""
    forgive()
    with signals.heard():
        try:
            app(prog_name="lumenfall")
        except SystemExit as stop:
            signals.ignore()
            # Typer has already told the person; whoever reads --json gets the object that every run ends with.
            usage = getattr(stop.__context__, "format_message", None)
            if usage is not None and "--json" in sys.argv:
                from .commands.summary import of_usage

                print(json.dumps(of_usage(usage())))
            if isinstance(getattr(stop.__context__, "__cause__", None), KeyboardInterrupt):
                _break_off()
            raise
        except KeyboardInterrupt:
            _break_off()
        finally:
            if signals.count() > 1:
                background.leave()


def _break_off() -> NoReturn:
    """The end where a signal came before or after the part of a command that handles it."""
    signals.ignore()
    if "--json" in sys.argv:
        from .commands.summary import of_break_off

        print(json.dumps(of_break_off()))
    sys.exit(signals.exit_code())


app.command(epilog=EXIT_CODES)(run)
app.command()(estimate)
app.command()(sandbox)
app.command()(models)
app.command()(playground)
app.command()(spend)
app.command()(limits)
app.add_typer(store, name="store")
app.command()(recover)
app.command()(receipt)
