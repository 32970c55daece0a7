"""Which widgets a class has, in which order their values are saved, and what they hold.

A class is described as ComfyUI's /object_info does it. The rules are those that the browser's frontend is seen to keep:
inputs that are required come before optional ones; a seed is followed by what becomes of it after a run, which takes a
place among the values but is no input; the choice of a dynamic combo brings inputs of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .drawing import DrawnNode, Socket

PLAIN = {"INT": 0, "FLOAT": 0, "BOOLEAN": False, "STRING": ""}
"""Types that anybody can type in, and what their widget holds where nothing is declared."""

SPECIAL = frozenset(
    (
        *("MARKDOWN", "TEXTAREA", "COLOR", "COLORS", "BOUNDING_BOX", "BOUNDING_BOXES", "CHART", "GALLERIA", "PAINTER"),
        *("COMPOSITOR", "CURVE", "RANGE", "VIDEO_EDIT", "LIGHT_INFO_PREVIEW", "LOAD_3D", "WEBCAM", "AUDIO_RECORD"),
    )
)
"""Types with a widget of the frontend's own, whose value is a thing of its own."""

BUTTONS = frozenset(("IMAGEUPLOAD", "AUDIOUPLOAD"))
"""Types whose widget is a button: it has a place among the values, but is no input."""

SILENT = frozenset(("AUDIO_UI", "PREVIEW_3D", "RESOLUTION_PREVIEW"))
"""Types whose widget only shows something."""

FIXED = {"IMAGECOMPARE": ["", ""]}
"""Types whose widget has no place among the values, and what the browser sends for it."""

CUSTOM_COMBO = "CustomCombo"
"""A class whose widgets the frontend makes: a choice, its number, and as many options as somebody wrote."""

AFTER_A_RUN = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
"""What may become of a seed after a run."""

UPLOADS = ("image_upload", "animated_image_upload", "video_upload")


@dataclass(frozen=True)
class Spec:
    """An input as its class declares it."""

    name: str
    type: Any
    options: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, declared: Sequence[Any]) -> Spec:
        options = declared[1] if len(declared) > 1 and isinstance(declared[1], Mapping) else {}
        kind = declared[0]
        if isinstance(kind, (list, tuple)):
            return cls(name, "COMBO", {**options, "options": list(kind)})
        return cls(name, kind, options)

    @property
    def widget_type(self) -> Any:
        """The type of its widget, None where only a link can fill it."""
        kind = self.options.get("widgetType", self.type)
        known = kind in PLAIN or kind in SPECIAL or kind in BUTTONS or kind in SILENT or kind in FIXED
        if self.options.get("forceInput") or not (known or kind in ("COMBO", "COMFY_DYNAMICCOMBO_V3")):
            return None
        return kind

    @property
    def followers(self) -> int:
        """How many values that are no inputs are saved after its own."""
        control = self.options.get("control_after_generate")
        if self.type == "INT":
            return int(bool(self.name in ("seed", "noise_seed") if control is None else control))
        if self.type == "COMBO":
            return 2 * bool(control) + bool(self.options.get("remote")) * self._remote
        return int(bool(control))

    @property
    def _remote(self) -> int:
        remote = self.options.get("remote")
        return 1 + bool(isinstance(remote, Mapping) and remote.get("refresh_button"))

    @property
    def default(self) -> Any:
        if self.options.get("default") is not None:
            return self.options["default"]
        if self.type in PLAIN:
            return PLAIN[self.type]
        return next(iter(self._choices), None)

    @property
    def _choices(self) -> list[Any]:
        choices = self.options.get("options") or []
        return [each.get("key") if isinstance(each, Mapping) else each for each in choices]

    def inputs_of(self, choice: Any) -> list[Spec]:
        """The further inputs that a dynamic combo has when ``choice`` is chosen."""
        options = self.options.get("options") or []
        chosen = next((each for each in options if isinstance(each, Mapping) and each.get("key") == choice), {})
        return [
            Spec(f"{self.name}.{spec.name}", spec.type, spec.options) for spec in _specs(chosen.get("inputs") or {})
        ]

    def held(self, value: Any) -> Any:
        """What the widget holds when ``value`` is put in."""
        if value is None and self.type in ("COMBO", "COMFY_DYNAMICCOMBO_V3"):
            return next(iter(self._choices), None)
        if self.type == "STRING" and self.options.get("multiline") and not isinstance(value, str):
            return "" if value is None else text_of(value)
        return value


@dataclass(frozen=True)
class Widgets:
    """A node's widgets: what they hold, by name and in order, and the sockets that the node has.

    ``complete`` is False where the file has values whose names neither it nor the class tells.
    """

    values: Mapping[str, Any]
    specs: Mapping[str, Spec]
    sockets: tuple[Socket, ...]
    complete: bool = True


def widgets_of(node: DrawnNode, definition: Mapping[str, Any] | None) -> Widgets:
    """The widgets of ``node``, whose class is described by ``definition``; with None, as far as the file tells."""
    return _undescribed(node) if definition is None else _described(node, definition)


def _described(node: DrawnNode, definition: Mapping[str, Any]) -> Widgets:
    # The frontend goes by place, whatever the file says of names.
    declared = list(_ordered(definition))
    values, specs = _filled(declared, _in_places(node.values, declared))
    return Widgets(values, specs, _sockets(node, declared, specs))


