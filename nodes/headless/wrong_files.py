"""A file that is no workflow is told before Typer reads the command line, for which it imports pydantic."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .problems import NoWorkflow
from .reading import STDIN, read

MAX_BYTES = 2**20
"""A larger file takes longer to read than pydantic does, and would be read twice."""


def refuse(command: Callable[..., None], arguments: Sequence[str]) -> None:
    """Let ``command`` tell what is wrong with its file, as it does in any case. Nothing happens where nothing is wrong,
    or where Typer has to read the ``arguments``. Raises what the command leaves by.
    """
    options = _options(command)
    workflow = None if options is None else _workflow(options, arguments)
    if workflow is None or workflow == STDIN:
        return
    try:
        # What is read from a pipe is gone for the command.
        facts = workflow.stat()
        if stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_BYTES:
            read(workflow)
        return
    except (NoWorkflow, OSError):
        pass
    except Exception:
        return  # of a workflow with something else wrong, and a bug, there is more to say
    command(workflow, **({"as_json": True} if "--json" in arguments else {}))


def _options(command: Callable[..., None]) -> dict[str, bool] | None:
    """The options of a command that begins with a workflow, and whether a value follows; None for other commands."""
    hints = get_type_hints(command, include_extras=True)
    if "workflow" not in hints:
        return None
    options = {}
    for name, hint in hints.items():
        if get_origin(hint) is Annotated and name != "workflow":
            kind, told = get_args(hint)[:2]
            # In an annotation the first name stands where elsewhere the default does.
            names = [name for name in (told.default, *(told.param_decls or ())) if isinstance(name, str)]
            options.update(dict.fromkeys(names, kind is not bool))
    return options


def _workflow(options: dict[str, bool], arguments: Sequence[str]) -> Path | None:
    found: list[Any] = []
    left = iter(arguments)
    for argument in left:
        if not argument.startswith("-"):
            found.append(argument)
        elif argument not in options or (options[argument] and next(left, None) is None):
            return None
    return Path(found[0]) if len(found) == 1 else None
