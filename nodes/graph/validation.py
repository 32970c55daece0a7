"""A node class's own check of its inputs, VALIDATE_INPUTS."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Validator:
    """VALIDATE_INPUTS of a node class: naming an input there waives ComfyUI's min, max and choices for it."""

    function: Any
    names: frozenset[str]
    takes_all: bool

    @classmethod
    def of(cls, node_class: type[Any]) -> Validator:
        function = getattr(node_class, "VALIDATE_INPUTS", None)
        if function is None:
            return cls(None, frozenset(), takes_all=False)
        parameters = inspect.signature(function).parameters.values()
        named = frozenset(
            parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        )
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        return cls(function, named, takes_all)

    @property
    def checks(self) -> bool:
        """Whether there is anything that it looks at."""
        return bool(self.names) or self.takes_all

    @property
    def takes_types(self) -> bool:
        """Whether it also takes over the check of what is linked."""
        return "input_types" in self.names

    def waives(self, name: str) -> bool:
        return name in self.names or self.takes_all

    async def objection(self, arguments: Mapping[str, Any]) -> str | None:
        """What it has against ``arguments``; None where nothing."""
        try:
            verdict = self.function(**arguments)
            verdict = await verdict if inspect.isawaitable(verdict) else verdict
        except Exception as error:
            verdict = f"{type(error).__name__}: {error}"
        if verdict is True:
            return None
        return verdict if isinstance(verdict, str) else "refused by the node"
