"""How a run ended, as the one JSON object that ``--json`` prints and the console reads from.

status      "success", "error" or "interrupted"
outputs     node id -> {"title", "class_type", "images": [absolute paths]}, and where a node has them, "files": [paths
            of other files] and "texts": [what it shows]
reports     node id -> the report of a node of this pack
cost        sum of the known costs in `currency`, or null
seconds     of the whole run
warnings    [{"node_id", "node_title", "class_type", "message"}], where less came than was asked for
errors      [{"node_id", "node_title", "class_type", "code", "message", "hint", "request_id", "charged"}]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import Charged, LumenfallError, sentences
from ...graph.links import link_of
from ..host import Headless
from ..problems import NoWorkflow, Problem, WorkflowError

if TYPE_CHECKING:
    from ..checks import Graph
    from ..executor import Result
    from ..folders import Folders

Summary = dict[str, Any]

T = TypeVar("T")


def without_key(content: T, error: LumenfallError | None = None) -> T:
    """``content`` as it may be shown: some paste the key into a title or a prompt. That a file holds no
    workflow, ``error``, is told at once: nothing of the file is in it, and settings take a while to load.
    """
    if isinstance(error, NoWorkflow):
        return content
    from ...purchase.session import Session

    return Session(Headless()).without_key(content)


def of_result(graph: Graph, result: Result, folders: Folders) -> Summary:
    """The summary of a graph that ran, wholly or in part."""
    outputs = {}
    for node_id, node in graph.nodes.items():
        shown = _shown(result.ui.get(node_id, {}), folders)
        if any(shown.values()):
            outputs[node_id] = {"title": node.title, "class_type": node.class_type, **shown}
    errors = []
    for node_id, facts in result.errors.items():
        node = graph.nodes[node_id]
        facts = {**facts, "hint": sentences(facts.get("hint", ""), _way_on(graph, node_id, facts))}
        errors.append(_error(facts, node_id, node.title, node.class_type))
    return {
        "status": result.status,
        "outputs": outputs,
        "reports": dict(result.reports),
        "cost": result.cost,
        "currency": result.currency,
        "seconds": round(result.seconds, 2),
        "warnings": [
            {"node_id": node_id, "node_title": node.title, "class_type": node.class_type, "message": message}
            for node_id, report in result.reports.items()
            for node in [graph.nodes[node_id]]
            for message in _shortfalls(report)
        ],
        "errors": errors,
    }


def _way_on(graph: Graph, node_id: str, facts: Mapping[str, Any]) -> str:
    """What runs a node on the successor of its model, where ``facts`` say that it failed because that has ended."""
    from ...api import bundled, ended, retirement_note_of_slug

    inputs = graph.prompt[node_id]["inputs"]
    options = link_of(inputs.get("options"), graph.prompt)
    chosen = graph.prompt[options.node]["inputs"].get("model") if options else None
    place, slug = (options.node, chosen) if options and chosen else (node_id, inputs.get("model"))
    if not isinstance(slug, str):
        return ""
    known = ended().find(slug) or bundled().find(slug)
    note = retirement_note_of_slug(slug)
    if known is None or note is None or note not in facts.get("hint", "") or not known.successors:
        return ""
    return f'To run it on that: --set "{place}.model={known.successors[0]}"'


def _shown(ui: Mapping[str, Any], folders: Folders) -> dict[str, list[str]]:
    pictures = [picture for name in ("images", "a_images", "b_images") for picture in ui.get(name, ())]
    shown = {"images": [str(folders.locate(picture)) for picture in pictures]}
    if ui.get("files"):
        return {**shown, "files": [str(folders.locate(file)) for file in ui["files"]]}
    return {**shown, "texts": list(ui["text"])} if ui.get("text") else shown


def _shortfalls(report: Mapping[str, Any]) -> Iterator[str]:
    """What a node did not bring, though it did not fail."""
    requests, failures = report.get("requests", ()), report.get("failures", ())
    missing = sum(request.get("missing", 0) for request in requests)
    if missing:
        count = missing + sum(len(request["sizes"]) for request in requests)
        yield f"{missing} of {count} pictures {'is' if missing == 1 else 'are'} missing; the notes say why."
    if failures:
        count = len(failures) + len(requests)
        reasons = " ".join(dict.fromkeys(f"{failure['message']} {failure['hint']}".strip() for failure in failures))
        yield f"{len(failures)} of {count} requests failed: {reasons}"


def of_error(error: LumenfallError) -> Summary:
    """The summary of what did not even start."""
    if isinstance(error, WorkflowError):
        return _nothing_ran("error", [_problem(problem) for problem in error.problems])
    return _nothing_ran("error", [_error(error.as_dict())])


def of_usage(message: str) -> Summary:
    """The summary of a command line that could not be read."""
    return _nothing_ran("error", [_problem(Problem("invalid_usage", message))])


def of_break_off() -> Summary:
    """The summary of a run that was broken off by force: what it had done is on disk, but not known here."""
    return _nothing_ran("interrupted", [])


def _nothing_ran(status: str, errors: list[dict[str, Any]]) -> Summary:
    summary: Summary = {"status": status, "outputs": {}, "reports": {}, "cost": None, "currency": None}
    return {**summary, "seconds": 0.0, "warnings": [], "errors": errors}


def _problem(problem: Problem) -> dict[str, Any]:
    facts = {"code": problem.code.upper(), "message": problem.detail, "charged": Charged.NO.value}
    return _error(facts, problem.node_id, problem.title, problem.class_type)


def _error(
    facts: Mapping[str, Any], node_id: str | None = None, title: str | None = None, class_type: str | None = None
) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "node_title": title,
        "class_type": class_type,
        "code": facts["code"],
        "message": facts["message"],
        "hint": facts.get("hint", ""),
        "request_id": facts.get("request_id"),
        "charged": facts["charged"],
    }
