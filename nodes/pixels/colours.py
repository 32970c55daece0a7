"""The light of an answer, brought back to that of its picture, as far as what was to be kept around the mask tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from .masks import distance_to
from .registration import certain
from .transforms import Transform

MIN_RING = 256
"""Pixels that must have been kept for their statistics to mean anything."""

NEAR = 32
NEAR_SHARE = 0.04
"""How far from the mask a pixel still tells of the light at the mask: pixels, or this share of the longer side."""

_SIDE = 320
_MOST_POINTS = 12000
_CLIPPED = 1.5 / 255.0
_FOLDS = 4
_BLOCK = 8
"""Side of the blocks that are left out together to try a fit on what it has not seen."""

_DETAIL = 9
"""Side of the square whose mean is no fine detail."""

_FINE = 2.0 / 255.0
"""How far values must lie from their mean to tell of a contrast."""

_AS_SHARP = 1.2
"""By how much more than the light fine detail may differ where the answer is as sharp as its picture."""

_UNTOUCHED = 1.0 / 255.0
"""What rounding and compression leave of colours that are as they were."""

_CLEARLY_BETTER = 0.9
_BEYOND = 0.3
_MARGIN = 1.5 / 255.0
"""How far beyond what the ring shows a correction may go: of its range there, and at least."""

Values = npt.NDArray[np.float64]
_Place = TypeVar("_Place", torch.Tensor, Values)

# Of the colour r, g, b and the place: 1, r, g, b, the channel's own square, x, y, and the channel's own value times
# each that _away gives. What each model of a change uses.
_TERMS = 10
_OWN = -1
_MODELS: tuple[tuple[int, ...], ...] = (
    (0,),
    (0, _OWN),
    (0, 5, 6),
    (0, _OWN, 4),
    (0, 1, 2, 3),
    (0, _OWN, 5, 6),
    (0, 1, 2, 3, 4),
    (0, 1, 2, 3, 5, 6),
)
_VIGNETTE = (0, _OWN, 7, 8, 9)
"""A ring alone, all of it as far from the middle, does not tell it from darkness all over."""

_OF_PLACES = ((0,), (0, 5, 6))
"""Those that hold for any colour."""


@dataclass(frozen=True)
class Correction:
    """What to add to a colour at a place: ``terms`` ``[3, 10]`` times (1, r, g, b, its own square, x, y, itself
    times what :func:`_away` gives), within ``least`` and ``most`` ``[3]``. x and y run from 0 to 1 over the picture.
    """

    terms: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor

    def __call__(self, colours: torch.Tensor, left: float, top: float, right: float, bottom: float) -> torch.Tensor:
        """A box ``[h, w, C]`` of an answer, with its colours corrected and clamped to 0..1; alpha stays as it is."""
        height, width = colours.shape[:2]
        rgb = colours[..., :3]
        x = left + (torch.arange(width) + 0.5) * ((right - left) / width)
        y = top + (torch.arange(height) + 0.5) * ((bottom - top) / height)
        change = rgb @ self.terms[:, 1:4].T
        change += self.terms[:, 0] + x[None, :, None] * self.terms[:, 5] + y[:, None, None] * self.terms[:, 6]
        change.addcmul_(rgb * self.terms[:, 4], rgb)
        if self.terms[:, 7:].any():
            gain = torch.zeros(height, width, 3)
            for each, term in zip(_away(x[None, :], y[:, None]), self.terms[:, 7:].T, strict=True):
                gain.addcmul_(each[..., None], term)
            change.addcmul_(gain, rgb)
        change = torch.minimum(torch.maximum(change, self.least), self.most).add_(rgb).clamp_(0.0, 1.0)
        return change if colours.shape[-1] == 3 else torch.cat([change, colours[..., 3:]], dim=-1)


class Light:
    """The colours of a picture ``[H, W, 3]`` where ``trusted`` ``[H, W]`` says that they were to be kept."""

    def __init__(self, picture: torch.Tensor, trusted: torch.Tensor) -> None:
        self.height, self.width = trusted.shape
        factor = min(1.0, _SIDE / max(self.height, self.width))
        self.size = max(1, round(self.height * factor)), max(1, round(self.width * factor))
        kept = _shrunk(trusted[..., None].float(), self.size)[..., 0]
        sure = certain(kept, 1)
        self.points = torch.zeros(0, 2, dtype=torch.long)
        self.sure = sure
        if int(trusted.count_nonzero()) < MIN_RING or int(sure.count_nonzero()) < MIN_RING // 4:
            return
        reach = max(NEAR, NEAR_SHARE * max(self.height, self.width)) * factor
        near = sure & (distance_to(kept < 0.999) <= reach + 2.0)
        points = sure.nonzero()
        is_near = near[points[:, 0], points[:, 1]]
        # All that is near, and as much of the rest as is quickly read.
        step = max(1, int((~is_near).sum()) // _MOST_POINTS)
        rest = points[~is_near][::step]
        close = points[is_near][:: max(1, int(is_near.sum()) // _MOST_POINTS)]
        self.points = torch.cat([close, rest])
        self.near = np.arange(len(self.points)) < len(close)
        rows, columns = self.points.T
        self.picture = _shrunk(picture, self.size)
        self.wanted = self.picture[rows, columns].double().numpy()
        self.x = ((columns + 0.5) / self.size[1]).double().numpy()
        self.y = ((rows + 0.5) / self.size[0]).double().numpy()
        self.fold = ((rows // _BLOCK) * 3 + (columns // _BLOCK) * 5).numpy() % _FOLDS

    def correction(self, answer: torch.Tensor, place: Transform) -> Correction | None:
        """What brings the answer's colours back, from models of the change that were fitted to all of the picture and
        to what is near the mask, blended by how well each foretells what it has not seen. None where nothing foretells
        clearly more than leaving them alone.
        """
        if not len(self.points):
            return None
        found, shown = self._colours(answer, place)
        extreme = np.minimum(found, self.wanted), np.maximum(found, self.wanted)
        # What is black or white in one of them says nothing of the other's light.
        use = shown & (extreme[0] > _CLIPPED).all(axis=1) & (extreme[1] < 1.0 - _CLIPPED).all(axis=1)
        if use.sum() < MIN_RING // 4:
            use = shown
        near = self.near[use] if self.near[use].sum() >= MIN_RING // 4 else np.ones(int(use.sum()), dtype=bool)
        if use.sum() < MIN_RING // 4:
            return None
        found, wanted, fold = found[use], self.wanted[use], self.fold[use]
        features = [np.ones(len(found)), *found.T, self.x[use], self.y[use]]
        away = _away(self.x[use], self.y[use])
        terms = np.zeros((3, _TERMS))
        limits = np.zeros((3, 2))
        for channel in range(3):
            own = found[:, channel]
            rows = np.stack([*features[:4], own**2, *features[4:], *(own * each for each in away)])
            least, most = np.percentile(wanted[:, channel], (5, 95))
            # Of one colour alone nothing is told of others: what its answer varies in is no contrast.
            models = (*_MODELS, _VIGNETTE) if most - least > 3.0 * _FINE else _OF_PLACES
            terms[channel] = _fitted(rows, wanted[:, channel] - own, channel, near, fold, models)
            change = terms[channel] @ rows[:, near]
            least, most = np.percentile(change, (1, 99))
            beyond = _BEYOND * (most - least) + _MARGIN
            limits[channel] = least - beyond, most + beyond
        if not terms.any():
            return None
        idle = ~terms.any(axis=1)
        limits[idle] = 0.0
        bounds = torch.from_numpy(limits).float()
        return Correction(torch.from_numpy(terms).float(), bounds[:, 0], bounds[:, 1])

    def _colours(self, answer: torch.Tensor, place: Transform) -> tuple[Values, npt.NDArray[np.bool_]]:
        """The answer's colours at the points ``[n, 3]``, as sharp as the picture, and which of them it shows."""
        height, width = answer.shape[:2]
        factors = self.size[1] / self.width, self.size[0] / self.height
        size = (
            max(1, min(height, round(height * factors[1] / abs(place.matrix[1, 1])))),
            max(1, min(width, round(width * factors[0] / abs(place.matrix[0, 0])))),
        )
        shrunk = _shrunk(answer[..., :3], size)
        (a, b, c), (d, e, f), _ = place.scaled(factors, (size[1] / width, size[0] / height)).matrix.tolist()
        rows, columns = torch.arange(self.size[0])[:, None] + 0.5, torch.arange(self.size[1])[None] + 0.5
        u, v = a * columns + b * rows + c, d * columns + e * rows + f
        grid = torch.stack([u * (2.0 / size[1]) - 1.0, v * (2.0 / size[0]) - 1.0], dim=-1)[None]
        values = grid_sample(shrunk.movedim(-1, 0)[None], grid, padding_mode="border", align_corners=False)
        shown = (u > 0.5) & (u < size[1] - 0.5) & (v > 0.5) & (v < size[0] - 0.5)
        found = values[0].movedim(0, -1)
        at = self.points[:, 0], self.points[:, 1]
        use = self.sure & shown
        there, here = _averaged(found, use)[at].double().numpy(), _averaged(self.picture, use)[at].double().numpy()
        colours = found[at].double().numpy()
        seen = shown[at].numpy()
        sharpness = _sharpness(there[seen], here[seen], colours[seen], self.wanted[seen])
        return colours + (sharpness - 1.0) * (colours - there), seen


