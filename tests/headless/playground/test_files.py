"""Pictures: shown, uploaded, masked."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.headless.playground import Playground


def png(colour: tuple[int, ...], size: tuple[int, int] = (8, 4), **texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    file = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def upload(http: httpx.Client, content: bytes, name: str = "a.png", to: str = "image", **form: str) -> httpx.Response:
    return http.post(f"/api/upload/{to}", files={"image": (name, content)}, data=form)


def seen(http: httpx.Client, **query: Any) -> Image.Image:
    answer = http.get("/api/view", params=query)
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_the_examples_pictures_are_in_the_input_folder(http: httpx.Client, playground: Playground) -> None:
    assert seen(http, filename="balloon.png", type="input").size == (1024, 768)
    assert "balloon.png [input]" in http.get("/internal/files/input").json()
    assert http.get("/internal/files/user").status_code == 400


def test_an_upload_is_offered_by_load_image(http: httpx.Client) -> None:
    answer = upload(http, png((1, 2, 3)), type="input", subfolder="")
    assert answer.json() == {"name": "a.png", "subfolder": "", "type": "input"}
    offered = http.get("/api/object_info/LoadImage").json()["LoadImage"]["input"]["required"]["image"][0]
    assert "a.png" in offered
    assert seen(http, filename="a.png [input]").getpixel((0, 0)) == (1, 2, 3)


def test_another_picture_of_the_same_name_gets_a_number(http: httpx.Client) -> None:
    for colour, name in (((1, 1, 1), "a.png"), ((2, 2, 2), "a (1).png"), ((2, 2, 2), "a (1).png")):
        assert upload(http, png(colour)).json()["name"] == name
    assert upload(http, png((3, 3, 3)), overwrite="true").json()["name"] == "a.png"
    assert seen(http, filename="a.png", type="input").getpixel((0, 0)) == (3, 3, 3)


def test_the_mask_editor_can_paint(http: httpx.Client) -> None:
    original = png((9, 8, 7, 255), prompt="{}")
    upload(http, original, "photo.png")
    ref = {"filename": "photo.png", "subfolder": "", "type": "input"}
    painted = png((0, 0, 0, 40))
    answer = upload(
        http, painted, "masked.png", "mask", type="input", subfolder="clipspace", original_ref=json.dumps(ref)
    )
    assert answer.json() == {"name": "masked.png", "subfolder": "clipspace", "type": "input"}
    where = {"filename": "masked.png", "subfolder": "clipspace", "type": "input"}
    masked = seen(http, **where)
    assert masked.getpixel((0, 0)) == (9, 8, 7, 40) and masked.text == {"prompt": "{}"}
    assert seen(http, **where, channel="rgb").getpixel((0, 0)) == (9, 8, 7)
    assert seen(http, **where, channel="a").getpixel((0, 0)) == (0, 0, 0, 40)
    known = http.post(
        "/api/prompt",
        json={
            "prompt": {
                "1": {"class_type": "LoadImage", "inputs": {"image": "clipspace/masked.png [input]"}},
                "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
            }
        },
    )
    assert known.status_code == 200


def test_previews_are_encoded_as_asked(http: httpx.Client) -> None:
    upload(http, png((9, 8, 7, 40)))
    for wanted, kind, mode in (("webp;90", "WEBP", "RGBA"), ("jpeg", "JPEG", "RGB"), ("nonsense", "WEBP", "RGBA")):
        picture = seen(http, filename="a.png", type="input", preview=wanted)
        assert (picture.format, picture.mode) == (kind, mode)


def test_active_content_is_never_shown(http: httpx.Client, playground: Playground) -> None:
    for name in ("a.svg", "a.html", "a.js"):
        (playground.folders.of_nodes.output / name).write_text("<script>alert(1)</script>")
        headers = http.get("/api/view", params={"filename": name}).headers
        assert headers["content-disposition"] == "attachment"
        assert headers["content-type"] == "application/octet-stream"
        assert headers["x-content-type-options"] == "nosniff"
    assert http.get("/api/view", params={"filename": "a.html", "preview": "webp"}).status_code == 415


def test_an_svg_is_shown_within_a_page(http: httpx.Client, playground: Playground) -> None:
    """As Save SVG's result on its node: there a browser runs no scripts. That answer must not serve for the file opened
    by itself.
    """
    (playground.folders.of_nodes.output / "b.svg").write_text("<svg/>")
    (playground.folders.of_nodes.output / "b.html").write_text("<p>")
    within = {"Sec-Fetch-Dest": "image"}
    headers = http.get("/api/view", params={"filename": "b.svg"}, headers=within).headers
    assert headers["content-type"] == "image/svg+xml" and "content-disposition" not in headers
    assert headers["vary"] == "Sec-Fetch-Dest" and headers["cache-control"] == "no-store"
    for name, dest in (("b.svg", "document"), ("b.svg", "iframe"), ("b.html", "image")):
        answer = http.get("/api/view", params={"filename": name}, headers={"Sec-Fetch-Dest": dest})
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["vary"] == "Sec-Fetch-Dest"


@pytest.mark.parametrize(
    "form", [{"subfolder": "../../up"}, {"type": "user"}, {"subfolder": "/tmp"}, {"name": "../../up.png"}]
)
def test_uploads_stay_in_their_folder(http: httpx.Client, playground: Playground, form: dict[str, str]) -> None:
    before = sorted(playground.folders.root.rglob("*"))
    name = form.pop("name", "up.png")
    assert upload(http, png((1, 1, 1)), name, **form).status_code in (400, 403)
    assert sorted(playground.folders.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("ref", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ('{"filename": "none.png"}', 404),
        ('{"filename": "../../user/default/comfy.templates.json", "type": "input"}', 403),
        ('{"filename": "comfy.templates.json", "subfolder": "../user/default"}', 403),
    ],
)
def test_a_mask_needs_an_original(http: httpx.Client, ref: str, status: int) -> None:
    assert upload(http, png((0, 0, 0, 0)), to="mask", original_ref=ref).status_code == status


def test_a_mask_must_fit(http: httpx.Client) -> None:
    upload(http, png((1, 1, 1)))
    ref = json.dumps({"filename": "a.png", "type": "input"})
    assert upload(http, png((0, 0, 0, 0), (3, 3)), "m.png", "mask", original_ref=ref).status_code == 400
    assert upload(http, b"no picture", "m.png", "mask", original_ref=ref).status_code == 400


def test_an_upload_without_a_file_is_refused(http: httpx.Client) -> None:
    assert http.post("/api/upload/image", data={"type": "input"}).status_code == 400


def test_temporary_pictures_go_with_the_next_start(tmp_path: Path, frontend: Path) -> None:
    from nodes.headless.playground import running

    with running(tmp_path / "p", frontend=frontend) as playground:
        temp, output = playground.folders.of_nodes.temp / "a.png", playground.folders.of_nodes.output / "a.png"
        for path in (temp, output):
            path.write_bytes(b"")
    with running(tmp_path / "p", frontend=frontend):
        assert (temp.exists(), output.exists()) == (False, True)
