"""The node classes of ComfyUI itself, its own API nodes among them, from 0.3.64 to 0.33."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("core_classes.txt")


@cache
def _core() -> frozenset[str]:
    return frozenset(_LIST.read_text(encoding="utf-8").splitlines())


def is_core(class_type: str) -> bool:
    return class_type in _core()
