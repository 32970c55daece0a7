"""What a person sees of a run: live rows on stderr, then what came of it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from .summary import Summary

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..executor import Event


class Rows:
    """One row for each running node: title, elapsed time, and the last thing it said. ``clear`` cuts the key out."""

    def __init__(self, *, silent: bool, clear: Callable[[str], str]) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._clear = clear
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn("line"),  # the usual spinners are not in cp1252
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            transient=True,
            disable=silent or not console.is_terminal,
        )
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> Rows:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        if event.state == "running":
            self._rows[event.node.id] = self._progress.add_task(self._clear(event.node.title), total=None, text="")
        elif event.node.id in self._rows:
            self._progress.remove_task(self._rows.pop(event.node.id))

    def say(self, node_id: str, text: str) -> None:
        if node_id in self._rows:
            self._progress.update(self._rows[node_id], text=self._clear(text))


def show(summary: Summary) -> None:
    """Saved files, texts, cost and notes on stdout; errors on stderr."""
    for output in summary["outputs"].values():
        for path in (*output["images"], *output.get("files", ())):
            typer.echo(path)
        for text in output.get("texts", ()):
            typer.echo(f"{output['title']}: {text}")
    if summary["reports"]:
        typer.echo(f"Cost: {cost_text(summary['cost'], summary['currency'])}, {summary['seconds']} s")
    for node_id, report in summary["reports"].items():
        for note in report.get("notes", ()):
            typer.echo(f"Note of node {node_id} ({report.get('model')}): {note}")
    for warning in summary["warnings"]:
        typer.secho(f"{_place(warning)}{warning['message']}", fg="yellow", err=True)
    for error in summary["errors"]:
        typer.secho(_error_text(error), fg="red", err=True)
    if summary["status"] == "interrupted":
        text = "Stopped. Pictures that were already paid for and written stay where they are."
        typer.secho(text, fg="yellow", err=True)


def cost_text(cost: float | None, currency: str | None) -> str:
    """A price for people: up to six decimals, without idle zeros."""
    return "not known" if cost is None else f"{cost:.6f}".rstrip("0").rstrip(".") + f" {currency or ''}".rstrip()


def _place(told: dict[str, Any]) -> str:
    return f'Node {told["node_id"]} "{told["node_title"] or told["class_type"]}": ' if told["node_id"] else ""


def _error_text(error: dict[str, Any]) -> str:
    request = f"request {error['request_id']}" if error["request_id"] else None
    facts = [fact for fact in (error["code"], request, error["charged"]) if fact]
    return f"{_place(error)}{error['message']} {error['hint']}".rstrip() + f"\n[{' | '.join(facts)}]"
