"""A file as it is shared: what it holds by name, and the same file with other content in the same form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .. import pictures

WHOLE = ""
"""The name of what a JSON file holds."""


@dataclass(frozen=True)
class SharedFile:
    """``content`` has a JSON file's under WHOLE, and each text of a picture under its own name, parsed where it is
    JSON. What else is in a picture, and in no copy of it, are ``remains`` (where, and a text) and ``traits`` (a code,
    and what is there).
    """

    data: bytes
    content: dict[str, Any]
    remains: tuple[tuple[str, str], ...] = ()
    traits: tuple[tuple[str, str], ...] = ()

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
            text = json.dumps(content[WHOLE], indent=2 if is_spread else None, ensure_ascii=False)
            return f"{text}\n".encode("utf-8", "surrogatepass")

        def text_of(name: str, text: str) -> str:
            new = content.get(name)
            if new == self.content[name]:
                return text
            return new if isinstance(new, str) else json.dumps(new) if new else ""

        return pictures.rewritten(self.data, text_of)


def shared(data: bytes, is_picture: bool) -> SharedFile:
    """What ``data`` holds, which is known to be JSON or a picture."""
    if is_picture:
        content = {name: _parsed(text) for name, text in pictures.texts(data).items()}
        return SharedFile(data, content, tuple(pictures.remains(data)), tuple(pictures.traits(data)))
    return SharedFile(data, {WHOLE: json.loads(data)})


def _parsed(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # A number or a word may be written in many ways, and is to stay as it is.
    return parsed if isinstance(parsed, (dict, list)) else text
