"""What ``lumenfall estimate`` does: the price of a workflow, told without buying anything.

status      "success"; "error" if a node could not be estimated, or nothing could; "interrupted"
errors      what kept the estimate from being made, as in a run's summary; those of single nodes are in `lines`
total, currency, unknown, approximate, summary, lines     see :meth:`..quote.Quote.as_dict`
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import LumenfallError
from ..estimate import estimate_graph
from ..host import use
from ..quote import Quote
from ..table import NODE_CLASS_MAPPINGS
from . import signals
from .core_nodes import free, table
from .folders import Folders
from .graph import build
from .host import Headless, sandboxed
from .problems import NeedsComfyUI
from .summary import of_error
from .workflow import Prompt, load, override


def quote_file(workflow: Path, settings: list[str], input_folder: Path, *, in_sandbox: bool) -> Quote:
    """The quote of a workflow file, with ``settings`` (see :func:`.workflow.override`) written in.

    Raises WorkflowError where the workflow or a setting cannot be used.
    """
    prompt = load(workflow)
    output_folder = Path("output")  # where a run would write
    nodes = table(Folders(input_folder, output_folder, output_folder))
    with _surroundings(in_sandbox) as overrides:
        host = Headless(overrides, free_nodes=free(nodes))
        with signals.asking(host.stop):
            return asyncio.run(_quote(prompt, {**nodes, **NODE_CLASS_MAPPINGS}, settings, host))


def as_dict(quote: Quote) -> dict[str, Any]:
    """``quote`` as ``--json`` prints it."""
    return {"status": "error" if quote.unknown else "success", **quote.as_dict(), "errors": []}


def no_estimate(error: LumenfallError | None) -> dict[str, Any]:
    """The same where ``error``, or with None the user, kept the estimate from being made."""
    errors = [] if error is None else of_error(error)["errors"]
    return {"status": "interrupted" if error is None else "error", **Quote(()).as_dict(), "errors": errors}


async def _quote(prompt: Prompt, nodes: Mapping[str, type[Any]], settings: list[str], host: Headless) -> Quote:
    try:
        prompt = dict((await build(prompt, nodes, settings)).prompt)
    except NeedsComfyUI:
        # Only ComfyUI can check and run it. It can be priced, with stand-ins for what the unknown nodes make.
        prompt = override(prompt, nodes, settings)
    with use(host):
        return await estimate_graph(prompt)


@contextlib.contextmanager
def _surroundings(in_sandbox: bool) -> Iterator[dict[str, str | None]]:
    """Environment variables to change."""
    if not in_sandbox:
        yield {}
        return
    from .sandbox import running

    with (
        running() as server,
        tempfile.TemporaryDirectory(
            prefix="lumenfall-estimate-",
            ignore_cleanup_errors=True,  # the database stays open until the process ends
        ) as data_dir,
    ):
        yield sandboxed(server.base_url, data_dir)
