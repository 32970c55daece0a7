"""How an answer lies on the picture that it was made from: models move, scale, turn and reframe what they repaint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, max_pool2d, pad

from .shifts import likely_shifts
from .transforms import Drift, Transform

MAX_SHIFT = 0.06
"""Largest shift that is believed, as a share of the longer side; four pixels always are."""

MAX_SCALING = 0.12
MAX_TURN = 3.0
"""Degrees."""

MAX_LIGHT = 0.3
"""By how much brightness may differ, of 1, at most of what was kept: a third of all there is."""

MIN_TRUSTED = 150
"""Pixels that must be unchanged for a measurement."""

_SIDES = (64, 192, 576)
"""Longer sides of the pictures that are measured, from coarse to fine; fractions of a pixel are told all the same."""

_SEARCHED = 192
"""Longer side of the picture in which all shifts are tried, where steps lead nowhere."""

_MOST_POINTS = 16384
_ROUNDS = 12
_CLEARLY_BETTER = 0.95
_ALIKE = 0.3
"""Unlikeness up to which a fit is believed. Pictures that have nothing in common reach 0.5."""

_STILL = 0.05
"""Pixels below which nothing has moved."""

_FLAT = 1e-6
"""Variance of brightness below which there is nothing to hold on to."""

_NOISE = (1.0 / 255.0) ** 2
"""Variance beside an even slope of brightness that is no more than the steps of 8 bits and their compression."""

_FAINT = (6.0 / 255.0) ** 2
"""Variance of brightness up to which a picture is so even that any other can be taken for a copy without contrast."""

_NOISY = (4.0 / 255.0) ** 2
"""Variance that noise and shades may add to an even picture."""

_DAMPING = 1e-3
"""Share of the steepest of slopes by which a step is held back."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """``unlikeness`` is the share of the picture's variance that the answer does not explain, of points that are wholly
    wrong only as much as of the average: 0 to 0.5, hardly more; ``plain``, that of the start which nothing was done to.
    """

    transform: Transform
    unlikeness: float
    plain: float
    beyond: Drift | None = None
    """A drift that explains the answer, but is larger than is believed, and so is not undone."""


@dataclass(frozen=True)
class _Level:
    """Points of the picture at one size: where they are, how bright, and how steep the brightness is there."""

    size: tuple[int, int]
    """Width and height."""
    x: torch.Tensor
    y: torch.Tensor
    value: Vector
    slopes: Vector
    """``[5, points]``: what a pixel's shift, stretching and turning would change."""
    ground: Vector
    """``[6, points]``: brightness that falls off evenly across the picture, or towards its corners."""
    spread: float
    """Variance of the brightness beside such a slope."""


