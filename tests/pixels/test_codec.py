"""Tensors to files and back."""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageFile, ImageOps

from nodes.errors import AnswerError, DecoderFault, InputError
from nodes.pixels import codec, decode, encode, sniff, split_alpha, to_uint8
from nodes.pixels.codec import readable

sides = st.integers(1, 24)


def pixels(channels: int) -> st.SearchStrategy[np.ndarray]:
    return st.tuples(sides, sides).flatmap(lambda size: hnp.arrays(np.uint8, (*size, channels)))


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def as_load_image(content: bytes) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What ComfyUI's LoadImage makes of a file: colour, and alpha where there is one."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    colour = torch.from_numpy(np.array(picture.convert("RGB")).astype(np.float32) / 255.0)
    if "A" not in picture.getbands():
        return colour, None
    return colour, torch.from_numpy(np.array(picture.getchannel("A")).astype(np.float32) / 255.0)


@given(st.sampled_from([1, 3, 4]).flatmap(pixels))
def test_8_bit_round_trip_is_the_identity(values: np.ndarray) -> None:
    tensor = torch.from_numpy(values.astype(np.float32) / 255.0)
    back = decode(encode(tensor))[0]
    expected = tensor.expand(*tensor.shape[:2], 3) if tensor.shape[-1] == 1 else tensor
    assert torch.equal(back, expected)


@given(pixels(4), st.sampled_from(["RGB", "RGBA", "L", "LA"]))
def test_decoding_equals_load_image(values: np.ndarray, mode: str) -> None:
    content = saved(Image.fromarray(values).convert(mode))
    colour, alpha = as_load_image(content)
    decoded = decode(content)[0]
    assert torch.equal(decoded[..., :3], colour)
    assert decoded.shape[-1] == (3 if alpha is None else 4)
    assert alpha is None or torch.equal(decoded[..., 3], alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    picture = Image.fromarray(np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(picture, exif=exif)
    assert torch.equal(decode(content)[0], as_load_image(content)[0])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_every_format_of_an_answer_is_told_and_read(kind: str) -> None:
    content = saved(Image.new("RGB", (40, 30), (200, 100, 50)), kind)
    found = sniff(content)
    assert found is not None and found.value == kind
    decoded = decode(content)
    assert decoded.shape == (1, 30, 40, 3)
    assert torch.allclose(decoded[0, 15, 20], torch.tensor([200, 100, 50]) / 255, atol=0.03)


def test_palette_transparency_becomes_alpha() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    decoded = decode(saved(picture, transparency=1))[0]
    assert decoded[0, 0].tolist() == [1, 0, 0, 1]
    assert decoded[0, 1].tolist() == [0, 1, 0, 0]


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    picture = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    decoded = decode(saved(picture))[0]
    assert decoded.shape == (1, 3, 3)
    assert decoded[0, :, 0].tolist() == pytest.approx([0.0, 32768 / 65535, 1.0], abs=1e-6)


def test_cmyk_becomes_rgb() -> None:
    decoded = decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))[0]
    assert torch.allclose(decoded[4, 4], torch.tensor([1.0, 0.0, 0.0]), atol=0.05)


def test_animated_answer_becomes_a_batch() -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "green", "blue")]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content).shape[:3] == (3, 4, 5)


def test_out_of_range_values_are_clamped_and_rounded() -> None:
    values = torch.tensor([-0.5, -0.01, 0.4999 / 255, 0.5001 / 255, 1.01, 7.0, float("nan"), float("inf")])
    assert to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255, 0, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_other_dtypes_survive(dtype: torch.dtype) -> None:
    values = torch.tensor([[[0.0, 0.5, 1.0]]], dtype=dtype)
    assert to_uint8(values).tolist() == [[[0, 128, 255]]]


def test_half_precision_mask_inverted_twice_is_exact() -> None:
    # Where peers truncate, 1 - x turns 159 of the 256 values wrong.
    values = torch.arange(256, dtype=torch.float32) / 255
    assert to_uint8(1 - (1 - values)).tolist() == list(range(256))


