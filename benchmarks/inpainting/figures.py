"""How far a result is from the picture of a perfect model. Levels are those of 8 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from .scenes import Scene

Plane = npt.NDArray[np.floating]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

FIGURES = ("seam", "colour", "place", "sharpness", "smear", "outside", "old")


def measure(scene: Scene, image: torch.Tensor, old: float) -> dict[str, float]:
    """seam: mean difference in the two pixels inside the mask's border, levels. colour: the same, blurred, over all
    of the mask. place: pixels by which the content of the mask is off. sharpness: its gradients, as a share of the
    truth's. smear: how far the gradients of the last 16 pixels at the picture's border differ from the truth's.
    outside: pixels that changed where the mask is 0, or hardly more. old: what was asked for and is less than 75 % new.
    """
    moved = (image != scene.picture).any(dim=-1) & (scene.mask <= (0 if "outpaint" in scene.name else 1 / 32))
    part = _surroundings(scene.mask > 1 / 32)
    asked = (scene.mask > 1 / 32).numpy()[part]
    inside = ndimage.distance_transform_edt(np.pad(asked, 1, mode="edge"))[1:-1, 1:-1]
    difference = (image - scene.truth).numpy()[part] * 255.0
    border = (inside > 0) & (inside <= 2)
    core = inside > 2 if (inside > 2).sum() > 200 else asked
    low = np.stack([_blurred(difference[..., channel], asked) for channel in range(3)], axis=-1)
    result, truth = (picture.numpy()[part] @ _LUMA for picture in (image, scene.truth))
    return {
        "seam": float(np.abs(difference[border]).mean()),
        "colour": float(np.abs(low[asked]).mean()),
        "place": place(result, truth, core),
        "sharpness": _steepness(result, core) / _steepness(truth, core),
        "smear": _smear(result, truth, asked) if scene.touches_right else float("nan"),
        "outside": float(moved.sum()),
        "old": old,
    }


def _surroundings(mask: torch.Tensor) -> tuple[slice, slice]:
    """The mask's box and a little more: nothing beyond it counts."""
    rows, columns = (mask.any(dim=side).nonzero() for side in (1, 0))
    top, left = max(0, int(rows[0]) - 16), max(0, int(columns[0]) - 16)
    return slice(top, int(rows[-1]) + 17), slice(left, int(columns[-1]) + 17)


def _blurred(difference: Plane, asked: npt.NDArray[np.bool_]) -> Plane:
    within: Plane = ndimage.gaussian_filter(difference * asked, 6.0)
    return within / np.maximum(ndimage.gaussian_filter(asked.astype(np.float64), 6.0), 1e-6)


def _steepness(plane: Plane, where: npt.NDArray[np.bool_]) -> float:
    down, across = np.gradient(plane)
    return float(np.sqrt(down**2 + across**2)[where].mean())


def _smear(result: Plane, truth: Plane, asked: npt.NDArray[np.bool_]) -> float:
    strips = [np.abs(np.diff(plane[:, -17:], axis=1))[asked[:, -16:]].mean() for plane in (result, truth)]
    return float(abs(strips[0] / strips[1] - 1.0))


def place(result: Plane, truth: Plane, where: npt.NDArray[np.bool_]) -> float:
    """Pixels between the content of ``result`` and of ``truth``: least squares, from coarse to fine, light fitted."""
    rows, columns = where.nonzero()
    dx = dy = 0.0
    for sigma in (4.0, 2.0, 1.0):
        wanted, found = ndimage.gaussian_filter(truth, sigma), ndimage.gaussian_filter(result, sigma)
        down, across = np.gradient(wanted)
        for _ in range(4):
            values = ndimage.map_coordinates(found, [rows + dy, columns + dx], order=1, mode="nearest")
            matrix = np.stack([values, np.ones_like(values), across[where], down[where]], axis=1).astype(np.float64)
            solution = np.linalg.solve(matrix.T @ matrix + 1e-9 * np.eye(4), matrix.T @ wanted[where])
            dx, dy = dx + float(np.clip(solution[2], -4, 4)), dy + float(np.clip(solution[3], -4, 4))
    return min(16.0, float(np.hypot(dx, dy)))
