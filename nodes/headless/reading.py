"""What a workflow file holds: the graph as the browser saves it, the graph in API format, or both.

Taken are JSON of either form, the body of a POST to ComfyUI's /prompt, the input of a RunPod worker, and pictures that
carry a graph (PNG in its texts, WebP and JPEG in their EXIF). Knows no nodes, and imports no torch.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..graph.drawing import is_drawing
from . import pictures
from .problems import NoWorkflow, Problem, WorkflowError

Prompt = dict[str, dict[str, Any]]
"""API format: node id -> {"class_type", "inputs", "_meta": {"title"}}. A link is ``["id", slot]``."""

STDIN = Path("-")


@dataclass(frozen=True)
class Content:
    """At least one of the two is there. Where both are, ``prompt`` is what really ran, and ``drawn`` its drawing."""

    prompt: Prompt | None
    drawn: dict[str, Any] | None


def name_of(path: Path) -> str:
    """The name of a workflow, for people."""
    return "standard input" if path == STDIN else path.stem


def read(path: Path) -> Content:
    """Read a file, or standard input for ``-``. Raises WorkflowError where it holds no workflow."""
    return content_of(data_of(path), name_of(path) if path == STDIN else str(path))


def data_of(path: Path) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises NoWorkflow."""
    try:
        return sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise NoWorkflow(f"{path} cannot be read: {error.strerror or error}") from error


def content_of(data: bytes, name: str) -> Content:
    """What a file holds, which is called ``name``. Raises WorkflowError where that is no workflow."""
    if is_picture(data):
        return _content(dict(_carried(data)), name)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NoWorkflow(f"{name} is neither JSON nor a PNG, WebP or JPEG: {error}") from error
    return _content(_unwrapped(content), name)


def _content(found: Mapping[str, Any], name: str) -> Content:
    """``found`` has the two forms by ComfyUI's names for them, ``prompt`` and ``workflow``."""
    graph, drawn = found.get("prompt"), found.get("workflow")
    if is_drawing(graph):
        graph, drawn = None, graph
    if not is_drawing(drawn):
        drawn = None
    if graph is None and drawn is None:
        raise NoWorkflow(f"{name} carries no workflow. Many programs and sites drop it when they convert a picture.")
    return Content(None if graph is None else _checked(graph, name), drawn)


def _unwrapped(content: Any) -> dict[str, Any]:
    """The two forms in what a JSON file holds, which may be one of them, or a request with one of them in it."""
    if is_drawing(content):
        return {"workflow": content}
    parts = _parts(content)
    if "input" in parts:
        return _unwrapped(parts["input"])
    # What a browser posts, and what it makes of a graph before that.
    graph = parts.get("prompt", parts.get("output"))
    if graph is not None:
        extra = parts.get("extra_data", {}).get("extra_pnginfo")
        drawn = extra.get("workflow") if isinstance(extra, dict) else None
        return {"prompt": graph, "workflow": drawn or parts.get("workflow")}
    return _unwrapped(parts["workflow"]) if "workflow" in parts else {"prompt": content}


def _parts(content: Any) -> dict[str, dict[str, Any]]:
    """The objects in a request, of which some are sent as texts; nothing of a graph, whose objects are its nodes."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, str) and value.lstrip().startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value)
        if isinstance(value, dict) and "class_type" not in value:
            parts[name] = value
    return parts


def _checked(graph: Any, name: str) -> Prompt:
    if not isinstance(graph, dict) or not graph:
        raise NoWorkflow(
            f"{name} is not a workflow in API format, nor as the browser saves it: there must be a node for each id, "
            "or a list of nodes."
        )
    problems = [
        Problem("missing_node_type", "is not a node: it needs a class_type and inputs", node_id)
        for node_id, node in graph.items()
        if not (
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
            and isinstance(node.get("_meta", {}), dict)
        )
    ]
    if problems:
        raise WorkflowError(problems)
    return graph


def finite(content: Any) -> Any:
    """``content`` as JSON has it: no browser reads NaN or Infinity, and saves null for them."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, list):
        return [finite(value) for value in content]
    return {name: finite(value) for name, value in content.items()} if isinstance(content, dict) else content


def is_picture(data: bytes) -> bool:
    """Whether it is a PNG, WebP or JPEG, by its first bytes."""
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return is_webp or data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def _carried(data: bytes) -> Iterator[tuple[str, Any]]:
    """The graphs in a picture, by name. What cannot be read is as good as absent."""
    for name, text in pictures.texts(data).items():
        if name in ("prompt", "workflow"):
            try:
                yield name, json.loads(text)
            except (ValueError, RecursionError):
                continue