class Witness:
    """What is known of a picture ``[H, W, 3]``: the pixels where ``trusted`` ``[H, W]`` is true were to be kept."""

    def __init__(self, picture: torch.Tensor, trusted: torch.Tensor) -> None:
        self.height, self.width = trusted.shape
        self.levels: list[_Level] = []
        self._coarse: _Level | None = None
        self._search: tuple[torch.Tensor, torch.Tensor] | None = None
        if int(trusted.count_nonzero()) < MIN_TRUSTED or min(self.height, self.width) < 8:
            return
        sizes: list[tuple[int, int]] = []
        for side in _SIDES:
            factor = min(1.0, side / max(self.height, self.width))
            size = max(1, round(self.width * factor)), max(1, round(self.height * factor))
            if not sizes or size[0] > 1.25 * sizes[-1][0]:
                sizes.append(size)
        # One after the other: neither is small.
        greys = _all_scaled(luminance(picture), sizes)
        shares = _all_scaled(trusted.float(), sizes)
        for grey, share in zip(greys, shares, strict=True):
            if max(grey.shape) <= _SEARCHED:
                self._search = grey, share
            level = _level(grey, share, 2 if max(grey.shape) < _SIDES[-1] else 4)
            if level is None:
                continue
            if level.spread >= _NOISE:
                self.levels.append(level)
            self._coarse = self._coarse or level

    def place(self, answer: torch.Tensor, starts: Sequence[Transform]) -> Fit:
        """Where ``answer`` ``[h, w, C]`` lies. The first of ``starts`` is the plain way, and stays where no other
        reading is clearly better, or the measurement is beyond MAX_SHIFT, MAX_SCALING and MAX_TURN.
        """
        fit = self._placed(answer, starts)
        if self._coarse is None or not self._is_another(self._coarse, answer, fit):
            return fit
        return Fit(starts[0], 1.0, fit.plain)

    def _is_another(self, level: _Level, answer: torch.Tensor, fit: Fit) -> bool:
        """Whether the answer is of something else by what no fit of contrast tells: no light makes black of white; and
        of an even picture anything is a copy, but for what it shows besides.
        """
        factors = level.size[0] / self.width, level.size[1] / self.height
        plane, shrunk = _Pyramid(luminance(answer)).matching(fit.transform, factors)
        values, inside = _at(plane, fit.transform.scaled(factors, shrunk), level)
        values, wanted = values[inside], level.value[inside]
        if len(values) < MIN_TRUSTED:
            return False
        if float(np.median(np.abs(values - wanted))) > MAX_LIGHT:
            return True
        if level.spread >= _FAINT or (self.levels and fit.unlikeness < _ALIKE):
            return False
        rows = np.concatenate([wanted[None], level.ground[:, inside]])
        residual = values - _explained(values, rows, _trust(values, rows))
        return float(np.mean(np.minimum(residual**2, _FAINT))) > _NOISY

    def _placed(self, answer: torch.Tensor, starts: Sequence[Transform]) -> Fit:
        plain = starts[0]
        if not self.levels:
            return Fit(plain, 0.0, 0.0)
        pyramid = _Pyramid(luminance(answer))
        finest = self.levels[-1]
        start_error = self._error(finest, pyramid, plain)
        if start_error < 1e-4 and self._refined(finest, pyramid, plain, 2)[1] > _CLEARLY_BETTER * start_error:
            return Fit(plain, start_error, start_error)
        coarsest = self.levels[0]
        ranked = sorted(
            ((start, *self._refined(coarsest, pyramid, start)) for start in starts), key=lambda entry: entry[2]
        )
        # A coarse picture does not tell the best from the second best.
        best, best_error, beyond = plain, start_error, None
        for _, found, _ in ranked[:3]:
            for level in self.levels[1:] or self.levels:
                found, _ = self._refined(level, pyramid, found)
            error = self._error(finest, pyramid, found)
            # Two pictures that have nothing in common can always be moved so that they have a little.
            clearly = error < _ALIKE and error < _CLEARLY_BETTER * best_error
            # From one reading the way may lead to another: a drift is what lies between the answer and the nearest.
            drifts = [Drift.between(each, found, self.width, self.height) for each in starts]
            if clearly and any(map(self._is_believable, drifts)):
                best, best_error, beyond = found, error, None
            elif clearly and best is plain:
                beyond = min(drifts, key=lambda drift: abs(drift.scale - 1.0))
            if best_error < 0.05:
                break
        if best_error >= _ALIKE and beyond is None:
            best, best_error = self._searched(pyramid, plain, best_error)
        for start in starts:
            if best.difference(start, self.width, self.height) < _STILL:
                best = start
        return Fit(best, best_error, start_error, beyond)

    def _searched(self, pyramid: _Pyramid, plain: Transform, plain_error: float) -> tuple[Transform, float]:
        """The best of all shifts that are believed, for text, bricks and stars: a coarse picture has none of them, and
        steps lead to the nearest line. Where none is clearly better, ``plain`` and its error.
        """
        best, best_error = plain, plain_error
        if self._search is None:
            return best, best_error
        picture, share = self._search
        height, width = picture.shape
        factors = width / self.width, height / self.height
        reach = max(2, round(MAX_SHIFT * max(width, height)))
        levels = [level for level in self.levels if max(level.size) >= max(width, height)]
        for right, below in likely_shifts(picture, share, pyramid.at(width, height), reach):
            found = plain.after(
                np.array([[1.0, 0.0, right / factors[0]], [0.0, 1.0, below / factors[1]], [0.0, 0.0, 1.0]])
            )
            for level in levels or self.levels:
                found, _ = self._refined(level, pyramid, found)
            error = self._error(self.levels[-1], pyramid, found)
            if error < min(_ALIKE, _CLEARLY_BETTER * best_error) and self._is_believable(
                Drift.between(plain, found, self.width, self.height)
            ):
                best, best_error = found, error
        return best, best_error

    def likeness(self, answer: torch.Tensor, places: Sequence[Transform]) -> list[float]:
        """How unlike the answer is at each of several places, told from the coarsest picture."""
        pyramid = _Pyramid(luminance(answer))
        return [self._error(self.levels[0], pyramid, place) for place in places] if self.levels else []

    def _is_believable(self, drift: Drift) -> bool:
        limit = max(4.0, MAX_SHIFT * max(self.width, self.height))
        scaling = max(abs(drift.across - 1.0), abs(drift.down - 1.0))
        return max(abs(drift.dx), abs(drift.dy)) <= limit and scaling <= MAX_SCALING and abs(drift.turn) <= MAX_TURN

    def _refined(
        self, level: _Level, pyramid: _Pyramid, start: Transform, rounds: int = _ROUNDS
    ) -> tuple[Transform, float]:
        """Gauss-Newton steps on shift, both scales and turn; contrast and a slope of light are fitted along."""
        factors = level.size[0] / self.width, level.size[1] / self.height
        plane, shrunk = pyramid.matching(start, factors)
        found = start.scaled(factors, shrunk)
        best, best_error = start, 1.0
        half, light = max(level.size) / 2, 1 + len(level.ground)
        for _ in range(rounds):
            values, inside = _at(plane, found, level)
            if inside.sum() < max(MIN_TRUSTED, len(values) // 4):
                break
            rows = np.concatenate([values[None], level.ground, level.slopes])[:, inside]
            wanted = level.value[inside]
            weights = _trust(wanted, rows[:light])
            error = _unexplained(wanted, rows[:light], weights)
            if error < best_error:
                best, best_error = Transform(found.matrix).scaled(_inverse(factors), _inverse(shrunk)), error
            weighted = rows * weights
            gram = weighted @ rows.T
            gram[np.diag_indices_from(gram)] *= 1.0 + 1e-9
            # Along stripes, nothing tells how far: there the steps are small, elsewhere hardly smaller.
            moves = np.arange(light, len(gram))
            gram[moves, moves] += _DAMPING * gram[moves, moves].max()
            try:
                solution = np.linalg.solve(gram, weighted @ wanted)
            except np.linalg.LinAlgError:
                break
            if not np.isfinite(solution).all():
                break
            right, below, wide, high, turn = solution[light:].clip(-0.06 * half, 0.06 * half)
            middle_x, middle_y = level.size[0] / 2, level.size[1] / 2
            step = np.array([[wide, -turn, right], [turn, high, below], [0, 0, 0]]) / half
            step[:2, 2] = np.array([right, below]) - step[:2, :2] @ np.array([middle_x, middle_y])
            found = found.after(np.eye(3) + step)
            if np.abs([right, below, wide, high, turn]).max() < 0.002:
                break
        return best, best_error

    def _error(self, level: _Level, pyramid: _Pyramid, place: Transform) -> float:
        return self._refined(level, pyramid, place, 1)[1]


class _Pyramid:
    """An answer's brightness at the sizes in which it is compared."""

    def __init__(self, grey: torch.Tensor) -> None:
        self._planes = {(grey.shape[1], grey.shape[0]): grey}
        self._grey = grey

    def matching(self, place: Transform, factors: tuple[float, float]) -> tuple[torch.Tensor, tuple[float, float]]:
        """It at about the density of a picture that is ``factors`` times as large, and its own factors."""
        height, width = self._grey.shape
        across, down = abs(place.matrix[0, 0]), abs(place.matrix[1, 1])
        size = (
            max(8, min(width, round(width * factors[0] / across))),
            max(8, min(height, round(height * factors[1] / down))),
        )
        return self.at(*size), (size[0] / width, size[1] / height)

    def at(self, width: int, height: int) -> torch.Tensor:
        size = width, height
        if size not in self._planes:
            self._planes[size] = _scaled(self._grey, size)
        return self._planes[size]


def luminance(picture: torch.Tensor) -> torch.Tensor:
    """``[H, W, C]`` as brightness ``[H, W]``."""
    return picture[..., :3] @ torch.tensor([0.299, 0.587, 0.114]) if picture.shape[-1] > 1 else picture[..., 0]


def _inverse(factors: tuple[float, float]) -> tuple[float, float]:
    return 1.0 / factors[0], 1.0 / factors[1]


def _all_scaled(plane: torch.Tensor, sizes: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
    return [_scaled(plane, size) for size in sizes]


def _scaled(plane: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """``[H, W]`` at a smaller size (width, height)."""
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    # Whole steps first: the mean of blocks is the fastest of filters, and leaves enough for a good one.
    step = max(1, min(plane.shape[1] // (2 * size[0]), plane.shape[0] // (2 * size[1])))
    if step > 1 and plane.shape[1] % step == 0 and plane.shape[0] % step == 0:
        plane = avg_pool2d(plane[None, None], step)[0, 0]
    return interpolate(plane[None, None], size=size[::-1], mode="bilinear", antialias=True)[0, 0]


def smoothed(plane: torch.Tensor) -> torch.Tensor:
    """Slightly blurred, so that noise and compression do not count."""
    return avg_pool2d(plane[None, None], 3, 1, 1, count_include_pad=False)[0, 0]


def certain(share: torch.Tensor, margin: int) -> torch.Tensor:
    """Where neither a repainted pixel nor the picture's edge is so near that a blur or a gradient would show it."""
    doubt = pad(1.0 - share, (1, 1, 1, 1), value=1.0)[None, None]
    return max_pool2d(doubt, 2 * margin + 1, 1, margin)[0, 0, 1:-1, 1:-1] < 0.001


def _level(grey: torch.Tensor, kept: torch.Tensor, margin: int) -> _Level | None:
    """The steepest point of each small block, so that they are few and everywhere."""
    height, width = grey.shape
    plane = smoothed(grey)
    down, across = torch.gradient(plane)
    sure = certain(kept, margin)
    if int(sure.count_nonzero()) < MIN_TRUSTED:
        return None
    block = 1
    while height * width / block**2 > _MOST_POINTS:
        block += 1
    steep = torch.where(sure, down**2 + across**2, -1.0)
    best, index = max_pool2d(steep[None, None], block, return_indices=True)
    places = index[best >= 0.0]
    y, x = places // width, places % width
    half = max(width, height) / 2
    gx, gy = across[y, x].double().numpy(), down[y, x].double().numpy()
    away_x, away_y = (x.double().numpy() + 0.5 - width / 2) / half, (y.double().numpy() + 0.5 - height / 2) / half
    slopes = np.stack([gx, gy, gx * away_x, gy * away_y, gy * away_x - gx * away_y])
    ground = np.stack([np.ones_like(away_x), away_x, away_y, away_x**2, away_x * away_y, away_y**2])
    value = plane[y, x].double().numpy()
    spread = float(np.mean((value - _explained(value, ground, np.ones_like(value))) ** 2))
    return _Level((width, height), x.float() + 0.5, y.float() + 0.5, value, slopes, ground, spread)


def _at(plane: torch.Tensor, place: Transform, level: _Level) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """The answer at the level's points, and which of them it shows."""
    height, width = plane.shape
    (a, b, c), (d, e, f), _ = place.matrix.tolist()
    u, v = a * level.x + b * level.y + c, d * level.x + e * level.y + f
    grid = torch.stack([u * (2.0 / width) - 1.0, v * (2.0 / height) - 1.0], dim=-1)[None, None]
    values = grid_sample(smoothed(plane)[None, None], grid, mode="bicubic", padding_mode="border", align_corners=False)
    inside = (u > 1.0) & (u < width - 1.0) & (v > 1.0) & (v < height - 1.0)
    return values[0, 0, 0].double().numpy(), inside.numpy()


def _trust(wanted: Vector, rows: Vector) -> Vector:
    """What the model painted anew is no witness: weights by how well light alone explains each point."""
    weights = np.ones(rows.shape[1])
    for _ in range(2):
        residual = wanted - _explained(wanted, rows, weights)
        spread = 3.0 * np.median(np.abs(residual)) + 1e-4
        weights = 1.0 / (1.0 + (residual / spread) ** 2)
    return weights


def _explained(wanted: Vector, rows: Vector, weights: Vector) -> Vector:
    explained: Vector = _solution(wanted, rows, weights) @ rows
    return explained


def _solution(wanted: Vector, rows: Vector, weights: Vector) -> Vector:
    weighted = rows * weights
    gram = weighted @ rows.T + 1e-9 * np.eye(len(rows))
    return np.asarray(np.linalg.solve(gram, weighted @ wanted), dtype=np.float64)


def _unexplained(wanted: Vector, rows: Vector, weights: Vector) -> float:
    """The share of the variance that is left, whatever the light; the slope of it explains nothing. Half of what
    is there where nothing is explained, be it everywhere or in a few points.
    """
    solution = _solution(wanted, rows, weights)
    bare: Vector = wanted - _explained(wanted, rows[1:], np.ones_like(weights))
    trusted: Vector = wanted - _explained(wanted, rows[1:], weights)
    spread = float(np.mean(bare**2))
    if spread <= _FLAT / 10:
        return 1.0
    # A negative is no other light.
    residual: Vector = wanted - solution @ rows if solution[0] > 0.0 else bare
    left, *nothing = (float(np.mean(np.minimum(each**2, spread))) for each in (residual, bare, trusted))
    return min(1.0, 0.5 * left / min(nothing))
