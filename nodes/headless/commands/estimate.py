"""``lumenfall estimate``: the price of a workflow, told without buying anything.

status      "success"; "error" if a node could not be estimated, or nothing could; "interrupted"
errors      what kept the estimate from being made, as in a run's summary; those of single nodes are in `lines`
total, currency, unknown, approximate, summary, lines     see :meth:`...pricing.result.Estimate.as_dict`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from ...errors import LumenfallError
from ...graph.converting import Converted
from ...host import Interrupted, use
from ...pricing.result import Estimate
from .. import signals
from ..checks import build
from ..folders import Folders
from ..host import Headless
from ..problems import NeedsComfyUI
from ..reading import read
from ..workflow import load, override
from .environment import environment
from .options import DONE, FAILED, WRONG, AsJson, InputFolder, InSandbox, Settings, WorkflowFile, input_beside
from .summary import of_error, without_key


def estimate_file(workflow: Path, settings: list[str], input_folder: Path, *, in_sandbox: bool) -> Estimate:
    """The estimate of a workflow file, with ``settings`` (see :func:`..workflow.override`) written in.

    Raises WorkflowError where the workflow or a setting cannot be used.
    """
    content = read(workflow)
    with signals.held():
        import asyncio

        # torch is waited for where there is something to estimate.
        from ...table import NODE_CLASS_MAPPINGS
        from ..core_nodes import TITLES, free, table

    output_folder = Path("output")  # where a run would write
    core = table(Folders(input_folder, output_folder, output_folder))
    nodes = {**core, **NODE_CLASS_MAPPINGS}
    loaded = load(content, nodes, TITLES)
    with environment(in_sandbox) as overrides:
        host = Headless(overrides, nodes=nodes, free_nodes=free(core))
        with signals.asking(host.stop):
            return asyncio.run(_estimate(loaded, settings, host))


def as_dict(made: Estimate) -> dict[str, Any]:
    """``made`` as ``--json`` prints it."""
    return {"status": "error" if made.unknown else "success", **made.as_dict(), "errors": []}


def no_estimate(error: LumenfallError | None) -> dict[str, Any]:
    """The same where ``error``, or with None the user, kept the estimate from being made."""
    errors = [] if error is None else of_error(error)["errors"]
    return {"status": "interrupted" if error is None else "error", **Estimate(()).as_dict(), "errors": errors}


async def _estimate(loaded: Converted, settings: list[str], host: Headless) -> Estimate:
    nodes = host.node_classes()
    try:
        graph = (await build(loaded.prompt, nodes, settings, dead_ends=loaded.dead_ends)).prompt
    except NeedsComfyUI:
        # Only ComfyUI can check and run it. It can be priced, with stand-ins for what the unknown nodes make.
        graph = override(loaded.prompt, nodes, settings)
    with use(host):
        from ...pricing.estimate import estimate_graph

        return await estimate_graph(graph)


def estimate(
    workflow: WorkflowFile,
    settings: Settings = None,
    input_folder: InputFolder = None,
    sandbox: InSandbox = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a workflow would cost. Nothing is bought; what the store would replay counts as nothing.

    Exit codes: 0 all is known, 1 a node cannot be estimated, 2 the workflow or the command line is wrong.
    """
    text = "Stopped."
    failure: LumenfallError | None = None
    try:
        made = estimate_file(workflow, settings or [], input_folder or input_beside(workflow), in_sandbox=sandbox)
        summary, text, code = as_dict(made), made.text, FAILED if made.unknown else DONE
    except LumenfallError as error:
        summary, text, code, failure = no_estimate(error), str(error), WRONG, error
    except (Interrupted, KeyboardInterrupt):
        summary, code = no_estimate(None), signals.exit_code()
    summary, text = without_key((summary, text), failure)
    if as_json:
        print(json.dumps(summary))
    else:
        typer.echo(text, err=code not in (DONE, FAILED))
    raise typer.Exit(code)
