"""A file as it is shared: what it holds by name, and the same file with other content in the same form."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import pictures
from ..reading import finite

WHOLE = ""
"""The name of what a JSON file holds."""


OF_A_REQUEST = frozenset(("input", "prompt", "output", "workflow", "extra_data", "extra_pnginfo"))
"""The parts of a request that lead to a graph; some send one as a text, JSON in JSON."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class SharedFile:
    """``content`` has a JSON file's under WHOLE, and each text of a picture under its own name, parsed where it is
    JSON. So are the ``packed`` parts of a request: the texts in the file, by their place. What else is in a picture,
    and in no copy of it, are ``remains`` (where, and a text) and ``traits`` (a code, and what is there). ``twins`` are
    names that stand twice in one object of a JSON file.
    """

    data: bytes
    content: dict[str, Any]
    remains: tuple[tuple[str, str], ...] = ()
    traits: tuple[tuple[str, str], ...] = ()
    packed: Mapping[Path, str] = field(default_factory=dict)
    twins: tuple[str, ...] = ()

    @property
    def is_picture(self) -> bool:
        return WHOLE not in self.content

    @property
    def ending(self) -> str:
        if not self.is_picture:
            return ".json"
        return ".png" if self.data.startswith(pictures.PNG) else ".jpg" if self.data[:1] == b"\xff" else ".webp"

    def written(self, content: dict[str, Any]) -> bytes:
        """The file with ``content`` in place of its own: the same form, and a picture's pixels as they are, with
        nothing else beside them. Raises NoWorkflow for a damaged picture.
        """
        if not self.is_picture:
            is_spread = b"\n" in self.data.strip()
            whole = finite(_closed(content[WHOLE], self.packed))
            text = json.dumps(whole, indent=2 if is_spread else None, ensure_ascii=False)
            return f"{text}\n".encode("utf-8", "surrogatepass")

        def text_of(name: str, text: str) -> str:
            new = content.get(name)
            if new == self.content[name]:
                return text
            return new if isinstance(new, str) else json.dumps(finite(new)) if new else ""

        return pictures.rewritten(self.data, text_of)


def shared(data: bytes, is_picture: bool) -> SharedFile:
    """What ``data`` holds, which is known to be JSON or a picture."""
    if is_picture:
        content = {name: _parsed(text) for name, text in pictures.texts(data).items()}
        return SharedFile(data, content, tuple(pictures.remains(data)), tuple(pictures.traits(data)))
    twins: dict[str, None] = {}

    def with_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twins.update((name, None) for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return dict(pairs)

    content = json.loads(data, object_pairs_hook=with_names)
    packed = dict(_open(content))
    return SharedFile(data, {WHOLE: content}, packed=packed, twins=tuple(twins))


def _open(content: Any, above: Path = ()) -> Iterator[tuple[Path, str]]:
    """Put what they hold in place of the texts in a request that are objects themselves; their places, inner ones
    last.
    """
    for name in OF_A_REQUEST & content.keys() if isinstance(content, dict) and "class_type" not in content else ():
        value = content[name]
        if isinstance(value, str) and isinstance(_parsed(value), dict):
            yield (*above, name), value
            content[name] = _parsed(value)
        yield from _open(content[name], (*above, name))


def _closed(content: Any, packed: Mapping[Path, str]) -> Any:
    """``content`` with those parts as texts again; what nobody changed stays as it was, to the letter."""
    content = copy.deepcopy(content)
    for (*above, name), text in reversed([*packed.items()]):
        part = content
        for key in above:
            part = part[key]
        part[name] = text if part[name] == json.loads(text) else json.dumps(part[name], ensure_ascii=False)
    return content


def _parsed(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # A number or a word may be written in many ways, and is to stay as it is.
    return parsed if isinstance(parsed, (dict, list)) else text
