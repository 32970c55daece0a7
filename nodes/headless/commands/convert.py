"""``lumenfall convert``: a workflow in API format, as ComfyUI's Export (API) writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ...errors import InputError, LumenfallError
from .. import signals
from ..problems import NeedsComfyUI
from ..reading import Content, Prompt, finite, read
from .options import DONE, NEEDS_COMFYUI, WRONG, InputFolder, WorkflowFile, input_beside
from .summary import without_key


def convert(
    workflow: WorkflowFile,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write it. Default: standard output.")
    ] = None,
    input_folder: InputFolder = None,
) -> None:
    """Print a workflow in API format, from any form that run takes. Nothing is run or sent.

    Exit codes: 0 done, 2 no workflow, 3 it has values that only ComfyUI can name.
    """
    code = DONE
    try:
        text = json.dumps(finite(_converted(read(workflow), input_folder or input_beside(workflow))), indent=2)
        if output is None:
            print(text)
        else:
            _write(output, text)
    except LumenfallError as error:
        typer.echo(without_key(str(error), error), err=True)
        code = NEEDS_COMFYUI if isinstance(error, NeedsComfyUI) else WRONG
    raise typer.Exit(code)


def _converted(content: Content, input_folder: Path) -> Prompt:
    if content.prompt is not None:
        return content.prompt
    with signals.held():
        from ...table import NODE_CLASS_MAPPINGS
        from ..core_nodes import TITLES, table
        from ..folders import Folders
        from ..workflow import load, packs_of

    nodes = {**table(Folders(input_folder, input_folder, input_folder)), **NODE_CLASS_MAPPINGS}
    loaded = load(content, nodes, TITLES)
    nameless = {node_id: loaded.prompt[node_id]["class_type"] for node_id in loaded.nameless - loaded.dead_ends}
    if nameless:
        raise NeedsComfyUI(nameless, packs_of(loaded.prompt))
    return loaded.prompt


def _write(path: Path, text: str) -> None:
    from ...host.files import write_durably

    try:
        write_durably(path, f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
