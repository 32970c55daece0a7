"""What a node class declares about its inputs, and whether a value fits.

The rules are ComfyUI's (``validate_inputs`` of its ``execution.py``), including the coercions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COERCIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class Misfit(ValueError):
    """A value does not fit its input. ``code`` is ComfyUI's name for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Field:
    """One required or optional input of a node class, as ``INPUT_TYPES`` declares it."""

    kind: Any
    options: Mapping[str, Any]
    required: bool

    @property
    def is_tensor(self) -> bool:
        """Whether only a link can fill this input."""
        # A tensor cannot be written in JSON. ComfyUI lets a literal pass here and the node fails later; other
        # types without a built-in widget may get one from a browser extension, so they are left alone.
        return isinstance(self.kind, str) and {*self.kind.split(",")} <= {"IMAGE", "MASK"}

    @property
    def choices(self) -> list[Any] | None:
        """The choices of a combo, None for every other input."""
        if isinstance(self.kind, list):
            return self.kind
        return list(self.options.get("options", ())) if self.kind == "COMBO" else None

    @property
    def default(self) -> Any:
        """The value of a widget that nobody touched, the first choice of a combo; None where there is none."""
        if "default" in self.options:
            return self.options["default"]
        return next(iter(self.choices or ()), None)

    def accepts(self, received: Any) -> bool:
        """Whether an output of type ``received`` may be linked here; "A,B" is a union and "*" anything."""
        if received == self.kind or (isinstance(received, list) and self.kind == "COMBO"):
            return True
        if "*" in (received, self.kind):
            return True
        if not isinstance(received, str) or not isinstance(self.kind, str):
            return False
        offered, taken = ({part.strip() for part in kind.split(",")} for kind in (received, self.kind))
        return bool(offered & taken) or "*" in offered | taken

    def coerced(self, value: Any) -> Any:
        """``value`` as the type this input asks for; raises Misfit."""
        value = _unwrapped(value)
        if self.is_tensor and not (value is None and not self.required):
            raise Misfit("invalid_input_type", f'needs a link to another node\'s {self.kind}, such as ["4", 0]')
        try:
            return _converted(value, self.kind)
        except (TypeError, ValueError, OverflowError):
            raise Misfit("invalid_input_type", f"{value!r} does not read as {self.kind}") from None

    def check(self, value: Any) -> None:
        """Hold ``value`` against min, max and the choices; raises Misfit."""
        if "min" in self.options and value < self.options["min"]:
            raise Misfit("value_smaller_than_min", f"{value} is smaller than the minimum {self.options['min']}")
        if "max" in self.options and value > self.options["max"]:
            raise Misfit("value_bigger_than_max", f"{value} is bigger than the maximum {self.options['max']}")
        if self.choices is None:
            return
        chosen = value if self.options.get("multiselect") and isinstance(value, list) else [value]
        unknown = [choice for choice in chosen if choice not in self.choices]
        if unknown:
            shown = ", ".join(map(str, self.choices)) if len(self.choices) <= 20 else f"{len(self.choices)} choices"
            raise Misfit("value_not_in_list", f"{', '.join(map(repr, unknown))} is not one of: {shown}")


def literal(value: Any, kind: Any) -> Any:
    """``value`` as ComfyUI hands it on to an input of type ``kind``. Raises what int, float, str and bool do."""
    return _converted(_unwrapped(value), kind)


def _unwrapped(value: Any) -> Any:
    return value["__value__"] if isinstance(value, Mapping) and "__value__" in value else value


def _converted(value: Any, kind: Any) -> Any:
    return COERCIONS[kind](value) if isinstance(kind, str) and kind in COERCIONS else value


def hidden(node_class: type[Any]) -> Mapping[str, Any]:
    """The hidden inputs of a node class, and what each is filled with."""
    inputs: Mapping[str, Any] = node_class.INPUT_TYPES().get("hidden", {})
    return inputs


def declared(node_class: type[Any]) -> dict[str, Field]:
    """The required, then the optional inputs of a node class, by name and in declared order."""
    types = node_class.INPUT_TYPES()
    return {
        name: Field(spec[0], spec[1] if len(spec) > 1 else {}, required=group == "required")
        for group in ("required", "optional")
        for name, spec in types.get(group, {}).items()
    }
