"""The command line, ``lumenfall``: its commands (each in a file of its own), and how it ends.

What commands are made of takes a while to import, so only the one that is asked for is imported, and it imports torch
and the nodes where it uses them.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Annotated, Any, NoReturn

import typer

from . import signals, wrong_files
from .commands.options import CORE_NODES, EXIT_CODES
from .streams import lasting
from .version import sentence

COMMANDS = {
    "run": "Run a workflow.",
    "estimate": "Tell what a workflow would cost.",
    "check": "Look at a workflow before it is shared.",
    "convert": "Print a workflow in API format.",
    "sandbox": "Serve a stand-in for the API: no key, no cost.",
    "models": "List the image models of the server.",
    "playground": "Serve the pack in ComfyUI's browser frontend, without ComfyUI.",
    "spend": "Show what was spent.",
    "limits": "Show or set what may be spent.",
    "store": "Look at, copy and clear the store of pictures.",
    "recover": "Fetch pictures that were paid for and never arrived.",
    "receipt": "Tell what a saved picture cost.",
}
"""Each is a file of its name in commands/, with a function of its name, or a Typer with further commands."""

EXAMPLES = {
    "run": 'lumenfall run picture.png --set "Generate Image.prompt=a fox" --output out',
    "estimate": "lumenfall estimate workflow.json --set LumenfallGenerate.n=4",
    "check": "lumenfall check workflow.json --fix",
    "convert": "lumenfall convert workflow.json --output api.json",
    "sandbox": "lumenfall sandbox --latency 2",
    "models": "lumenfall models --mode edit",
    "playground": "lumenfall playground --sandbox",
    "spend": "lumenfall spend --by model",
    "limits": "lumenfall limits --day 5 --month 50",
    "store": "lumenfall store export pictures",
    "recover": "lumenfall recover --output pictures",
    "receipt": "lumenfall receipt picture.png",
}

EPILOGS = {"run": [CORE_NODES, EXIT_CODES], "playground": [CORE_NODES]}
"""What stands below the help of a command, beside its example."""


def main() -> None:
    """The command line for who has imported it: the console script of earlier installations, and tests."""
    with lasting(), signals.heard():
        start(prepared())


def start(app: typer.Typer) -> NoReturn:
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
            from ..purchase import background

            background.leave()


def _refuse_wrong_file(command: Any) -> None:
    try:
        wrong_files.refuse(command, sys.argv[2:])
    except typer.Exit as stop:
        sys.exit(stop.exit_code)


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


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def prepared() -> typer.Typer:
    """The commands: the one that ``sys.argv`` names, else the names of all. Leaves where that is given a wrong file."""
    app = typer.Typer(
        help="Lumenfall image workflows without ComfyUI.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    asked = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    for name, line in COMMANDS.items():
        if asked not in COMMANDS:
            app.command(name, help=line)(lambda: None)
        elif name == asked:
            _add(app, name)
    return app


def _add(app: typer.Typer, name: str) -> None:
    command: Any = getattr(importlib.import_module(f".commands.{name}", __package__), name)
    if not isinstance(command, typer.Typer) and not signals.count():
        _refuse_wrong_file(command)
    # Typer imports it when it reads the arguments, where a signal would not wait for that.
    import pydantic  # noqa: F401

    epilog = "\n\n".join([f"Example: {EXAMPLES[name]}", *EPILOGS.get(name, ())])
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, epilog=epilog)
    else:
        app.command(epilog=epilog)(command)
