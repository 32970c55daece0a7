"""What cannot be shown costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from nodes.host import Bare, show_failure, show_preview, show_progress


class Broken(Bare):
    """A host whose browser has gone away."""

    def progress(self, text: str) -> None:
        raise ConnectionError

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        raise ConnectionError

    def preview(self, picture: Image.Image) -> None:
        raise ConnectionError


def undrawable() -> Image.Image:
    raise ValueError


def test_what_cannot_be_shown_ends_no_node() -> None:
    show_progress(Broken(), "sending")
    show_failure(Broken(), {"code": "X"}, None)
    show_preview(Broken(), lambda: Image.new("RGB", (1, 1)))
    show_preview(Bare(), undrawable)
