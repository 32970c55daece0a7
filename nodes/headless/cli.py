"""The command line: ``lumenfall run``, ``estimate``, ``sandbox``, ``models``; and where the other commands join in.

torch and the nodes take a while to import, so commands import what they use.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .. import courier
from ..errors import Charged, InputError, LumenfallError
from ..host import Interrupted, use
from . import signals
from .host import Headless, sandboxed
from .playing import playground
from .problems import NeedsComfyUI
from .receipts import receipt
from .recovering import recover
from .spending import spend
from .store import store
from .streams import forgive

if TYPE_CHECKING:
    from .console import Rows
    from .folders import Folders
    from .summary import Summary
    from .workflow import Prompt

log = logging.getLogger(__name__)

DONE, FAILED, WRONG, NEEDS_COMFYUI = 0, 1, 2, 3

EXIT_CODES = """\b
Exit codes:
    0  all done
    1  a node failed; what the others made is saved
    2  the workflow or the command line is wrong; nothing was sent
    3  the graph has nodes that need ComfyUI
  130  interrupted: by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP"""

app = typer.Typer(
    help="Lumenfall image workflows without ComfyUI.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


WorkflowFile = Annotated[Path, typer.Argument(metavar="WORKFLOW.json", help="A workflow in API format.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NODE.INPUT=VALUE", help="Change an input. NODE is an id, a title or a class."),
]
InputFolder = Annotated[
    Path | None,
    typer.Option("--input", metavar="DIR", help="Where LoadImage looks. Default: input beside or above."),
]
InSandbox = Annotated[bool, typer.Option("--sandbox", help="Use a built-in stand-in for the API: no key, no cost.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


class ModelMode(str, Enum):
    GENERATE = "generate"
    EDIT = "edit"
    UPSCALE = "upscale"


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
                from .summary import of_usage

                print(json.dumps(of_usage(usage())))
            if isinstance(getattr(stop.__context__, "__cause__", None), KeyboardInterrupt):
                _break_off()
            raise
        except KeyboardInterrupt:
            _break_off()
        finally:
            if signals.count() > 1:
                courier.leave()


def _break_off() -> NoReturn:
    """The end where a signal came before or after the part of a command that handles it."""
    signals.ignore()
    if "--json" in sys.argv:
        from .summary import of_break_off

        print(json.dumps(of_break_off()))
    sys.exit(signals.exit_code())


@app.command(epilog=EXIT_CODES)
def run(
    workflow: WorkflowFile,
    settings: Settings = None,
    input_folder: InputFolder = None,
    output_folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where SaveImage writes.")] = Path(
        "output"
    ),
    sandbox: InSandbox = False,
    as_json: AsJson = False,
) -> None:
    """Run a workflow. Ctrl-C, SIGTERM or SIGHUP stops it and waits for what is paid; the next one breaks it off."""
    from .summary import of_break_off, of_error

    input_folder = input_folder or _input_beside(workflow)
    try:
        with signals.held():
            from .. import table  # noqa: F401
            from .console import Rows
        with Rows(silent=as_json) as rows:
            summary = _run(workflow, settings or [], input_folder, output_folder, sandbox, rows)
        code = {"success": DONE, "error": FAILED, "interrupted": signals.exit_code()}[summary["status"]]
        signals.ignore()
    except LumenfallError as error:
        summary, code = of_error(error), NEEDS_COMFYUI if isinstance(error, NeedsComfyUI) else WRONG
    except KeyboardInterrupt:
        signals.ignore()
        summary, code = of_break_off(), signals.exit_code()
    except Exception as error:
        log.exception("This is a bug of the command line")
        message = f"{type(error).__name__}: {error}"
        summary, code = of_error(LumenfallError(message, code="UNEXPECTED", charged=Charged.UNKNOWN)), FAILED
    if as_json:
        print(json.dumps(summary))
    else:
        from .console import show

        show(summary)
        if sandbox and summary["reports"]:
            print("This was the sandbox: nothing was really paid.")
    raise typer.Exit(code)


@app.command()
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
    with signals.held():
        from .estimating import as_dict, no_estimate, quote_file

    text = "Stopped."
    try:
        quote = quote_file(workflow, settings or [], input_folder or _input_beside(workflow), in_sandbox=sandbox)
        summary, text, code = as_dict(quote), quote.text, FAILED if quote.unknown else DONE
    except LumenfallError as error:
        summary, text, code = no_estimate(error), str(error), WRONG
    except (Interrupted, KeyboardInterrupt):
        summary, code = no_estimate(None), signals.exit_code()
    if as_json:
        print(json.dumps(summary))
    else:
        typer.echo(text, err=code not in (DONE, FAILED))
    raise typer.Exit(code)


@app.command()
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
        from .sandbox import FAULTS, running

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


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    mode: Annotated[ModelMode | None, typer.Option(help="Only models that do this.")] = None,
) -> None:
    """List the image models of the server."""
    from .listing import as_dict, show

    host = Headless()
    try:
        with signals.held():
            from ..run import list_models
        with use(host):
            listed = asyncio.run(list_models())
    except LumenfallError as error:
        if as_json:
            print(json.dumps({"error": error.as_dict()}))
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    chosen = [model for model in listed.models if mode is None or mode.value in model.modes]
    if as_json:
        print(json.dumps(as_dict(listed, chosen)))
    else:
        show(listed, chosen)
    if listed.failure:
        typer.echo(f"The server's own list could not be had: {listed.failure}", err=True)
        raise typer.Exit(FAILED)


app.command()(playground)
app.command()(spend)
app.add_typer(store, name="store")
app.command()(recover)
app.command()(receipt)


def _run(
    workflow: Path, settings: list[str], input_folder: Path, output_folder: Path, in_sandbox: bool, rows: Rows
) -> Summary:
    """Load, check and run; raises LumenfallError for what keeps the run from starting."""
    from .core_nodes import free, table
    from .folders import Folders
    from .workflow import browser_form, load

    prompt = load(workflow)
    # With --set the browser's form would no longer say what was run; the prompt still does.
    drawn = None if settings else browser_form(workflow)
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"Pictures cannot be written to the output folder {output_folder}: {reason}.") from error
    with contextlib.ExitStack() as stack:
        overrides: dict[str, str | None] = {}
        if in_sandbox:
            from .sandbox import running

            data_dir = str(output_folder.resolve() / ".lumenfall")
            overrides = sandboxed(stack.enter_context(running()).base_url, data_dir)
        folders = Folders(input_folder, output_folder, Path(stack.enter_context(_previews())))
        host = Headless(overrides, rows.say, workflow.stem, free_nodes=free(table(folders)))
        stack.enter_context(signals.asking(host.stop))
        summary = asyncio.run(_execute(prompt, drawn, settings, folders, host, rows))
        # Stopped nodes leave calls in the air, which would be lost with this process.
        signals.wait_for_what_is_paid()
        return summary


async def _execute(
    prompt: Prompt,
    drawn: Mapping[str, Any] | None,
    settings: list[str],
    folders: Folders,
    host: Headless,
    rows: Rows,
) -> Summary:
    from ..table import NODE_CLASS_MAPPINGS
    from .core_nodes import table
    from .executor import execute
    from .graph import build
    from .summary import of_result

    with use(host):
        graph = await build(prompt, {**table(folders), **NODE_CLASS_MAPPINGS}, settings)
        return of_result(graph, await execute(graph, host, workflow=drawn, notify=rows.show), folders)


def _input_beside(workflow: Path) -> Path:
    candidates = (workflow.parent / "input", workflow.parent.parent / "input")
    return next((folder for folder in candidates if folder.is_dir()), workflow.parent)


@contextlib.contextmanager
def _previews() -> Iterator[str]:
    """A folder for PreviewImage. It outlives the run if there is something in it: the paths are printed."""
    folder = tempfile.mkdtemp(prefix="lumenfall-preview-")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