def _filled(declared: Sequence[Spec], saved: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Spec]]:
    """Values and inputs by name: each widget takes the next of what was saved."""
    count = 0

    def take(spec: Spec) -> Any:
        nonlocal count
        place, count = count, count + 1 + spec.followers
        return saved[place] if place < len(saved) else spec.default

    values: dict[str, Any] = {}
    specs: dict[str, Spec] = {}

    def put(spec: Spec) -> None:
        specs[spec.name] = spec
        if spec.widget_type in FIXED:
            values[spec.name] = FIXED[spec.widget_type]
        if spec.widget_type is None or spec.widget_type in SILENT or spec.widget_type in FIXED:
            return
        value = take(spec)
        if spec.widget_type not in BUTTONS:
            values[spec.name] = spec.held(value)
        if spec.widget_type == "COMFY_DYNAMICCOMBO_V3":
            for each in spec.inputs_of(spec.held(value)):
                put(each)

    for spec in declared:
        put(spec)
    return values, specs


def _sockets(node: DrawnNode, declared: Sequence[Spec], specs: Mapping[str, Spec]) -> tuple[Socket, ...]:
    """The inputs as the frontend rebuilds them: those of the class, plain ones first, then what only the file has."""
    links = {socket.name: socket for socket in node.inputs}
    names = {spec.name for spec in declared}
    in_order = [
        *(spec for spec in declared if spec.widget_type is None),
        *(each for spec in declared if spec.widget_type is not None for each in _with_inner(spec, specs, names)),
    ]
    sockets = []
    for spec in in_order:
        if not isinstance(spec.type, str) or spec.type == "COMFY_AUTOGROW_V3":
            continue
        drawn = links.get(spec.name)
        kind = drawn.type if drawn is not None and spec.type.startswith("COMFY_") else spec.type
        widget = spec.name if spec.widget_type is not None else None
        sockets.append(Socket(spec.name, kind, drawn.link if drawn else None, widget))
    known = {socket.name for socket in sockets}
    return (*sockets, *(socket for socket in node.inputs if socket.name not in known and socket.widget is None))


def _with_inner(spec: Spec, specs: Mapping[str, Spec], top: set[str]) -> Iterator[Spec]:
    yield spec
    if spec.type == "COMFY_DYNAMICCOMBO_V3":
        yield from (each for name, each in specs.items() if name.startswith(f"{spec.name}.") and name not in top)


def _undescribed(node: DrawnNode) -> Widgets:
    names = [socket.widget for socket in node.inputs if socket.widget is not None]
    by_name = node.named if node.named is not None else node.values if isinstance(node.values, Mapping) else None
    if by_name is not None:
        # What follows a seed is saved by its name too, and is no input.
        values = {name: value for name, value in by_name.items() if name in names or not _is_follower(name, value)}
        return Widgets(values, {}, node.inputs)
    if node.type == CUSTOM_COMBO and isinstance(node.values, list) and len(node.values) > 1:
        options = [f"option{number}" for number in range(1, len(node.values) - 1)]
        return Widgets(dict(zip(("choice", "index", *options), node.values, strict=True)), {}, node.inputs)
    saved = list(node.values or ())
    paired: dict[str, Any] = {}
    for name in names:
        while paired and saved and len(saved) > len(names) - len(paired) and saved[0] in AFTER_A_RUN:
            del saved[0]
        if saved:
            paired[name] = saved.pop(0)
    left = [value for value in saved if value not in AFTER_A_RUN]
    if left:
        # Some value has no name, and nobody knows which.
        return Widgets({}, {}, node.inputs, complete=False)
    return Widgets(paired, {}, node.inputs)


def _is_follower(name: str, value: Any) -> bool:
    return name.endswith("control_after_generate") and value in AFTER_A_RUN


def _in_places(saved: Sequence[Any] | Mapping[str, Any] | None, declared: Sequence[Spec]) -> list[Any]:
    """The saved values as they are put into the widgets, one after another. Frontends before 1.16 also saved one for
    inputs that only a link fills. Values by name are taken in their order where there is one for each, else not at all.
    """
    values = list(saved.values() if isinstance(saved, Mapping) else saved or ())
    dummies: list[bool] = []
    for spec in declared:
        forced = bool(spec.options.get("forceInput"))
        if spec.widget_type is not None or forced:
            dummies += [forced, False] if spec.options.get("control_after_generate") else [forced]
    if len(values) != len(dummies):
        return [] if isinstance(saved, Mapping) else values
    return [value for value, is_dummy in zip(values, dummies, strict=True) if not is_dummy]


def _ordered(definition: Mapping[str, Any]) -> Iterator[Spec]:
    inputs = definition.get("input") or {}
    yield from _specs(inputs, definition.get("input_order") or {})
    for name, declared in (inputs.get("required") or {}).items():
        spec = Spec.of(name, declared)
        if spec.type == "COMBO" and any(spec.options.get(upload) for upload in UPLOADS):
            yield Spec("upload", "IMAGEUPLOAD", {})
            return


def _specs(inputs: Mapping[str, Any], order: Mapping[str, Sequence[str]] | None = None) -> Iterator[Spec]:
    for group in ("required", "optional"):
        declared = inputs.get(group) or {}
        names = [name for name in (order or {}).get(group) or () if name in declared]
        for name in dict.fromkeys([*names, *declared]):
            yield Spec.of(name, declared[name])


def text_of(value: Any) -> str:
    """``value`` as the browser writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return ",".join(map(text_of, value))
    return str(value) if isinstance(value, (str, int)) else "[object Object]"


def _number(value: float) -> str:
    if not math.isfinite(value):  # which JSON has not, and Python reads
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)).normalize(), "f").removeprefix("-" if value == 0 else "")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent):+d}"
