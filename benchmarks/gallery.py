"""What inpainting does with models that move the picture, change its light and return another size, against the plain
way: send the whole picture, scale the answer, paste it by the mask. Each case answers with the picture itself and a
disc drawn into the mask, so that whatever else differs from the picture is damage.

    python benchmarks/gallery.py [FOLDER]

Prints, for both ways, the step at the seam (mean over the two pixels inside the mask's border, in 8-bit levels) and
how far the disc landed from where it was drawn (pixels); writes a PNG for each case: input, answer, plain way, ours.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))

from nodes.headless.sandbox import FAULTS
from nodes.pixels import composite, decode, encode, plan_crop, resize, shape_mask
from nodes.pixels.parts import Part

PICTURE = Path(__file__).parents[1] / "example_workflows" / "input" / "balloon.png"
SIZES = [(1024, 1024), (1536, 1024), (1024, 1536)]
DISC = torch.tensor([0.1, 0.9, 0.4])


@dataclass(frozen=True)
class Case:
    name: str
    drift: str | None
    centre: tuple[int, int]
    radius: int = 60
    zoom: bool = False
    feather: int = 8


CASES = [
    Case("exact", None, (200, 700)),
    Case("shifted", "shifted", (200, 700)),
    Case("brightened", "brightened", (200, 700)),
    Case("reduced", "reduced", (200, 700)),
    Case("drifted", "drifted", (200, 700)),
    Case("drifted, at a border", "drifted", (30, 990)),
    Case("drifted, in the water", "drifted", (600, 400)),
    Case("zoom, drifted", "drifted", (200, 700), zoom=True),
    Case("zoom, drifted, at a border", "drifted", (30, 990), zoom=True),
    Case("zoom, drifted, small", "drifted", (420, 300), radius=14, zoom=True, feather=3),
]


def disc(height: int, width: int, centre: tuple[int, int], radius: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2).float()


def drifted(picture: torch.Tensor, drift: str | None) -> torch.Tensor:
    spoil = FAULTS[drift].spoil_files if drift else None
    return decode(spoil([encode(picture)])[0] if spoil else encode(picture))[0]


def run(picture: torch.Tensor, case: Case) -> tuple[list[torch.Tensor], list[tuple[float, float]]]:
    """The four pictures of a case, and seam and miss of the plain way and of ours."""
    height, width = picture.shape[:2]
    mask = disc(height, width, case.centre, case.radius)
    drawn = disc(height, width, case.centre, case.radius * 0.5)
    truth = torch.where(drawn[..., None] == 1, DISC, picture)
    crop = plan_crop(shape_mask(mask), 0.5, SIZES) if case.zoom else None
    whole = drifted(truth, case.drift)
    plain = composite(picture[None], resize(whole[None], height, width), mask[None])[0]
    answer = whole if crop is None else drifted(crop.enlarge(crop.cut(truth)), case.drift)
    ours = Part(0, mask, crop).put_back(picture, answer, case.feather, True).image
    assert torch.equal(ours[mask == 0], picture[mask == 0])
    inside = ndimage.distance_transform_edt(mask.numpy())
    border = torch.from_numpy((inside > 0) & (inside <= 2))
    figures = [(float((result - truth)[border].abs().mean()) * 255, _miss(result, truth)) for result in (plain, ours)]
    return [picture, resize(answer[None], height, width)[0], plain, ours], figures


def _miss(result: torch.Tensor, truth: torch.Tensor) -> float:
    """Pixels between the middle of the disc in ``result`` and in ``truth``."""
    middles = [((one - DISC).abs().amax(dim=-1) < 0.25).nonzero().float().mean(dim=0) for one in (result, truth)]
    return float((middles[0] - middles[1]).norm())


def main(folder: Path) -> None:
    picture = torch.from_numpy(np.asarray(Image.open(PICTURE).convert("RGB"), dtype=np.float32) / np.float32(255.0))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'case':<28}{'seam plain':>12}{'ours':>8}{'miss plain':>14}{'ours':>8}")
    for case in CASES:
        pictures, ((seam, miss), (our_seam, our_miss)) = run(picture, case)
        print(f"{case.name:<28}{seam:>12.2f}{our_seam:>8.2f}{miss:>14.2f}{our_miss:>8.2f}")
        row, column = (max(100, min(side - 100, at)) for at, side in zip(case.centre, picture.shape[:2], strict=True))
        tiles = [one[row - 100 : row + 100, column - 100 : column + 100] for one in pictures]
        (folder / f"{case.name.replace(', ', '-').replace(' ', '-')}.png").write_bytes(encode(torch.cat(tiles, dim=1)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("output/gallery"))
