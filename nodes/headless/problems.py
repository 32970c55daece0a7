"""What can be wrong with a workflow before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Problem:
    """One fault of a workflow. ``code`` is the name ComfyUI's validation gives it, where it has one."""

    code: str
    message: str
    node_id: str | None = None
    title: str | None = None
    class_type: str | None = None
    input: str | None = None

    @property
    def detail(self) -> str:
        """Input and message, without the node."""
        return f'input "{self.input}": {self.message}' if self.input else self.message

    def __str__(self) -> str:
        if self.node_id is None:
            return self.message
        name = f' "{self.title}"' if self.title not in (None, self.class_type) else ""
        kind = f" ({self.class_type})" if self.class_type else ""
        return f"node {self.node_id}{name}{kind}, {self.detail}"


class WorkflowError(InputError):
    """The workflow or a ``--set`` cannot be used. Carries every problem that was found."""

    default_code = "INVALID_WORKFLOW"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems:", *lines]))


class NoWorkflow(WorkflowError):
    """The file holds no workflow. Says nothing of what is in it."""

    def __init__(self, message: str) -> None:
        super().__init__([Problem("invalid_workflow", message)])


class NeedsComfyUI(InputError):
    """The graph has nodes that only ComfyUI has. ``unknown`` maps node ids to their class, ``packs`` to the pack that
    it comes from, as far as the file tells.
    """

    default_code = "NEEDS_COMFYUI"
    default_hint = "Run this graph in ComfyUI, or send it to one with `comfy run` of comfy-cli."

    def __init__(self, unknown: Mapping[str, str], packs: Mapping[str, str] | None = None) -> None:
        self.unknown = dict(unknown)
        classes = ", ".join(_class(name, self.unknown, packs or {}) for name in sorted(set(unknown.values())))
        super().__init__(f"The command line knows this pack and the core image nodes, but not: {classes}.")


def _class(name: str, unknown: Mapping[str, str], packs: Mapping[str, str]) -> str:
    nodes = [node_id for node_id, class_type in unknown.items() if class_type == name]
    origin = sorted({packs[node_id] for node_id in nodes if node_id in packs})
    place = f"node{'s' * (len(nodes) > 1)} {', '.join(nodes)}" + (f", of {' or '.join(origin)}" if origin else "")
    return f"{name} ({place})"
