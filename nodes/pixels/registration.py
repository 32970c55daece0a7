"""How an answer lies on the picture that it was made from: models move and scale what they repaint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import avg_pool2d, grid_sample, max_pool2d, pad

from .sizes import resize

Plane = npt.NDArray[np.float64]

MAX_SHIFT = 0.02
"""Largest shift that is believed, as a share of the longer side; four pixels always are."""

MAX_SCALING = 0.03
MIN_TRUSTED = 400
"""Pixels that must be unchanged for a measurement."""

_SIDE = 768
"""Longer side of the pictures that are measured, pixels; a fraction of a pixel is measured all the same."""

_MARGIN = 4
_ROUNDS = 12
_CLEARLY_BETTER = 0.9
_NOTHING = 1e-12


@dataclass(frozen=True)
class Registration:
    """The answer's content lies ``dx`` pixels right of and ``dy`` below its place, and is ``scale`` times as large,
    measured about the picture's centre.
    """

    dx: float
    dy: float
    scale: float


IDENTITY = Registration(0.0, 0.0, 1.0)


def register(reference: torch.Tensor, answer: torch.Tensor, trusted: torch.Tensor) -> Registration:
    """The place of ``answer`` on ``reference`` (both ``[H, W, 3]``), measured where ``trusted`` ``[H, W]`` is true.

    Phase correlation finds the shift, least squares refine it and add the scale. IDENTITY wherever the measurement is
    beyond MAX_SHIFT and MAX_SCALING, or does not make the two clearly more alike.
    """
    height, width = trusted.shape
    factor = min(1.0, _SIDE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    if min(size) < 8 or int(trusted.sum()) < MIN_TRUSTED:
        return IDENTITY
    wanted, found = (_luminance(resize(picture[None], *size)[0]) for picture in (reference, answer))
    weights = _certain(resize(trusted[None, ..., None].float(), *size)[0, ..., 0])
    if weights.sum() < MIN_TRUSTED:
        return IDENTITY
    limit = max(4.0, MAX_SHIFT * max(height, width)) * factor
    start = _phase_shift(wanted, found, weights)
    starts = [(0.0, 0.0)] if max(abs(start[0]), abs(start[1])) > limit else [start, (0.0, 0.0)]
    results = [_refine(wanted, found, weights, *one) for one in starts]
    fitting = [one for one in results if _is_believable(one, limit)]
    if not fitting:
        return IDENTITY
    errors = [_unlikeness(wanted, _sample(found, *one)[0], weights) for one in fitting]
    best = int(np.argmin(errors))
    if not errors[best] < _CLEARLY_BETTER * _unlikeness(wanted, found, weights):
        return IDENTITY
    dx, dy, scale = fitting[best]
    registration = Registration(dx * width / size[1], dy * height / size[0], scale)
    is_still = max(abs(registration.dx), abs(registration.dy)) < 0.05 and abs(scale - 1.0) < 0.0005
    return IDENTITY if is_still else registration


def undo(answer: torch.Tensor, registration: Registration) -> torch.Tensor:
    """``answer`` ``[H, W, C]`` back in its place, by a bicubic filter, clamped to 0..1; its border goes on outwards."""
    if registration == IDENTITY:
        return answer
    height, width = answer.shape[:2]
    rows = (torch.arange(height) + 0.5) * 2.0 / height - 1.0
    columns = (torch.arange(width) + 0.5) * 2.0 / width - 1.0
    down = rows * registration.scale + 2.0 * registration.dy / height
    across = columns * registration.scale + 2.0 * registration.dx / width
    grid = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], dim=-1)
    planes = answer.movedim(-1, 0)[None]
    moved = grid_sample(planes, grid[None], mode="bicubic", padding_mode="border", align_corners=False)
    return moved[0].movedim(0, -1).clamp(0.0, 1.0).contiguous()


def _certain(share: torch.Tensor) -> npt.NDArray[np.bool_]:
    """Where neither a repainted pixel nor the picture's edge is so near that a blur or a gradient would show it."""
    doubt = pad(1.0 - share, (1, 1, 1, 1), value=1.0)[None, None]
    certain: npt.NDArray[np.bool_] = (max_pool2d(doubt, 2 * _MARGIN + 1, 1, _MARGIN)[0, 0, 1:-1, 1:-1] < 0.001).numpy()
    return certain


