from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

Post = Callable[..., httpx.Response]
Png = Callable[..., bytes]
Pictures = Callable[[httpx.Response], list[Image.Image]]


def array(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(picture.convert("RGB"), dtype=np.int16)


def test_the_same_words_give_the_same_picture(generate: Post, pictures: Pictures) -> None:
    (first,), (second,) = pictures(generate(seed=7)), pictures(generate(seed=7))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a hen"}, {"model": "flux.2-pro"}])
def test_other_words_give_another_picture(generate: Post, pictures: Pictures, change: dict[str, Any]) -> None:
    (first,), (other,) = pictures(generate(seed=7)), pictures(generate(**{"seed": 7} | change))
    assert first.tobytes() != other.tobytes()


def test_each_of_several_pictures_is_different(generate: Post, pictures: Pictures) -> None:
    found = pictures(generate(n=10))
    assert len({picture.tobytes() for picture in found}) == 10


@pytest.mark.parametrize("output_format", ["png", "jpeg", "gif", "webp", "avif"])
def test_output_formats(http: httpx.Client, generate: Post, output_format: str) -> None:
    answer = generate(output_format=output_format).json()
    download = http.get(answer["data"][0]["url"])
    assert download.headers["Content-Type"] == f"image/{output_format}"
    assert Image.open(io.BytesIO(download.content)).format == output_format.upper()
    assert answer["output_format"] == output_format


def test_compression_makes_smaller_files(http: httpx.Client, generate: Post) -> None:
    sizes = []
    for compression in (90, 10):
        answer = generate(size="256x256", output_format="jpeg", output_compression=compression).json()
        sizes.append(len(http.get(answer["data"][0]["url"]).content))
    assert sizes[0] > sizes[1]


def test_transparency_is_real(generate: Post, pictures: Pictures) -> None:
    (opaque,) = pictures(generate(size="256x256"))
    assert opaque.mode == "RGB"
    (transparent,) = pictures(generate(size="256x256", background="transparent"))
    alpha = np.asarray(transparent.getchannel("A"))
    assert alpha[0, 0] == 0 and alpha[-1, 0] == 255
    assert ((alpha > 0) & (alpha < 255)).any()


def test_an_image_field_in_generations_is_ignored(generate: Post, pictures: Pictures) -> None:
    # Measured on the real gateway: only edits look at pictures.
    (plain,), (conditioned,) = pictures(generate()), pictures(generate(image="data:image/png;base64,AAAA"))
    assert plain.tobytes() == conditioned.tobytes()


@pytest.mark.parametrize("alpha", [True, False], ids=["transparent = edit", "white = edit"])
def test_a_masked_edit(edit: Post, pictures: Pictures, png: Png, mask: Png, alpha: bool) -> None:
    data = mask()
    if not alpha:
        flat, file = Image.open(io.BytesIO(data)).convert("RGB"), io.BytesIO()
        flat.save(file, "PNG")
        data = file.getvalue()
    uploads = [("image", ("i.png", png())), ("mask", ("m.png", data))]
    (edited,) = pictures(edit(uploads))
    assert edited.size == (64, 48)
    change = np.abs(array(edited) - array(Image.open(io.BytesIO(png())))).max(axis=2)
    left, right = change[:, :32], change[:, 32:]
    # The rest is repainted too, evenly and a little, as real edit models do it.
    assert right.min() > 0 and right.max() < 40
    assert left.mean() > 60 and left.std() > 10


def test_what_is_painted_depends_on_the_prompt(edit: Post, pictures: Pictures, png: Png, mask: Png) -> None:
    uploads = [("image", ("i.png", png())), ("mask", ("m.png", mask()))]
    one, same, other = (array(pictures(edit(uploads, prompt=prompt))[0]) for prompt in ("hat", "hat", "scarf"))
    assert (one == same).all()
    assert np.abs(one[:, :32] - other[:, :32]).mean() > 5


@pytest.mark.parametrize("colour", ["black", "white", "gray", "red", "lime", "blue"])
def test_an_edit_without_a_mask_changes_every_pixel_a_little(
    edit: Post, pictures: Pictures, png: Png, colour: str
) -> None:
    source = png((64, 64), colour)
    (edited,) = pictures(edit([("image", ("i.png", source))]))
    change = np.abs(array(edited) - array(Image.open(io.BytesIO(source)))).max(axis=2)
    assert change.min() > 0 and change.max() < 120


def test_several_pictures_become_insets(edit: Post, pictures: Pictures, png: Png) -> None:
    uploads = [("image[0]", ("a.png", png((64, 64), "black"))), ("image[1]", ("b.png", png((9, 9), (0, 255, 0))))]
    (edited,) = pictures(edit(uploads))
    lower_left, upper_right = array(edited)[-8, 8], array(edited)[8, -8]
    assert lower_left[1] > 200 and upper_right[1] < 120


@pytest.mark.parametrize(
    ("fields", "size"),
    [({"size": "40x60"}, (40, 60)), ({"size": "auto"}, (64, 48)), ({"size": "1:1"}, (55, 55)), ({}, (64, 48))],
    ids=repr,
)
def test_the_size_of_an_edit(edit: Post, pictures: Pictures, fields: dict[str, str], size: tuple[int, int]) -> None:
    response = edit(**fields)
    assert pictures(response)[0].size == size
    assert response.json()["size"] == f"{size[0]}x{size[1]}"


def test_transparent_edits_keep_the_alpha_of_the_source(edit: Post, pictures: Pictures, png: Png) -> None:
    uploads = [("image", ("i.png", png(color=(9, 9, 9, 0), mode="RGBA")))]
    (edited,) = pictures(edit(uploads, background="transparent"))
    assert edited.getchannel("A").getextrema() == (0, 0)
    assert pictures(edit(uploads))[0].mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_kinds_of_pictures_that_are_taken(edit: Post, pictures: Pictures, png: Png, kind: str) -> None:
    assert pictures(edit([("image", ("i", png(kind=kind)))]))[0].size == (64, 48)


@pytest.mark.parametrize(
    ("model", "factor", "size"), [("google-upscaler", "2", (128, 96)), ("topaz-image-upscale", "1.5", (96, 72))]
)
def test_upscaling_needs_no_prompt(
    edit: Post, pictures: Pictures, model: str, factor: str, size: tuple[int, int]
) -> None:
    (picture,) = pictures(edit(model=model, scale_factor=factor, prompt=None))
    assert picture.size == size
    assert np.abs(array(picture) - (200, 60, 30)).max() <= 1


def test_a_retired_model_still_works_through_replicate(generate: Post, pictures: Pictures) -> None:
    response = generate(model="replicate/dall-e-2")
    assert pictures(response)
    assert response.json()["metadata"]["executed_model"] == "replicate/dall-e-2"
