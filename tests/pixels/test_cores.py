"""Pictures are compressed, and their keys made, on every core at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nodes.api import Server, catalogue
from nodes.headless.core_nodes.files import write
from nodes.pixels import on_every_core
from nodes.purchase.order import orders_of
from nodes.purchase.plan import Plan
from nodes.table import NODE_CLASS_MAPPINGS

PAIR = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(1))
MODEL = catalogue.bundled().find("gpt-image-1.5") or catalogue.Model("")
TERMS = {"model": "gpt-image-1.5", "size": "auto", "n": 1, "seed": 0}
MASK = torch.zeros(1, 64, 64)
MASK[:, 20:40, 20:40] = 1.0


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def planned(name: str, inputs: dict[str, Any]) -> Plan:
    node = NODE_CLASS_MAPPINGS[f"Lumenfall{name}"]
    required = node.INPUT_TYPES()["required"]
    defaults = {key: spec[1]["default"] for key, spec in required.items() if "default" in spec[-1]}
    terms = {key: value for key, value in TERMS.items() if key in required}
    plan: Plan = node().plan(**{**defaults, **terms, **inputs})
    return plan


class Meeting:
    """Goes on once two are in it at the same time."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)

    def __call__(self) -> None:
        self._barrier.wait(timeout=20)


def test_two_are_worked_at_together_and_come_in_their_order() -> None:
    meet = Meeting()

    def work(number: int) -> int:
        meet()
        return number * number

    assert list(on_every_core(work, range(6))) == [0, 1, 4, 9, 16, 25]


def test_no_more_are_begun_than_there_are_cores() -> None:
    """Or a long batch would lie in memory, encoded, before the first is written."""
    begun: list[int] = []
    results = on_every_core(lambda number: begun.append(number) or number, range(100))  # type: ignore[func-returns-value]
    assert next(results) == 0 and len(begun) <= 3
    results.close()  # type: ignore[attr-defined]


def test_the_error_is_that_of_the_first_that_has_one() -> None:
    def work(number: int) -> None:
        if number:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"^1$"):
        list(on_every_core(work, range(4)))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Inpaint", {"image": PAIR, "mask": MASK, "prompt": "a hat", "keep_unmasked": True}),
        ("Inpaint", {"image": PAIR, "mask": MASK, "prompt": "a hat", "keep_unmasked": True, "region": "zoom to mask"}),
        ("Variations", {"image": PAIR, "similarity": "close"}),
        ("Edit", {"image": PAIR, "prompt": "a hat"}),
        ("Outpaint", {"image": PAIR, "left": 16}),
        ("Upscale", {"image": PAIR, "scale_factor": 2.0}),
    ],
    ids=["inpaint", "zoomed", "variations", "edit", "outpaint", "upscale"],
)
def test_the_pictures_of_a_batch_are_compressed_together(
    monkeypatch: pytest.MonkeyPatch, name: str, inputs: dict[str, Any]
) -> None:
    plan = planned(name, inputs)
    meet, save = Meeting(), Image.Image.save

    def saved(picture: Image.Image, *arguments: Any, **options: Any) -> None:
        if picture.mode == "RGB":  # no mask, which may be one for all
            meet()
        save(picture, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", saved)
    assert plan.requests(MODEL)


def test_a_batch_is_saved_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    meet, save = Meeting(), Image.Image.save

    def saved(picture: Image.Image, *arguments: Any, **options: Any) -> None:
        meet()
        save(picture, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", saved)
    written = write(tmp_path, "fox", PAIR, None, None, compression=1)
    assert [file["filename"] for file in written] == ["fox_00001_.png", "fox_00002_.png"]


def test_their_keys_are_made_together(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("Upscale", {"image": PAIR, "scale_factor": 2.0})
    meet, opened = Meeting(), Image.open

    def open_one(*arguments: Any, **options: Any) -> Image.Image:
        meet()
        return opened(*arguments, **options)

    monkeypatch.setattr(Image, "open", open_one)
    first, second = orders_of(plan, Server("http://127.0.0.1:9"), MODEL)
    assert first.key != second.key
