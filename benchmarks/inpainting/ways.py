"""Ways to put an answer back into its picture. Each takes a scene and a drift, and gives what a user would see."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from nodes.inpaint import Inpaint
from nodes.pixels import composite, fit_mask, plan_crop, resize
from nodes.pixels.parts import Part, assemble, write

from .drifts import drifted
from .scenes import Scene

SIZES = [(512, 512), (768, 512), (512, 768)]
"""What the simulated model serves."""


@dataclass(frozen=True)
class Outcome:
    """``image`` ``[H, W, 3]``, and the share of the pixels that were asked to change that are less than 75 % new."""

    image: torch.Tensor
    old: float
    seconds: float
    notes: tuple[str, ...] = ()


def plain(scene: Scene, drift: str) -> Outcome:
    """Send the whole picture, scale the answer, paste it by the mask."""
    answer = drifted(scene.truth, drift)
    start = time.process_time()
    scaled = resize(answer[None], *scene.picture.shape[:2])
    image = composite(scene.picture[None], scaled, scene.mask[None])[0]
    return Outcome(image, _old(scene.mask, scene.mask >= 0.5), time.process_time() - start)


def crop_and_stitch(scene: Scene, drift: str) -> Outcome:
    """The idea of ComfyUI's best known pack for it: a crop 1.2 times as large as the mask, scaled to a fixed size, the
    answer scaled back and pasted by the mask, grown and blurred by 32 pixels.
    """
    height, width = scene.picture.shape[:2]
    solid = scene.mask >= 0.1
    rows, columns = solid.any(dim=1).nonzero(), solid.any(dim=0).nonzero()
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = round(1.2 * max(bottom - top, right - left, 64))
    middle_y, middle_x = (top + bottom) // 2, (left + right) // 2
    rows_in = (torch.arange(side) + middle_y - side // 2).clamp(0, height - 1)
    columns_in = (torch.arange(side) + middle_x - side // 2).clamp(0, width - 1)
    sent = resize(scene.truth[rows_in][:, columns_in][None], 512, 512)[0]
    answer = drifted(sent, drift)
    start = time.process_time()
    back = resize(answer[None], side, side)[0]
    grown = ndimage.binary_dilation(solid.numpy(), iterations=16)
    weight = torch.from_numpy(ndimage.gaussian_filter(grown.astype(np.float32), 8.0))
    whole = scene.picture.clone()
    inside_y = (torch.arange(side) + middle_y - side // 2 == rows_in).nonzero()[:, 0]
    inside_x = (torch.arange(side) + middle_x - side // 2 == columns_in).nonzero()[:, 0]
    whole[rows_in[inside_y][:, None], columns_in[inside_x]] = back[inside_y][:, inside_x]
    image = composite(scene.picture[None], whole[None], weight[None])[0]
    return Outcome(image, _old(weight, solid), time.process_time() - start)


def ours(scene: Scene, drift: str, zoom: bool, feather: int | None = None) -> Outcome:
    """Inpaint Image as a new node does it."""
    if feather is None and "outpaint" not in scene.name:
        feather = Inpaint.INPUT_TYPES()["optional"]["feather"][1]["default"]
    mask = scene.mask if "outpaint" in scene.name else fit_mask(scene.mask, scene.picture[None])[0][0]
    part = Part(0, mask, plan_crop(mask, 0.5, SIZES) if zoom else None)
    if part.crop:
        sent, drift_of = part.crop.to_sent_size(part.crop.cut(scene.truth)), drift
        answer = drifted(sent, drift_of)
    else:
        answer = drifted(scene.truth, drift)
    start = time.process_time()
    images, weight, _, notes = assemble(scene.picture[None], [part], {0: [answer]}, feather, True)
    seconds = time.process_time() - start
    with Image.open(io.BytesIO(write(Part(0, mask, None).cut(scene.picture))[1])) as file:
        asked = torch.from_numpy(np.asarray(file)[..., 3] == 0)
    return Outcome(images[0], _old(weight[0], asked), seconds, tuple(notes))


def _old(weight: torch.Tensor, asked: torch.Tensor) -> float:
    return float((weight[asked] < 0.75).float().mean())


WAYS = {
    "plain": plain,
    "crop and stitch": crop_and_stitch,
    "ours": lambda scene, drift: ours(scene, drift, False),
    "ours zoomed": lambda scene, drift: ours(scene, drift, True),
}
