"""The contact sheet: every tile is there, whole and in its place."""

from __future__ import annotations

import pytest
import torch

from nodes.pixels import Tile, contact_sheet


@pytest.mark.parametrize("count", range(1, 9))
def test_every_picture_is_on_the_sheet_whole(count: int) -> None:
    colours = torch.linspace(0.15, 0.95, count)
    pictures = [torch.full((30 + 7 * place, 60, 3), float(colour)) for place, colour in enumerate(colours)]
    sheet = contact_sheet([Tile(f"model-{place}", "0.04 USD", picture) for place, picture in enumerate(pictures)])
    for picture, colour in zip(pictures, colours, strict=True):
        shown = ((sheet[0] - float(colour)).abs().amax(dim=-1) < 0.003).sum()
        assert shown >= 0.98 * 512 * 512 * min(picture.shape[:2]) / max(picture.shape[:2])


def test_a_failure_is_words_and_no_picture() -> None:
    failed = contact_sheet([Tile("a-model", "The provider failed. " * 40), Tile("b" * 90, "ok", torch.ones(8, 8, 4))])
    assert failed.shape == contact_sheet([Tile("a", "")] * 2).shape
    assert not torch.equal(failed[:, :, :550], contact_sheet([Tile("a-model", "")] * 2)[:, :, :550])