def test_non_contiguous_and_inference_tensors_are_taken() -> None:
    with torch.inference_mode():
        tensor = torch.rand(4, 3, 6).permute(2, 0, 1)
        assert decode(encode(tensor)).shape == (1, 6, 4, 3)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (0, 4, 3), (1, 4, 4, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="channels"):
        encode(torch.zeros(shape))


def test_split_alpha_gives_load_images_mask() -> None:
    colour, mask = split_alpha(torch.tensor([[[[0.1, 0.2, 0.3, 0.25]]]]))
    assert colour.shape == (1, 1, 1, 3) and mask.item() == 0.75


# What must be refused


@contextlib.contextmanager
def called_damaged() -> Iterator[None]:
    """Whatever is wrong with a file, it is read or called damaged, and is no fault of the pack's."""
    try:
        yield
    except AnswerError as error:
        assert not isinstance(error, DecoderFault), error


MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG", b"RIFF0000WAVE"])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(AnswerError, match="not a PNG"):
        decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_cut_pictures_are_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    content = saved(noise, kind)
    with pytest.raises(AnswerError, match="damaged or incomplete"):
        decode(content[: len(content) // 2])


@settings(max_examples=300)
@given(
    st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
)
def test_garbage_raises_nothing_but_answer_error(garbage: bytes, magic: bytes) -> None:
    with called_damaged():
        decode(magic + garbage)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(AnswerError, match=r"pixels|damaged"):
        decode(png_header(side, side))


def test_too_many_frames_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_FRAMES", 2)
    frames = [Image.new("RGB", (2, 2), (shade, 0, 0)) for shade in (0, 90, 180)]
    with pytest.raises(AnswerError, match="3 frames"):
        decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))


def test_the_pixel_limit_counts_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_PIXELS", 1000)
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 90, 180)]
    with pytest.raises(AnswerError, match="3 frames"):
        decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))


def test_the_previews_in_a_jpeg_are_no_frames() -> None:
    photo, preview = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 15), "blue")
    content = saved(photo, "MPO", save_all=True, append_images=[preview])
    assert decode(content).shape == (1, 30, 40, 3)


def kinds_of_pictures() -> list[bytes]:
    """What decoders have branches for: palettes, transparency of every kind, frames, profiles, EXIF, interlacing."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (17, 23, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    extras = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    several = {"save_all": True, "append_images": [noise.convert("RGB"), noise.convert("RGB")]}
    pictures = [saved(noise.convert(mode)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
    pictures += [saved(noise.convert("P"), transparency=bytes(range(200))), saved(noise.convert("L"), transparency=3)]
    pictures += [saved(noise.convert("RGB"), transparency=(1, 2, 3), **extras)]
    pictures += [saved(Image.fromarray(np.full((9, 9), 40_000, dtype=np.uint16)))]
    pictures += [saved(noise.convert(mode), "JPEG", progressive=mode == "RGB") for mode in ("L", "RGB", "CMYK")]
    pictures += [saved(noise.convert("P"), "GIF", transparency=4)]
    newer = ["AVIF"] if readable(".avif") else []
    pictures += [saved(noise.convert("RGB"), kind, **several) for kind in ("PNG", "MPO", "GIF", "WEBP", *newer)]
    return pictures + [saved(noise, kind, **extras) for kind in ("WEBP", *newer)]


PICTURES = kinds_of_pictures()
changes = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4)


@settings(max_examples=500)
@given(st.sampled_from(PICTURES), changes, st.floats(0.2, 1), st.booleans())
def test_damage_of_any_kind_is_called_damage(
    whole: bytes, changed: list[tuple[float, int]], length: float, with_true_sums: bool
) -> None:
    content = bytearray(whole)
    for place, value in changed:
        content[min(8 + int(place * len(content)), len(content) - 1)] = value
    content = content[: max(12, int(length * len(content)))]
    with called_damaged():
        decode(with_sums(bytes(content)) if with_true_sums else bytes(content))


def with_sums(content: bytes) -> bytes:
    """A PNG whose checksums fit, so that what was changed reaches the decoder."""
    if not content.startswith(b"\x89PNG"):
        return content
    summed, place = content[:8], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        chunk = content[place + 4 : place + 8 + length]
        summed += content[place : place + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return summed


# What must not be called damaged


@pytest.mark.parametrize("fault", [AttributeError, TypeError, NameError, ImportError, AssertionError])
def test_a_fault_of_ours_is_called_one(fault: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def at_fault(_: Image.Image) -> None:
        raise fault("gone")

    monkeypatch.setattr(codec, "_pixels", at_fault)
    with pytest.raises(DecoderFault, match=f"fault of this pack, or of Pillow.*{fault.__name__}: gone") as caught:
        decode(PICTURES[0])
    assert caught.value.code == "PACK_FAULT" and "damaged" not in str(caught.value)
    assert "run again: the picture is paid for" in caught.value.hint


def test_nor_is_a_picture_that_an_old_pillow_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It came with 10.1."""
    monkeypatch.delattr(Image.Image, "has_transparency_data")
    with pytest.raises(DecoderFault, match=f"Pillow {PIL.__version__}"):
        decode(PICTURES[0])


