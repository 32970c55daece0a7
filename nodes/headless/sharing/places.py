"""The nodes in whatever a file holds, of either form, and every text with the node that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from ...graph.drawing import BYPASSED, MUTED, Malformed, read_node
from ...graph.widgets import widgets_of

Definitions = Mapping[str, Mapping[str, Any]]
"""As :func:`...graph.converting.to_api` takes them."""


@dataclass(frozen=True)
class Place:
    """A node as the file has it. ``values`` are those of its widgets by name, as far as names are known."""

    id: str
    title: str | None
    class_type: str
    raw: Mapping[str, Any]
    values: Mapping[str, Any]
    is_drawn: bool
    graph: int | None = None
    """Equal for nodes of one list."""

    @property
    def runs(self) -> bool:
        return not self.is_drawn or self.raw.get("mode") not in (MUTED, BYPASSED)

    @property
    def pack(self) -> str | None:
        """The pack that it comes from, where the file tells."""
        facts = self.raw.get("properties" if self.is_drawn else "_meta")
        named = facts.get("cnr_id") or facts.get("aux_id") if isinstance(facts, Mapping) else None
        return named if isinstance(named, str) else None


def place_of(raw: Any, name: str, definitions: Definitions) -> Place | None:
    """``raw``, which stands below ``name``, as a node; None where it is none."""
    if not isinstance(raw, Mapping):
        return None
    kind, inputs = raw.get("class_type"), raw.get("inputs")
    if isinstance(kind, str) and isinstance(inputs, Mapping):
        meta = raw.get("_meta")
        title = meta.get("title") if isinstance(meta, Mapping) else None
        values = {key: value for key, value in inputs.items() if not isinstance(value, list)}
        return Place(name, title if isinstance(title, str) else None, kind, raw, values, is_drawn=False)
    if name == "nodes" and isinstance(raw.get("type"), str) and "id" in raw:
        title = raw.get("title")
        return Place(
            str(raw["id"]),
            title if isinstance(title, str) else None,
            raw["type"],
            raw,
            _named(raw, definitions.get(raw["type"])),
            is_drawn=True,
        )
    return None


def _named(raw: Mapping[str, Any], definition: Mapping[str, Any] | None) -> Mapping[str, Any]:
    try:
        return widgets_of(read_node(raw), definition).values
    except Malformed:
        return {}


def places(content: Any, definitions: Definitions, name: str = "", graph: int | None = None) -> Iterator[Place]:
    """Every node, those of subgraphs too."""
    found = place_of(content, name, definitions)
    if found is not None:
        yield replace(found, graph=graph)
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from places(value, definitions, str(key))
    elif isinstance(content, list):
        for value in content:
            yield from places(value, definitions, name, id(content))


def texts_in(content: Any) -> Iterator[str]:
    """Every text."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, Mapping)):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from texts_in(value)


Change = Callable[[Place | None, str, str], str]
"""What becomes of a text, by its node and the name that it stands below."""


def changed(content: Any, definitions: Definitions, change: Change, node: Place | None = None, name: str = "") -> Any:
    """A copy of ``content`` with ``change`` made to every text in it, names among them: where two become equal, the
    later one gets a number. Numbers stay as they are.
    """
    if isinstance(content, str):
        return change(node, name, content)
    if isinstance(content, list):
        return [changed(value, definitions, change, node, name) for value in content]
    if isinstance(content, Mapping):
        node = place_of(content, name, definitions) or node
        made: dict[str, Any] = {}
        names = {str(key): change(None, "", str(key)) for key in content}
        # What keeps its name comes before what is called so now.
        taken = {key for key, new in names.items() if key == new}
        for key, value in content.items():
            new = names[str(key)]
            if new != str(key):
                new = unlike(new, taken)
                taken.add(new)
            made[new] = changed(value, definitions, change, node, str(key))
        return made
    return content


def unlike(name: str, taken: Collection[str]) -> str:
    """``name``, with a number where it is ``taken``."""
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)
