"""``lumenfall check``: what a workflow file gives away or lacks, before it is shared, and a cleaned copy of it.

status     "success" where nothing is to mend, else "error"
findings   [{"code", "message", "advice", "fixable", "node_id", "title", "class_type"}]
written    the path of the cleaned copy, or null; left    what is still to mend in it, as findings
models     {"checked": whether the server told its models, "reason": why not}
estimate   as `lumenfall estimate --json` prints it, or null where the graph cannot be exported
errors     what kept the file from being looked at, as in a run's summary
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError, LumenfallError
from ...host import Interrupted, use
from .. import signals
from ..host import Headless
from ..problems import NoWorkflow, WorkflowError
from ..reading import STDIN, Content, content_of, data_of, is_picture, name_of
from .environment import environment
from .estimate import as_dict as estimate_dict
from .options import DONE, FAILED, WRONG, AsJson, InputFolder, InSandbox, WorkflowFile, input_beside
from .summary import of_error, without_key

if TYPE_CHECKING:
    from ...pricing.result import Estimate
    from ..sharing.file import SharedFile
    from ..sharing.findings import Finding
    from ..sharing.models import Living


@dataclass(frozen=True)
class Checked:
    """``unchecked`` says why the models were not held against the server's list."""

    findings: list[Finding]
    estimate: Estimate | None
    unchecked: str | None
    written: Path | None = None
    left: tuple[Finding, ...] = ()

    @property
    def is_fine(self) -> bool:
        return not (self.findings if self.written is None else self.left)

    def as_dict(self) -> dict[str, Any]:
        return {
            "status": "success" if self.is_fine else "error",
            "findings": [each.as_dict() for each in self.findings],
            "written": None if self.written is None else str(self.written.resolve()),
            "left": [each.as_dict() for each in self.left],
            "models": {"checked": self.unchecked is None, "reason": self.unchecked},
            "estimate": None if self.estimate is None else estimate_dict(self.estimate),
            "errors": [],
        }

    @property
    def text(self) -> str:
        count = len(self.findings)
        lines = [f"{count} thing{'s' * (count != 1)} to mend:" if count else "Nothing to mend."]
        lines += [f"- {each}" for each in self.findings]
        if self.written is not None:
            lines.append(f"Cleaned copy: {self.written}")
            lines += ["It still has what only you can mend:", *(f"- {each}" for each in self.left)] if self.left else []
        if self.unchecked:
            lines.append(f"The models were not held against the server's list: {self.unchecked}")
        if self.estimate is None:
            lines.append("What it would cost is not known.")
        elif self.estimate.lines:
            lines.append(f"To run it costs {self.estimate.summary}.")
        return "\n".join(lines)


def check(
    workflow: WorkflowFile,
    fix: Annotated[bool, typer.Option("--fix", help="Write a cleaned copy; the file itself stays as it is.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where --fix writes. Default: NAME.shared.json beside it."),
    ] = None,
    input_folder: InputFolder = None,
    sandbox: InSandbox = False,
    as_json: AsJson = False,
) -> None:
    """Look at a workflow before it is shared: keys, private paths and addresses, personal names, dead models, unknown
    nodes, values that would be refused, pictures that stay behind, and what it would cost. Nothing is bought.

    Exit codes: 0 nothing to mend (with --fix: in the copy), 1 something is, 2 no workflow.
    """
    failure: LumenfallError | None = None
    text = "Stopped."
    try:
        made = _checked(workflow, fix, output, input_folder or input_beside(workflow), sandbox)
        summary, text, code = made.as_dict(), made.text, DONE if made.is_fine else FAILED
    except LumenfallError as error:
        summary, text, code, failure = _nothing(error), str(error), WRONG, error
    except (Interrupted, KeyboardInterrupt):
        summary, code = _nothing(None), signals.exit_code()
    summary, text = _shown(without_key((summary, text), failure))
    if as_json:
        print(json.dumps(summary))
    else:
        typer.echo(text, err=code not in (DONE, FAILED))
    raise typer.Exit(code)


def _shown(content: tuple[dict[str, Any], str]) -> tuple[dict[str, Any], str]:
    """``content`` without what looks like anybody's key: titles and values are quoted in it."""
    from ..sharing.keys import keys
    from ..sharing.privacy import without

    def cut(part: Any) -> Any:
        if isinstance(part, str):
            return without(part, keys(part))
        if isinstance(part, dict):
            return {cut(name): cut(value) for name, value in part.items()}
        return [cut(each) for each in part] if isinstance(part, (list, tuple)) else part

    summary, text = content
    return cut(summary), cut(text)


def _nothing(error: LumenfallError | None) -> dict[str, Any]:
    errors = [] if error is None else of_error(error)["errors"]
    empty: dict[str, Any] = {"findings": [], "written": None, "left": [], "models": {"checked": False, "reason": None}}
    return {"status": "interrupted" if error is None else "error", **empty, "estimate": None, "errors": errors}


