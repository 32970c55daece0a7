"""The shape of a mask: what it is made of, and how it is grown, filled and softened."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .masks import THRESHOLD

SPECK = 16
"""Islands of fewer pixels are crumbs of a brush: too small for a model to see, or for a person to have meant."""

FAINT = 1 / 32
"""A mask that was saved as JPEG is nowhere quite 0; what is fainter than this does not make a crop larger."""


def _ndimage() -> Any:
    """SciPy's, which is installed with ComfyUI; it takes a third of a second to load."""
    from scipy import ndimage  # type: ignore[import-untyped]

    return ndimage


_TOUCHING = np.ones((3, 3), dtype=bool)


def shape_mask(mask: torch.Tensor, *, grow: int = 0, fill_holes: bool = False) -> torch.Tensor:
    """One MASK ``[H, W]`` with its holes filled and then grown by ``grow`` pixels in every direction.

    Soft values stay where they are; what is added is 1.
    """
    solid = mask.numpy() >= THRESHOLD
    shaped = _ndimage().binary_fill_holes(solid) if fill_holes else solid
    if grow and shaped.any():
        shaped = _ndimage().distance_transform_edt(~shaped) <= grow
    if shaped is solid:
        return mask
    return torch.maximum(mask, torch.from_numpy(shaped.astype(np.float32)))


def feather_mask(mask: torch.Tensor, feather: int) -> torch.Tensor:
    """The weights ``[H, W]`` by which an answer is blended in: 0 wherever ``mask`` is 0, rising smoothly to the mask's
    own value ``feather`` pixels inside its border. The edge of the picture is no border.
    """
    if feather <= 0:
        return mask
    inside = mask.numpy() > 0.0
    if inside.all():
        return mask
    depth = torch.from_numpy(_ndimage().distance_transform_edt(inside).astype(np.float32)) / (feather + 1.0)
    ramp = depth.clamp(0.0, 1.0)
    return torch.minimum(mask, ramp * ramp * (3.0 - 2.0 * ramp))


def islands(mask: torch.Tensor) -> list[torch.Tensor]:
    """The separate parts of ``mask`` ``[H, W]``, each as a MASK of the same size; together they are the whole mask.

    A speck, and whatever has no pixel at THRESHOLD, belongs to the island that is nearest.
    """
    labels, count = _ndimage().label(mask.numpy() >= THRESHOLD, structure=_TOUCHING)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = [number for number, area in enumerate(areas, start=1) if area >= SPECK]
    if len(large) < 2:
        return [mask]
    nearest: Any = _ndimage().distance_transform_edt(
        ~np.isin(labels, large), return_distances=False, return_indices=True
    )
    owner: npt.NDArray[Any] = labels[tuple(nearest)]
    return [torch.where(torch.from_numpy(owner == number), mask, 0.0) for number in large]


def box(mask: torch.Tensor) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (exclusive) of what is not FAINT in ``mask`` ``[H, W]``, which is not empty."""
    visible = mask > FAINT
    rows, columns = visible.any(dim=1).nonzero(), visible.any(dim=0).nonzero()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def diagnose(mask: torch.Tensor) -> list[str]:
    """What looks wrong with one MASK ``[H, W]`` that is not empty, in words for its painter."""
    solid = mask.numpy() >= THRESHOLD
    found = []
    if solid.all():
        found.append("The mask covers the whole picture, so nothing of it is kept.")
    elif _looks_inverted(solid):
        found.append(
            f"The mask covers {solid.mean():.0%} of the picture and all of its edges, and leaves out an island: it "
            "looks inverted. Turn invert on if the island was meant."
        )
    labels, count = _ndimage().label(solid, structure=_TOUCHING)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    specks = int((areas < SPECK).sum())
    if specks:
        what = "a speck" if specks == 1 else f"{specks} specks"
        found.append(f"The mask has {what} of fewer than {SPECK} pixels, which a model can hardly see.")
    return found


def _looks_inverted(solid: npt.NDArray[np.bool_]) -> bool:
    edges = (solid[0], solid[-1], solid[:, 0], solid[:, -1])
    return bool(solid.mean() > 0.5 and all(edge.all() for edge in edges))
