"""LoadImage, SaveImage and the names of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.errors import InputError
from nodes.headless.core_nodes import table
from nodes.headless.core_nodes.files import NotKnown, decode, write
from nodes.headless.folders import Folders, next_name


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "input").mkdir()
    return Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")


@pytest.fixture
def nodes(folders: Folders) -> Iterator[dict[str, Any]]:
    yield table(folders)


def load(nodes: dict[str, Any], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    picture, mask = nodes["LoadImage"]().load_image(name)
    assert picture.dtype == mask.dtype == torch.float32
    return picture, mask


class TestLoading:
    @pytest.mark.parametrize("name", ["a.tif", "exif.png", "xmp.png"])
    def test_what_is_told_ahead_of_a_size_is_never_wrong(
        self, nodes: dict[str, Any], folders: Folders, name: str
    ) -> None:
        exif, info = Image.Exif(), PngInfo()
        exif[0x0112] = 6
        if name == "exif.png":
            digits = exif.tobytes().hex()
            info.add_text("Raw profile type exif", f"\nexif\n{len(digits) // 2:8}\n{digits}\n")
        else:
            info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
        options = {"exif": exif} if name == "a.tif" else {"pnginfo": info}
        Image.new("RGB", (20, 10)).save(folders.input / name, **options)
        try:
            told = nodes["LoadImage"].shapes(name)[0]
        except NotKnown:
            return
        assert told == load(nodes, name)[0].shape

    def test_an_opaque_picture_has_a_mask_of_64_zeros(self, nodes: dict[str, Any], folders: Folders) -> None:
        Image.new("RGB", (3, 2), (255, 51, 0)).save(folders.input / "a.png")
        picture, mask = load(nodes, "a.png")
        assert picture.shape == (1, 2, 3, 3)
        assert picture[0, 1, 2].tolist() == [1.0, np.float32(51) / np.float32(255), 0.0]
        assert torch.equal(mask, torch.zeros(1, 64, 64))

    def test_the_mask_is_one_minus_alpha_and_hidden_colours_stay(self, nodes: dict[str, Any], folders: Folders) -> None:
        Image.new("RGBA", (3, 2), (10, 20, 30, 51)).save(folders.input / "a.png")
        picture, mask = load(nodes, "a.png")
        assert (picture[0, 0, 0] * 255).round().tolist() == [10, 20, 30]
        assert mask.shape == (1, 2, 3)
        assert mask[0, 0, 0] == pytest.approx(0.8)

    def test_a_transparent_palette_colour_counts_as_alpha(self, nodes: dict[str, Any], folders: Folders) -> None:
        palette = Image.new("P", (2, 1), 1)
        palette.putpalette([0, 0, 0, 255, 0, 0])
        palette.putpixel((0, 0), 0)
        palette.save(folders.input / "a.gif", transparency=0)
        assert load(nodes, "a.gif")[1].tolist() == [[[1.0, 0.0]]]

    def test_it_is_turned_as_exif_says(self, nodes: dict[str, Any], folders: Folders) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (8, 4)).save(folders.input / "a.jpg", exif=exif)
        assert load(nodes, "a.jpg")[0].shape == (1, 8, 4, 3)

    def test_an_animation_is_a_batch(self, nodes: dict[str, Any], folders: Folders) -> None:
        frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
        frames[0].save(folders.input / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
        picture, mask = load(nodes, "a.webp")
        assert picture[:, 0, 0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        assert mask.shape == (3, 64, 64)

    def test_sixteen_bit_grey_keeps_its_range(self, nodes: dict[str, Any], folders: Folders) -> None:
        Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16)).save(folders.input / "a.png")
        assert load(nodes, "a.png")[0][0, 0, :, 1].tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)

    def test_load_image_mask_takes_a_channel(self, nodes: dict[str, Any], folders: Folders) -> None:
        Image.new("RGBA", (1, 1), (0, 51, 255, 255)).save(folders.input / "a.png")
        channels = [nodes["LoadImageMask"]().load_image_mask("a.png", c)[0].item() for c in ("red", "blue", "alpha")]
        assert channels == [0.0, 1.0, 0.0]

    def test_the_menu_lists_pictures_only(self, nodes: dict[str, Any], folders: Folders) -> None:
        for name in ("b.png", "a.webp", "notes.txt"):
            (folders.input / name).touch()
        assert nodes["LoadImage"].INPUT_TYPES()["required"]["image"][0] == ["a.webp", "b.png"]

    def test_names_may_have_folders_and_labels_but_not_lead_out(self, nodes: dict[str, Any], folders: Folders) -> None:
        for path in (folders.input / "sub" / "a.png", folders.output / "b.png"):
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (1, 1)).save(path)
        validate = nodes["LoadImage"].VALIDATE_INPUTS
        assert validate("sub/a.png") is validate("b.png [output]") is validate(None) is True
        assert "no picture" in validate("b.png")
        assert "outside" in validate("../output/b.png")
        assert "outside" in validate("a\0.png")

    def test_what_is_no_picture_is_named(self, nodes: dict[str, Any], folders: Folders) -> None:
        (folders.input / "a.png").write_bytes(b"hello")
        with pytest.raises(InputError, match=r"a\.png cannot be read as a picture"):
            load(nodes, "a.png")


class TestSaving:
    @given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=8).map(lambda s: (*s, 3))))
    @settings(deadline=None, max_examples=40)
    def test_eight_bit_pixels_survive_saving_and_loading(
        self, tmp_path_factory: pytest.TempPathFactory, pixels: Any
    ) -> None:
        folder = tmp_path_factory.mktemp("round")
        images = torch.from_numpy(pixels.astype(np.float32) / np.float32(255))
        written = write(folder, "x", images, None, None, compression=1)
        loaded = [decode(folder / image["filename"])[0] for image in written]
        assert torch.equal(torch.cat(loaded), images)

    def test_all_256_values_survive(self, tmp_path: Path) -> None:
        values = torch.arange(256).float() / 255
        write(tmp_path, "x", values.reshape(1, 16, 16, 1).expand(-1, -1, -1, 3), None, None, compression=1)
        assert np.asarray(Image.open(tmp_path / "x_00001_.png"))[..., 0].flatten().tolist() == list(range(256))

    def test_the_graph_is_in_the_file(self, nodes: dict[str, Any], folders: Folders) -> None:
        answer = nodes["SaveImage"]().save_images(torch.zeros(1, 2, 2, 4), "p", {"1": "\u00e4"}, {"workflow": {"a": 1}})
        (entry,) = answer["ui"]["images"]
        assert entry == {"filename": "p_00001_.png", "subfolder": "", "type": "output"}
        with Image.open(folders.locate(entry)) as image:
            assert image.mode == "RGBA"
            assert {key: json.loads(text) for key, text in image.info.items()} == {
                "prompt": {"1": "\u00e4"},
                "workflow": {"a": 1},
            }

    def test_the_counter_goes_on_and_subfolders_are_made(self, nodes: dict[str, Any], folders: Folders) -> None:
        save = nodes["SaveImage"]().save_images
        folder = folders.output / "sub" / "dir"
        save(torch.zeros(2, 2, 2, 3), "sub/dir/p")
        (folder / "p_00041_.jpg").touch()
        (folder / "pp_00099_.png").touch()
        (folder / "p_x_.png").touch()
        answer = save(torch.zeros(2, 2, 2, 3), "sub/dir/p")
        assert [entry["filename"] for entry in answer["ui"]["images"]] == ["p_00042_.png", "p_00043_.png"]
        assert answer["ui"]["images"][0]["subfolder"] == "sub/dir"

    def test_variables(self, tmp_path: Path) -> None:
        directory, stem, number = next_name(tmp_path, "%year%/%width%x%height%_%date%", 30, 20)
        assert directory.name.isdecimal()
        assert (stem, number) == ("30x20_%date%", 1)
        (written, other) = write(tmp_path, "b%batch_num%", torch.zeros(2, 1, 1, 3), None, None, compression=1)
        assert [written["filename"], other["filename"]] == ["b0_00001_.png", "b1_00002_.png"]

    @pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/etc/x"])
    def test_it_stays_in_the_output_folder(self, nodes: dict[str, Any], folders: Folders, prefix: str) -> None:
        assert "leads out" in nodes["SaveImage"].VALIDATE_INPUTS(prefix)
        with pytest.raises(InputError, match="leads out"):
            nodes["SaveImage"]().save_images(torch.zeros(1, 2, 2, 3), prefix)
        assert not folders.output.exists()

    def test_previews_go_to_the_temporary_folder(self, nodes: dict[str, Any], folders: Folders) -> None:
        (entry,) = nodes["PreviewImage"]().save_images(torch.zeros(1, 2, 2, 3))["ui"]["images"]
        assert entry["type"] == "temp"
        assert folders.locate(entry).parent == folders.temp
        assert not folders.output.exists()