def test_nor_is_one_of_a_format_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one older than 11.3 does not know AVIF."""
    content = saved(Image.new("RGB", (4, 3)), "WEBP")
    monkeypatch.delitem(Image.EXTENSION, ".webp")
    with pytest.raises(DecoderFault, match="cannot open WEBP") as caught:
        decode(content)
    assert caught.value.code == "OLD_DEPENDENCY" and "pip install -U Pillow" in caught.value.hint


def test_nor_is_one_that_memory_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "asarray", full)
    with pytest.raises(DecoderFault, match="not enough memory") as caught:
        decode(PICTURES[4])
    assert caught.value.code == "OUT_OF_MEMORY"


def test_8_bit_integers_are_taken_as_such() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert to_uint8(values).tolist() == list(range(256))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BYTES", 50)
    with pytest.raises(AnswerError, match="bytes"):
        decode(saved(Image.new("RGB", (20, 20))))


def with_profile(picture: Image.Image, profile: bytes) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", icc_profile=profile)
    return buffer.getvalue()


def swapping_profile() -> bytes:
    """sRGB with red and blue exchanged, made from Pillow's own sRGB profile."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace(b"rXYZ", b"xxxx").replace(b"bXYZ", b"rXYZ").replace(b"xxxx", b"bXYZ")
    # Its description must not say sRGB.
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(b"sRGB b", b"swap b")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_embedded_profile_is_converted_and_srgb_left_alone(mode: str) -> None:
    colour = (200, 60, 20, 90)[: len(mode)]
    picture = Image.new(mode, (4, 3), colour)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert torch.equal(decode(with_profile(picture, srgb)), decode(with_profile(picture, b"")))
    assert torch.equal(decode(with_profile(picture, b"no profile at all")), decode(with_profile(picture, b"")))
    swapped = decode(with_profile(picture, swapping_profile()))[0, 0, 0] * 255
    assert swapped[:3].tolist() == pytest.approx([20, 60, 200], abs=3)
    assert mode == "RGB" or swapped[3] == 90
    palette = decode(with_profile(picture.convert("RGB").quantize(4), swapping_profile()))[0, 0, 0] * 255
    assert palette.tolist() == pytest.approx([20, 60, 200], abs=5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_cut_pictures_are_refused_whatever_others_told_pillow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI sets this for the whole process where a picture of the user's cannot be loaded."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, kind)
    whole = buffer.getvalue()
    assert decode(whole).shape == (1, 64, 64, 3)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(AnswerError):
            decode(whole[: int(len(whole) * share)])
