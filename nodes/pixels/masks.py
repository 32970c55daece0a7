"""Masks: checked and fitted before they cost money, grown, filled and softened, shown, and written so that every server
reads them alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import interpolate

from ..errors import InputError
from .encoding import as_float, png, to_uint8

THRESHOLD = 0.5
"""From this value on a pixel is asked to change. Servers want *fully* transparent, so there is no halfway."""

_TINT = (0.2, 0.9, 0.75)

_PAINT_HINT = (
    "Paint the part to change: right-click the Load Image node and choose Open in MaskEditor, or wire any MASK "
    "in which 1 means change."
)


def fit_mask(
    mask: torch.Tensor, images: torch.Tensor, *, invert: bool = False, any_shape: bool = False
) -> tuple[torch.Tensor, list[str]]:
    """A MASK (see :func:`planes`), one or as many as pictures, made to fit IMAGE ``[B, H, W, C]``, and notes on what
    was done. For one picture there may be several masks.

    Returns float32 ``[B, H, W]``, with ``invert`` 1 - mask: in 0..1, exactly 0 where it is FAINT. Raises InputError for
    a mask that asks for no change, belongs to another number of pictures or, unless ``any_shape``, has other
    proportions.
    """
    count, height, width = images.shape[:3]
    if mask.ndim < 2 or 0 in mask.shape:
        raise InputError(f"A MASK must be batch x height x width, not {' x '.join(map(str, mask.shape))}.")
    if mask.ndim == 4 and mask.shape[1] > 1 and mask.shape[-1] in (3, 4):
        raise InputError(
            f"The mask is a picture, {' x '.join(map(str, mask.shape))}.",
            hint="Make a mask of one of its channels: Convert Image to Mask.",
        )
    mask = as_float(planes(mask)).nan_to_num(nan=0.0).clamp(0.0, 1.0)
    if mask.shape[1:] == (64, 64) and not mask.any() and (height, width) != (64, 64):
        raise InputError(
            "The mask is the empty 64x64 one that Load Image gives for a picture without transparency.",
            code="EMPTY_MASK",
            hint=_PAINT_HINT,
        )
    if mask.shape[0] != 1 and count not in (1, mask.shape[0]):
        raise InputError(
            f"There are {mask.shape[0]} masks for {count} pictures.",
            code="MASK_BATCH",
            hint="Give one mask for all pictures, one for each, or one picture for all masks.",
        )
    notes = []
    if invert:
        mask = 1.0 - mask
    if mask.shape[1:] != (height, width):
        if not any_shape:
            check_proportions(mask, images)
        notes.append(f"The mask was scaled from {mask.shape[2]}x{mask.shape[1]} to the picture's {width}x{height}.")
        mask = interpolate(mask[:, None], size=(height, width), mode="bilinear", antialias=True)[:, 0].clamp(0.0, 1.0)
    mask = torch.where(mask > FAINT, mask, 0.0)
    for number, single in enumerate(mask, start=1):
        if not (single >= THRESHOLD).any():
            which = f"Mask {number}" if mask.shape[0] > 1 else "The mask"
            reason = "is all zero" if not single.any() else f"has no pixel at or above {THRESHOLD}"
            turned = " once inverted" if invert else ""
            hint = "Turn invert off, or leave out a part of the mask." if invert else _PAINT_HINT
            raise InputError(f"{which} {reason}{turned}, so nothing would change.", code="EMPTY_MASK", hint=hint)
    return mask.expand(max(count, mask.shape[0]), -1, -1), notes


def planes(mask: torch.Tensor) -> torch.Tensor:
    """A MASK ``[H, W]``, ``[B, H, W]``, ``[B, 1, H, W]`` or ``[B, H, W, 1]`` as ``[B, H, W]``."""
    if mask.ndim == 4 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    return mask.reshape(-1, *mask.shape[-2:])


def check_proportions(mask: torch.Tensor, images: torch.Tensor, name: str = "mask") -> None:
    """Raise InputError for a MASK (see :func:`planes`) that would be distorted, made to fit IMAGE ``[B, H, W, C]``."""
    height, width = images.shape[1:3]
    mask = planes(mask)
    if not _same_shape(mask.shape[-1], mask.shape[-2], width, height):
        raise InputError(
            f"The {name} is {mask.shape[-1]}x{mask.shape[-2]} and the picture {width}x{height}: scaled to fit, it "
            "would be distorted.",
            code="MASK_SHAPE",
            hint=f"Wire the {name} that belongs to this picture, or crop or pad it to the same proportions first.",
        )


def highlight(image: torch.Tensor, mask: torch.Tensor) -> Image.Image:
    """A drawing of one picture ``[H, W, C]`` that shows in a tint what ``mask`` ``[H, W]`` will change."""
    share = mask[..., None]
    colour = image[..., :3]
    drawn = colour * (1.0 - share) * 0.45 + (colour * 0.6 + torch.tensor(_TINT) * 0.4) * share
    return Image.fromarray(to_uint8(drawn))


def _same_shape(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Whether two sizes have the same proportions, but for rounding to whole pixels."""
    expected = width * other_height / other_width
    return abs(expected - height) <= max(1.0, height * 0.02)