def _checked(workflow: Path, fix: bool, output: Path | None, input_folder: Path, in_sandbox: bool) -> Checked:
    data = data_of(workflow)
    content = content_of(data, name_of(workflow) if workflow == STDIN else str(workflow))
    with signals.held():
        import asyncio

        from ...table import NODE_CLASS_MAPPINGS
        from ..core_nodes import free, table
        from ..folders import Folders
        from ..sharing.file import shared

    file = shared(data, is_picture(data))
    target = _target(workflow, output, file.ending) if fix else None
    folder = Path("output")  # where a run would write
    core = table(Folders(input_folder, folder, folder))
    nodes = {**core, **NODE_CLASS_MAPPINGS}
    with environment(in_sandbox) as overrides:
        host = Headless(overrides, nodes=nodes, free_nodes=free(core))
        with signals.asking(host.stop), use(host):
            return asyncio.run(_look(file, content, nodes, target))


async def _look(file: SharedFile, content: Content, nodes: Mapping[str, type[Any]], target: Path | None) -> Checked:
    from ...pricing.estimate import estimate_graph
    from ..sharing.file import shared

    living, unchecked = await _living()
    first = _Look(nodes, living)
    findings, mended = await first.at(file, content)
    estimate = None if first.exported is None else await estimate_graph(first.exported)
    if target is None:
        return Checked(findings, estimate, unchecked)
    data = file.written(mended)
    left, _ = await _Look(nodes, living).at(shared(data, file.is_picture), content_of(data, target.name))
    _create(target, data)
    return Checked(findings, estimate, unchecked, target, tuple(left))


async def _living() -> tuple[Living, str | None]:
    from ...api import bundled
    from ...purchase.session import list_models
    from ..sharing.models import Living

    try:
        listed = await list_models()
    except LumenfallError as error:
        return Living(bundled()), str(error.message)
    living = Living(listed)
    return living, None if living.is_certain else listed.failure or "only the bundled list is known."


@dataclass
class _Look:
    """One look at a file; afterwards ``exported`` is its graph in API format, None where it cannot be had."""

    nodes: Mapping[str, type[Any]]
    living: Living
    exported: dict[str, Any] | None = None

    async def at(self, file: SharedFile, content: Content) -> tuple[list[Finding], dict[str, Any]]:
        """What is to mend, and the content mended."""
        from ..core_nodes import TITLES
        from ..sharing.findings import Finding, distinct
        from ..sharing.review import Review
        from ..workflow import MALFORMED, definitions, load

        findings = []
        dead_ends: frozenset[str] = frozenset()
        try:
            made = load(content, self.nodes, TITLES)
            self.exported, dead_ends = made.prompt, made.dead_ends
        except NoWorkflow:
            self.exported = {}  # nothing in it runs
        except WorkflowError as error:
            if any(each.code == MALFORMED for each in error.problems):
                raise
            advice = "Mend that first."
            findings = [Finding("not_exportable", each.message, advice, False) for each in error.problems]
        review = Review(
            file, self.nodes, definitions(self.nodes, TITLES), self.exported or {}, self.living, _key_cutter()
        )
        try:
            mended = review.mended()
        except RecursionError:
            raise NoWorkflow("The file is nested too deeply for a workflow.") from None
        return distinct([*review.findings, *findings, *await self._refused(dead_ends)]), mended

    async def _refused(self, dead_ends: frozenset[str]) -> list[Finding]:
        from ..checks import objections
        from ..sharing.findings import Finding

        if self.exported is None:
            return []  # which is told
        graph = self.exported
        # That a picture is not in the input folder here says nothing: it stays behind in any case.
        ours = [
            node_id
            for node_id, node in graph.items()
            if node["class_type"] in self.nodes and not node["class_type"].startswith("LoadImage")
        ]
        problems = await objections(graph, self.nodes, ours, dead_ends)
        advice = "It would be refused."
        return [
            Finding(
                each.code, f"{each.detail.removesuffix('.')}.", advice, False, each.node_id, each.title, each.class_type
            )
            for each in problems
        ]


def _key_cutter() -> Callable[[str], str]:
    from ...host import Bare, current
    from ...purchase.session import Session

    # In a sandbox there is no key, but whoever tries it has one.
    sessions = [Session(current()), Session(Bare())]

    def cut(text: str) -> str:
        for session in sessions:
            text = session.without_key(text)
        return text

    return cut


def _target(workflow: Path, output: Path | None, ending: str) -> Path:
    if output is None:
        if workflow == STDIN:
            raise InputError("Standard input has no name for a copy.", hint="Name one with --output.")
        output = workflow.with_name(f"{workflow.stem}.shared{workflow.suffix or ending}")
    if output.exists():
        raise InputError(f"{output} is there already.", hint="Name another file with --output, or remove it.")
    return output


def _create(path: Path, data: bytes) -> None:
    from ...host.files import create

    try:
        is_new = create(path, data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    if not is_new:
        raise InputError(f"{path} is there already.", hint="Name another file with --output, or remove it.")
