"""``lumenfall run``: a workflow, from its file to the pictures in a folder."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import Charged, InputError, LumenfallError
from ...host import use
from .. import signals
from ..host import Headless
from ..problems import NeedsComfyUI
from .environment import environment
from .options import (
    DONE,
    FAILED,
    NEEDS_COMFYUI,
    WRONG,
    AsJson,
    InputFolder,
    InSandbox,
    Settings,
    WorkflowFile,
    input_beside,
)

if TYPE_CHECKING:
    from ...graph.converting import Converted
    from ..executor import Event
    from ..folders import Folders
    from ..reading import Content
    from .console import Rows
    from .summary import Summary

log = logging.getLogger(__name__)


def run(
    workflow: WorkflowFile,
    settings: Settings = None,
    input_folder: InputFolder = None,
    output_folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where SaveImage writes.")] = Path(
        "output"
    ),
    sandbox: InSandbox = False,
    as_json: AsJson = False,
    send_again: Annotated[
        bool,
        typer.Option(
            "--send-again",
            help="Order once more what was sent before this run and brought nothing, though it may be charged twice.",
        ),
    ] = False,
    each: Annotated[
        Path | None,
        typer.Option(
            metavar="ROWS",
            help="Run once for each row of a CSV or JSON Lines file, whose columns are NODE.INPUT as in --set. "
            "An empty cell leaves the workflow's own value; paths are relative to the file.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="With --each: rows at once.")] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --each: run failed rows again too.")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="With --each: what all rows may cost, over all starts of the command."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --each: tell what the rows would cost. Nothing is bought.")
    ] = False,
) -> None:
    """Run a workflow. Ctrl-C, SIGTERM or SIGHUP stops it and waits for what is paid; the next one breaks it off.

    With --each, results.csv and contact-sheet.png in the output folder say what became of each row, and files are
    named after its number. The same command goes on where it was stopped or killed, and runs no finished row again. A
    row is what it would run: its values, the pictures and texts that it names, and the workflow. So rows may be added
    and moved; one that was edited is a new row, and the old one's files stay, told as "gone".
    """
    from ..reading import name_of, read
    from ..streams import failure as failure_of_stdout
    from .summary import of_break_off, of_error, without_key

    input_folder = input_folder or input_beside(workflow)
    if each is None and (jobs > 1 or retry_failed or max_cost is not None or dry_run):
        raise typer.BadParameter("--jobs, --retry-failed, --max-cost and --dry-run go with --each.")
    if max_cost is not None and not math.isfinite(max_cost):
        raise typer.BadParameter("--max-cost is an amount; without it there is no limit.")
    failure: LumenfallError | None = None
    has_begun = False
    try:
        # Before torch is waited for.
        content = read(workflow)
        with signals.held():
            from ... import table  # noqa: F401
            from ...purchase.session import Session
            from ..workflow import browser_form
            from .console import Rows
        clear = Session(Headless()).without_key
        if each is not None:
            from .each import Each, run_each

            has_begun = True
            how = (jobs, retry_failed, max_cost, dry_run, settings or (), input_folder, output_folder)
            summary, code = run_each(name_of(workflow), content, Each(each, *how, sandbox, send_again, as_json), clear)
        else:
            with Rows(silent=as_json, clear=clear) as rows:
                drawn = content.drawn or browser_form(workflow)
                has_begun = True
                summary, is_wrong = _run(
                    name_of(workflow),
                    content,
                    # With --set the browser's form would no longer say what was run; the prompt still does.
                    None if settings else drawn,
                    settings or [],
                    input_folder,
                    output_folder,
                    sandbox,
                    send_again,
                    rows,
                )
            failed = WRONG if is_wrong else FAILED
            code = {"success": DONE, "error": failed, "interrupted": signals.exit_code()}[summary["status"]]
        signals.ignore()
    except LumenfallError as error:
        summary, code = of_error(error), NEEDS_COMFYUI if isinstance(error, NeedsComfyUI) else WRONG
        failure = error
    except KeyboardInterrupt:
        signals.ignore()
        summary, code = of_break_off(), signals.exit_code()
    except Exception as error:
        log.exception("This is a bug of the command line")
        message = f"{type(error).__name__}: {error}"
        summary, code = of_error(LumenfallError(message, code="UNEXPECTED", charged=Charged.UNKNOWN)), FAILED
    summary = without_key(summary, failure)
    if as_json:
        print(json.dumps(summary))
    elif summary["status"] == "interrupted" and not has_begun:
        typer.echo("Interrupted before anything was sent.", err=True)
    elif "rows" in summary:
        from .each import show as show_rows

        show_rows(summary, output_folder)
    else:
        from .console import show

        show(summary)
        if sandbox and summary["reports"]:
            print("This was the sandbox: nothing was really paid.")
    if failure_of_stdout() is not None:
        _tell_where(summary, output_folder)
    raise typer.Exit(code)


def _run(
    name: str,
    content: Content,
    drawn: Mapping[str, Any] | None,
    settings: list[str],
    input_folder: Path,
    output_folder: Path,
    in_sandbox: bool,
    send_again: bool,
    rows: Rows,
) -> tuple[Summary, bool]:
    """Check and run: the summary, and whether inputs were wrong, nothing was made and nothing was sent. Raises
    LumenfallError for what keeps the run from starting.
    """
    import asyncio

    from ...table import NODE_CLASS_MAPPINGS
    from ..core_nodes import TITLES, free, table
    from ..core_nodes.prefixes import make_writable
    from ..folders import Folders
    from ..workflow import load, shows

    make_writable(output_folder)
    with contextlib.ExitStack() as stack:
        overrides = stack.enter_context(environment(in_sandbox, output_folder))
        folders = Folders(input_folder, output_folder, Path(stack.enter_context(_previews())))
        core = table(folders)
        nodes = {**core, **NODE_CLASS_MAPPINGS}
        loaded = load(content, nodes, TITLES)
        if drawn is not None and drawn is not content.drawn and not shows(drawn, loaded.prompt, nodes, TITLES):
            drawn = None
        if loaded.dead_ends:
            left = ", ".join(f"{loaded.prompt[name]['class_type']} (node {name})" for name in sorted(loaded.dead_ends))
            typer.echo(f"Left out, since nothing follows them and only ComfyUI knows them: {left}.", err=True)
        host = Headless(overrides, rows.say, name, nodes=nodes, free_nodes=free(core), sends_again=send_again)
        stack.enter_context(signals.asking(host.stop))
        ended = asyncio.run(_execute(loaded, drawn, settings, folders, host, rows))
        # Stopped nodes leave calls in the air, which would be lost with this process.
        signals.wait_for_what_is_paid()
        return ended


async def _execute(
    loaded: Converted,
    drawn: Mapping[str, Any] | None,
    settings: list[str],
    folders: Folders,
    host: Headless,
    rows: Rows,
) -> tuple[Summary, bool]:
    from ..checks import build
    from ..executor import execute
    from .summary import of_result

    with use(host):
        graph = await build(loaded.prompt, host.node_classes(), settings, dead_ends=loaded.dead_ends)
        failures: list[BaseException | None] = []

        def notify(event: Event) -> None:
            rows.show(event)
            if event.state == "failed":
                failures.append(event.raised)

        summary = of_result(graph, await execute(graph, host, workflow=drawn, notify=notify), folders)
        is_made = bool(summary["outputs"] or summary["reports"])
        return summary, not is_made and all(_is_about_inputs(error) for error in failures)


def _is_about_inputs(error: BaseException | None) -> bool:
    return isinstance(error, InputError) and error.charged is Charged.NO


def _tell_where(summary: Summary, output_folder: Path) -> None:
    """What stdout could not take, and may be paid."""
    if "rows" in summary:
        typer.echo(f"What became of the rows is in {output_folder / 'results.csv'}.", err=True)
    for output in summary.get("outputs", {}).values():
        for path in (*output["images"], *output.get("files", ())):
            typer.echo(f"Saved: {path}", err=True)


@contextlib.contextmanager
def _previews() -> Iterator[str]:
    """A folder for PreviewImage. It outlives the run if there is something in it: the paths are printed."""
    folder = tempfile.mkdtemp(prefix="lumenfall-preview-")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