def encode_mask(mask: torch.Tensor) -> bytes:
    """One MASK ``[H, W]`` as the PNG that goes on the wire.

    Changed pixels are white with alpha 0, kept ones black with alpha 255, so that a server that reads alpha
    (OpenAI's rule, and Lumenfall's reference) and one that reads white (Lumenfall's guide) see the same mask.
    """
    change = (mask >= THRESHOLD).cpu().numpy()
    white = np.where(change, np.uint8(255), np.uint8(0))
    pixels = np.empty((*change.shape, 4), dtype=np.uint8)
    pixels[..., :3] = white[..., None]
    np.invert(white, out=pixels[..., 3])
    return png(Image.fromarray(pixels))


SPECK = 16
"""Islands of fewer pixels are crumbs of a brush: too small for a model to see, or for a person to have meant."""

FAINT = 1 / 32
"""A mask that was saved as JPEG, or comes from a model, is nowhere quite 0; up to this nobody sees it, and it is 0."""


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


AUTO = -1
"""A feather that suits the mask."""

_AUTO_SHARE = 0.08
_AUTO_LEAST = 3
_AUTO_MOST = 16
"""An automatic feather, as a share of the mask's depth and in pixels: so little that what was there does not show, and
so much that what is left of a drift does not either.
"""

_RAMP_SHARE = 0.05
"""Of what a soft mask asks for, how much may end less than _RAMP_NEW new: old things must not show through."""

_RAMP_NEW = 0.75


def asked(mask: torch.Tensor) -> torch.Tensor:
    """The mask ``[H, W]`` with 1 wherever something is to change, or to be blended: what a model is asked to paint."""
    return (mask > 0.0).float() if is_soft(mask) else (mask >= THRESHOLD).float()


def is_soft(mask: torch.Tensor) -> bool:
    """Whether a mask ``[H, W]`` fades by more than its border: that of a hard one is a pixel wide, or two."""
    visible = mask[mask > 0.0]
    return bool(len(visible)) and float((visible < _RAMP_NEW).float().mean()) > _RAMP_SHARE


def feather_mask(mask: torch.Tensor, feather: int) -> torch.Tensor:
    """The weights ``[H, W]`` by which an answer is blended in: 0 wherever ``mask`` is 0, rising smoothly to the mask's
    own value ``feather`` pixels inside its border. The edge of the picture is no border. With AUTO the feather suits
    the mask's size, and a soft mask, which has its own, keeps as much of that as hides what was there before.
    """
    if is_soft(mask):
        mask = _steepened(mask)
        feather = 0 if feather == AUTO else feather
    inside = mask > 0.0
    if feather == 0 or bool(inside.all()) or not bool(inside.any()):
        return mask
    # Distances are measured in the mask's box alone, with the pixel of border around it where there is one.
    left, top, right, bottom = box(mask, 0.0)
    place = slice(max(0, top - 1), bottom + 1), slice(max(0, left - 1), right + 1)
    depth = torch.from_numpy(_ndimage().distance_transform_edt(inside[place].numpy()).astype(np.float32))
    if feather == AUTO:
        deepest = float(depth.max())
        feather = min(_AUTO_MOST, max(round(_AUTO_SHARE * deepest), min(_AUTO_LEAST, round(0.3 * deepest))))
    ramp = (depth / (feather + 1.0)).clamp(0.0, 1.0)
    weight = mask.clone()
    weight[place] = torch.minimum(mask[place], ramp * ramp * (3.0 - 2.0 * ramp))
    return weight


def _steepened(mask: torch.Tensor) -> torch.Tensor:
    """A soft mask, brightened until no more than _RAMP_SHARE of it is less than _RAMP_NEW."""
    visible = mask[mask > 0.0].numpy()
    full = float(np.quantile(visible, _RAMP_SHARE)) / _RAMP_NEW
    return (mask / min(1.0, full)).clamp(max=1.0)


def distance_to(where: torch.Tensor) -> torch.Tensor:
    """Pixels from each place ``[H, W]`` to the nearest that is true; infinite where none is."""
    if not where.any():
        return torch.full(where.shape, float("inf"))
    return torch.from_numpy(_ndimage().distance_transform_edt(~where.numpy()).astype(np.float32))


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


def box(mask: torch.Tensor, least: float = FAINT) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (exclusive) of what is above ``least`` in ``mask`` ``[H, W]``, which is not empty."""
    visible = mask > least
    rows, columns = visible.any(dim=1).nonzero(), visible.any(dim=0).nonzero()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def diagnose(mask: torch.Tensor) -> list[str]:
    """What looks wrong with one MASK ``[H, W]`` that is not empty, in words for its painter."""
    solid = mask.numpy() >= THRESHOLD
    found = []
    if solid.all():
        found.append("The mask covers the whole picture, so nothing of it is kept.")
    elif bool((mask > 0.0).all()):
        found.append("The mask is nowhere 0, so no pixel of the picture is kept as it is. Make its background black.")
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