def _away(x: _Place, y: _Place) -> tuple[_Place, _Place, _Place]:
    """How far across and down from the middle, squared, and both together squared again: lenses darken so. All are 0 in
    the middle and 1 at most.
    """
    across, down = (2.0 * x - 1.0) ** 2, (2.0 * y - 1.0) ** 2
    return across, down, ((across + down) / 2.0) ** 2


def _averaged(picture: torch.Tensor, use: torch.Tensor) -> torch.Tensor:
    """The mean around each pixel of ``[H, W, C]`` of those that ``use`` ``[H, W]`` names."""
    planes = torch.cat([picture * use[..., None], use[..., None].float()], dim=-1).movedim(-1, 0)[None]
    sums = avg_pool2d(planes, _DETAIL, 1, _DETAIL // 2, count_include_pad=False)[0].movedim(0, -1)
    return sums[..., :-1] / sums[..., -1:].clamp(min=1e-6)


def _sharpness(there: Values, here: Values, found: Values, wanted: Values) -> float:
    """By what an answer's fine detail must be multiplied so that it tells of the same contrast as the means around its
    points: these means ``[n, 3]`` and the points themselves, of answer and picture. A blurred answer has less detail,
    and yet no other light.
    """
    greys = (each.mean(axis=1) for each in (there, here - there, found - there, wanted - here - (found - there)))
    mean, change, detail, less = greys
    if (np.abs(detail) > _FINE).sum() < MIN_RING // 4:
        return 1.0
    finer, coarser = (
        _contrast(*each, _trust(np.stack([np.ones_like(mean), each[0]]), each[1]))
        for each in ((detail, less), (mean, change))
    )
    factor = finer / max(coarser, 0.1)
    return max(factor, 0.1) if abs(np.log(max(factor, 0.1))) > np.log(_AS_SHARP) else 1.0


def _contrast(values: Values, change: Values, weights: Values) -> float:
    """By what ``values`` differ more from each other with ``change``; 1 where they hardly differ at all."""
    away = weights * (values - np.average(values, weights=weights))
    return 1.0 + float(away @ change) / float(away @ values + _FINE**2 * weights.sum())


def _shrunk(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """``[H, W, C]`` at ``size`` (height, width), averaged."""
    if picture.shape[:2] == size:
        return picture
    # One by one: a contiguous copy of a plane is not one of the picture.
    planes = [picture[None, None, ..., channel] for channel in range(picture.shape[-1])]
    return torch.stack(
        [interpolate(plane, size=size, mode="bilinear", antialias=True)[0, 0] for plane in planes], dim=-1
    )


def _fitted(
    rows: Values,
    change: Values,
    channel: int,
    near: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int_],
    models: Sequence[tuple[int, ...]],
) -> Values:
    """The terms ``[10]`` that foretell ``change`` from ``rows`` ``[10, n]``; zeros where nothing does."""
    weights = _trust(rows[[0, channel + 1]], change)
    nothing = _miss(change[near])
    blend, total = np.zeros(_TERMS), 0.0
    if nothing < 0.1 / 255.0:
        return blend
    if (~near).sum() >= MIN_RING // 4 and np.percentile(np.abs(change[~near]), 75) < _UNTOUCHED:
        # A drift is everywhere: this is painted, such as the shadow of what came into the mask.
        return blend
    for where in (near, np.ones_like(near)):
        grams, sides = [], []
        for number in range(_FOLDS):
            part = where & (fold == number)
            weighted = rows[:, part] * weights[part]
            grams.append(weighted @ rows[:, part].T)
            sides.append(weighted @ change[part])
        for model in models:
            if model is _VIGNETTE and where is near:
                continue
            used = sorted({channel + 1 if term == _OWN else term for term in model})
            whole_gram, whole_side = sum(grams), sum(sides)
            misses = np.empty_like(change)
            for number in range(_FOLDS):
                solution = _solved(whole_gram - grams[number], whole_side - sides[number], used)
                held = fold == number
                misses[held] = change[held] - solution @ rows[used][:, held]
            miss = _miss(misses[near])
            if miss < _CLEARLY_BETTER * nothing:
                share = miss**-8
                blend[used] += share * _solved(whole_gram, whole_side, used)
                total += share
    return blend / total if total else blend


def _solved(gram: Values, side: Values, used: list[int]) -> Values:
    part = gram[np.ix_(used, used)]
    # Towards no change: what the ring hardly varies in, it says nothing of.
    ridge = np.diag([1e-9] + [1e-4] * (len(used) - 1)) * part[0, 0]
    solution: Values = np.linalg.solve(part + ridge + 1e-12 * np.eye(len(used)), side[used])
    return solution


def _trust(rows: Values, change: Values) -> Values:
    """What the model painted anew is no witness."""
    weights = np.ones(len(change))
    for _ in range(3):
        weighted = rows * weights
        solution = np.linalg.solve(weighted @ rows.T + 1e-9 * np.eye(len(rows)), weighted @ change)
        residual = change - solution @ rows
        spread = 2.5 * np.median(np.abs(residual)) + 0.5 / 255.0
        weights = 1.0 / (1.0 + (residual / spread) ** 2)
    return weights


def _miss(residual: Values) -> float:
    """The typical error, in which what is painted anew counts no more than the worst of the rest."""
    size = np.abs(residual)
    cap = 3.0 * float(np.median(size)) + 2.0 / 255.0
    return float(np.minimum(size, cap).mean()) + 1e-6
