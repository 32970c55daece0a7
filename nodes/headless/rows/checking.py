"""Rows as graphs that are known to be runnable, and how a row is told from another.

A row is what it would run: the nodes that its outputs need with their inputs, the content of the pictures and texts
that it names among them. So a row that was moved is the same row; one that was edited is another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...graph.links import Link
from ..checks import Graph, build
from ..core_nodes.files import LoadImage
from ..node import Node
from ..problems import WorkflowError
from ..reading import Prompt
from ..workflow import Target, target_of
from .reading import Row, refusal

KEY_DIGITS = 14


@dataclass(frozen=True)
class Job:
    """A row that can be run. ``key`` tells it from all others of its file; of equal rows each has one of its own."""

    number: int
    key: str
    graph: Graph


class Table:
    """The rows of a file in ``folder`` over one workflow: ``prompt`` in API format, ``nodes`` the classes that it may
    have. Pictures that a row names are added to ``named``, where nodes look for them, before the input folder.
    ``salt`` tells rows apart that must not be taken for each other.
    """

    def __init__(
        self,
        prompt: Prompt,
        nodes: Mapping[str, type[Any]],
        folder: Path,
        input_folder: Path,
        named: dict[str, Path],
        dead_ends: Sequence[str] = (),
        salt: str = "",
    ) -> None:
        self._prompt = prompt
        self.nodes = nodes
        self._folder = folder
        self._input_folder = input_folder
        self._named = named
        self._dead_ends = dead_ends
        self._salt = salt
        self._targets: dict[str, Target] = {}
        self._digests: dict[Path, str] = {}
        self._seen: dict[str, Any] = {}

    async def check(self, rows: Sequence[Row]) -> list[Job]:
        """All of ``rows``. Raises NeedsComfyUI, and WorkflowError, which names each row and column that is wrong."""
        problems = self._check_columns(rows)
        if problems:
            raise refusal(problems)
        counts: Counter[str] = Counter()
        jobs = []
        for row in rows:
            try:
                values = self._values(row)
                graph = await self._graph(values)
                digest = self._digest(graph)
            except _BadRow as error:
                problems.append(str(error))
                continue
            except WorkflowError as error:
                told = [self._told(row, problem) for problem in error.problems]
                if None in told:
                    raise  # the workflow itself is wrong, whatever the rows say
                problems += filter(None, told)
                continue
            except OSError as error:
                problems.append(f"Row {row.number}: {error.filename or 'a picture'} cannot be read: {error.strerror}.")
                continue
            counts[digest] += 1
            key = hashlib.sha256(f"{digest} {counts[digest]}".encode()).hexdigest()[:KEY_DIGITS]
            jobs.append(Job(row.number, key, graph))
        if problems:
            raise refusal(problems)
        return jobs

    async def _graph(self, values: Mapping[str, Any]) -> Graph:
        """The graph of a row. Raises WorkflowError."""
        prompt = dict(self._prompt)
        for column, value in values.items():
            target = self._targets[column]
            node = prompt[target.node_id]
            prompt[target.node_id] = {**node, "inputs": {**node["inputs"], target.name: value}}
        return await build(prompt, self.nodes, dead_ends=self._dead_ends, seen=self._seen)

    def _check_columns(self, rows: Sequence[Row]) -> list[str]:
        problems = []
        first = {column: row.number for row in reversed(rows) for column in row.values}
        for column, number in sorted(first.items(), key=lambda item: item[1]):
            try:
                self._targets[column] = target_of(self._prompt, self.nodes, column)
            except ValueError as error:
                problems.append(f"Row {number}, column {column!r}: {error}")
        places: dict[tuple[str, str], str] = {}
        for column, target in self._targets.items():
            other = places.setdefault((target.node_id, target.name), column)
            if other != column:
                problems.append(f"The columns {other!r} and {column!r} are the same input.")
        return problems

    def _values(self, row: Row) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for column, text in row.values.items():
            target = self._targets[column]
            node_class = self.nodes[self._prompt[target.node_id]["class_type"]]
            try:
                is_picture = issubclass(node_class, LoadImage) and target.name == "image"
                values[column] = self._picture(text) if is_picture else target.value(text, self._folder)
            except ValueError as error:
                raise _BadRow(f"Row {row.number}, column {column!r}: {error}") from None
        return values

    def _picture(self, name: str) -> str:
        """The name by which LoadImage finds a picture: beside the rows, else in the input folder."""
        path = self._folder / name
        if os.path.isfile(path):
            # Of one that lies elsewhere under the same name, the workflow itself may speak.
            name = str(path.resolve()) if os.path.isfile(self._input_folder / name) else name
            self._named[name] = path
        return name

    def _told(self, row: Row, problem: Any) -> str | None:
        """A problem of a row for people; None where it is none of its columns'."""
        for column in row.values:
            target = self._targets[column]
            if problem.node_id == target.node_id and problem.input in (target.name, None):
                return f"Row {row.number}, column {column!r}: {problem.message}"
        return None

    def _digest(self, graph: Graph) -> str:
        nodes = {node.id: [node.class_type, self._inputs(node)] for node in graph.nodes.values()}
        return hashlib.sha256(json.dumps([self._salt, nodes], sort_keys=True, default=str).encode()).hexdigest()

    def _inputs(self, node: Node) -> dict[str, Any]:
        inputs = {
            name: [value.node, value.slot] if isinstance(value, Link) else value for name, value in node.inputs.items()
        }
        if issubclass(node.node_class, LoadImage) and isinstance(inputs["image"], str):
            # Where it lies does not matter.
            inputs["image"] = self._content(node.node_class.folders.source(inputs["image"]))
        return inputs

    def _content(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]


class _BadRow(Exception):
    pass
