"""What a node leaves for the page that started it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nodes.contract import shown
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import use
from nodes.pixels import to_uint8
from nodes.purchase.session import Session
from nodes.spend import newest
from nodes.table import NODE_CLASS_MAPPINGS


class Watched(Headless):
    """A host with a page before which somebody sits."""

    folder: Path

    def shown_dir(self) -> Path:
        return self.folder


@pytest.fixture
def host(sandbox: Sandbox, tmp_path: Path) -> Watched:
    host = Watched({"LUMENFALL_BASE_URL": sandbox.base_url}, nodes=NODE_CLASS_MAPPINGS)
    host.folder = tmp_path / "temp" / "lumenfall"
    return host


def run(host: Headless, node_id: str, **inputs: Any) -> tuple[torch.Tensor, list[dict[str, Any]]]:
    """The pictures of a node, and what its report for the page says of them."""
    node = NODE_CLASS_MAPPINGS[node_id]
    declared = node.INPUT_TYPES()["required"]
    defaults = {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[-1]}
    with use(host), torch.inference_mode():
        answer = asyncio.run(getattr(node(), node.FUNCTION)(**{**defaults, **inputs}))
    assert set(answer) == {"ui", "result"} and "shown" not in answer["result"][2]
    return answer["result"][0], answer["ui"]["lumenfall"][0].get("shown", [])


def opened(host: Watched, name: str) -> Image.Image:
    picture = Image.open(host.folder / name)
    picture.load()
    return picture


def picture(height: int = 96, width: int = 128, channels: int = 3) -> torch.Tensor:
    return torch.rand(1, height, width, channels, generator=torch.Generator().manual_seed(1))


def square_mask() -> torch.Tensor:
    mask = torch.zeros(1, 96, 128)
    mask[:, 24:72, 64:96] = 1
    return mask


def test_pictures_that_are_files_of_the_store_are_named_and_not_written_again(host: Watched) -> None:
    _, told = run(host, "LumenfallGenerate", prompt="a cat", size="256x192", n=2)
    with use(host):
        (call,) = newest(Session(host).journal, 5)
    place = {"call": call.id, "extension": ".png", "width": 256, "height": 192}
    assert told == [{**place, "number": 1}, {**place, "number": 2}]
    assert not list(host.folder.iterdir())


def test_a_picture_that_was_made_here_is_written_bit_for_bit_with_what_it_was_made_of(host: Watched) -> None:
    made, (told,) = run(host, "LumenfallInpaint", image=picture(), mask=square_mask(), prompt="a hat")
    assert np.array_equal(to_uint8(made[0]), np.asarray(opened(host, told["file"])))
    assert opened(host, told["before"]).size == (128, 96)
    stencil = opened(host, told["mask"])
    assert stencil.mode == "LA" and stencil.getpixel((80, 48)) == (0, 255) and stencil.getpixel((10, 10)) == (0, 0)
    assert told["share"] == pytest.approx(48 * 32 / (96 * 128), abs=0.001)
    assert told["middle"] == pytest.approx(80 / 128, abs=0.01)


def test_equal_files_are_one(host: Watched) -> None:
    """Each take of a picture was made of the same, and a replay shows what its run has shown."""
    inputs = {"image": picture(), "mask": square_mask(), "prompt": "a hat", "n": 2}
    _, told = run(host, "LumenfallInpaint", **inputs)
    assert told[0]["before"] == told[1]["before"] and told[0]["file"] != told[1]["file"]
    files = {path.name for path in host.folder.iterdir()}
    assert run(host, "LumenfallInpaint", **inputs)[1] == told
    assert {path.name for path in host.folder.iterdir()} == files


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("LumenfallVariations", {}),
        ("LumenfallEdit", {"prompt": "make it night"}),
        ("LumenfallUpscale", {}),
        ("LumenfallInpaint", {"prompt": "a hat", "mask": square_mask(), "keep_unmasked": False}),
    ],
)
def test_what_came_as_it_is_stands_beside_its_input(host: Watched, node_id: str, inputs: dict[str, Any]) -> None:
    _, (told, *_) = run(host, node_id, image=picture(), **inputs)
    assert "call" in told and opened(host, told["before"]).size == (128, 96)
    assert ("mask" in told) == (node_id == "LumenfallInpaint")


def test_an_enlarged_picture_is_shown_with_the_transparency_that_it_has_here(host: Watched) -> None:
    made, (told,) = run(host, "LumenfallUpscale", image=picture(channels=4))
    assert made.shape[-1] == 4 and opened(host, told["file"]).mode == "RGBA"


def test_what_a_picture_was_extended_from_stands_in_its_place(host: Watched) -> None:
    made, (told,) = run(host, "LumenfallOutpaint", image=picture(), right=64, feather=0)
    before = opened(host, told["before"])
    assert before.size == (told["width"], told["height"]) == (made.shape[2], made.shape[1])
    assert (before.getpixel((60, 48))[3], before.getpixel((180, 48))[3]) == (255, 0)


def test_each_model_that_is_compared_shows_its_own(host: Watched) -> None:
    models = {"model": "gpt-image-2", "more_models": "flux.2-pro"}
    _, told = run(host, "LumenfallCompare", prompt="a cat", size="256x256", **models)
    assert [each["name"] for each in told] == list(models.values()) and all("call" in each for each in told)


def test_a_small_picture_is_made_of_a_large_one(host: Watched) -> None:
    large = picture(1200, 1600)
    mask = torch.zeros(1, 1200, 1600)
    mask[:, :600] = 1
    _, (told,) = run(host, "LumenfallInpaint", image=large, mask=mask, prompt="a hat")
    assert opened(host, told["file"]).size == (1600, 1200)
    assert opened(host, told["before"]).size == opened(host, told["mask"]).size == (1024, 768)


def test_where_nobody_looks_or_nothing_can_be_written_the_pictures_come_all_the_same(host: Watched) -> None:
    host.folder.parent.mkdir(parents=True)
    host.folder.write_text("a file in the place of the folder")
    inputs = {"image": picture(), "mask": square_mask(), "prompt": "a hat"}
    made, told = run(host, "LumenfallInpaint", **inputs)
    assert made.shape == (1, 96, 128, 3) and told == []
    assert run(Headless(host.environ()), "LumenfallInpaint", **inputs)[1] == []


def test_the_oldest_files_make_room(host: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"image": picture(), "mask": square_mask(), "prompt": "a hat"}
    _, (first,) = run(host, "LumenfallInpaint", **inputs)
    size = sum(path.stat().st_size for path in host.folder.iterdir())
    monkeypatch.setattr(shown, "MOST_BYTES", size)
    _, (second,) = run(host, "LumenfallInpaint", **{**inputs, "prompt": "a scarf"})
    kept = {path.name for path in host.folder.iterdir()}
    assert second["file"] in kept and second["before"] in kept and first["file"] not in kept


def test_a_batch_is_shown_as_far_as_anybody_looks(host: Watched) -> None:
    many = picture().expand(shown.MOST + 1, -1, -1, -1)
    made, told = run(host, "LumenfallUpscale", image=many)
    assert made.shape[0] == shown.MOST + 1 and len(told) == shown.MOST