def _luminance(picture: torch.Tensor) -> Plane:
    """Slightly blurred, so that noise and compression do not count."""
    grey = (picture[..., :3] @ torch.tensor([0.299, 0.587, 0.114]))[None, None]
    values: Plane = avg_pool2d(grey, 3, 1, 1, count_include_pad=False)[0, 0].double().numpy()
    return values


def _phase_shift(wanted: Plane, found: Plane, weights: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The whole pixels by which ``found`` lies right of and below ``wanted``."""
    window = weights * np.outer(np.hanning(wanted.shape[0] + 2)[1:-1], np.hanning(wanted.shape[1] + 2)[1:-1])
    spectra = [np.fft.rfft2((plane - plane[weights].mean()) * window) for plane in (wanted, found)]
    cross = spectra[1] * np.conj(spectra[0])
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), _NOTHING), s=wanted.shape)
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    height, width = wanted.shape
    return float(column - width * (column > width // 2)), float(row - height * (row > height // 2))


def _refine(
    wanted: Plane, found: Plane, weights: npt.NDArray[np.bool_], dx: float, dy: float
) -> tuple[float, float, float]:
    """Shift and scale by Gauss-Newton steps; brightness and contrast are fitted along and forgotten."""
    scale = 1.0
    rows, columns = np.indices(wanted.shape)
    away_x, away_y = columns - (wanted.shape[1] - 1) / 2, rows - (wanted.shape[0] - 1) / 2
    for _ in range(_ROUNDS):
        moved, inside = _sample(found, dx, dy, scale)
        down, across = _gradient(moved)
        use = weights & inside
        if use.sum() < MIN_TRUSTED:
            break
        radial = across * away_x + down * away_y
        matrix = np.stack([moved[use], np.ones(int(use.sum())), across[use], down[use], radial[use]], axis=1)
        residual = wanted[use] - matrix[:, :2] @ np.linalg.lstsq(matrix[:, :2], wanted[use], rcond=None)[0]
        # What the model painted anew is no witness.
        spread = 3.0 * np.median(np.abs(residual)) + 1e-4
        share = 1.0 / np.maximum(1.0, np.abs(residual) / spread)[:, None]
        solution = np.linalg.lstsq(matrix * share, wanted[use] * share[:, 0], rcond=None)[0]
        if not np.isfinite(solution).all() or abs(solution[0]) < 0.05:
            break
        step = (solution[2:] / solution[0]).clip((-2.0, -2.0, -0.01), (2.0, 2.0, 0.01))
        dx, dy, scale = dx + step[0], dy + step[1], scale + step[2]
        if (np.abs(step) < (1e-3, 1e-3, 1e-5)).all():
            break
    return float(dx), float(dy), float(scale)


def _gradient(plane: Plane) -> tuple[Plane, Plane]:
    down, across = np.gradient(plane, axis=0), np.gradient(plane, axis=1)
    return np.asarray(down), np.asarray(across)


def _sample(plane: Plane, dx: float, dy: float, scale: float) -> tuple[Plane, Any]:
    """``plane`` with the shift and scale undone, and where its own pixels sufficed for that."""
    height, width = plane.shape
    tensor = torch.from_numpy(plane)[..., None].float()
    moved = undo(tensor, Registration(dx, dy, scale))[..., 0].double().numpy()
    rows = (np.arange(height) - (height - 1) / 2) * scale + dy + (height - 1) / 2
    columns = (np.arange(width) - (width - 1) / 2) * scale + dx + (width - 1) / 2
    inside = np.outer((rows >= 1) & (rows <= height - 2), (columns >= 1) & (columns <= width - 2))
    return moved, inside


def _is_believable(found: tuple[float, float, float], limit: float) -> bool:
    dx, dy, scale = found
    return bool(np.isfinite(found).all()) and max(abs(dx), abs(dy)) <= limit and abs(scale - 1.0) <= MAX_SCALING


def _unlikeness(wanted: Plane, found: Plane, weights: npt.NDArray[np.bool_]) -> float:
    """1 - correlation of the gradients on the trusted pixels."""
    first, second = (np.stack(_gradient(plane))[:, weights].ravel() for plane in (wanted, found))
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return 1.0 - float(first @ second) / norm if norm > 1e-9 else 1.0
