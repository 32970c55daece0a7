"""How an answer of other proportions may have come about: stretched, cropped or extended, and where it then lies."""

from __future__ import annotations

import numpy as np
import torch

from .crops import Crop
from .registration import Fit, Witness
from .transforms import Transform

_ZOOMS = (0.94, 1.06)
"""By how much models zoom a frame that keeps its proportions, more or less."""

_OFFSETS = 33
"""Places along the free side at which a cropped or extended frame is tried."""

_CLEARLY_BETTER = 0.8
"""How far below the stretched answer's error another reading must be to be believed."""


def place(witness: Witness, answer: torch.Tensor, frame: Crop) -> tuple[Fit, Transform, str]:
    """How the answer ``[h, w, C]`` lies, what was expected of it, and how it was read: empty for the proportions of the
    frame, else stretched, cropped or extended. The picture that ``witness`` knows is that of the frame's pixels.
    """
    height, width = answer.shape[:2]
    as_it_came = plain(answer, frame)
    if abs(width * frame.height / frame.width - height) <= 1.0 or abs(height * frame.width / frame.height - width) <= 1:
        zoomed = [_about_the_middle(as_it_came, zoom, frame) for zoom in _ZOOMS]
        return witness.place(answer, [as_it_came, *zoomed]), as_it_came, ""
    readings = [("stretched", as_it_came)]
    for name, density in zip(("cropped", "extended"), _densities(answer, frame), strict=True):
        readings += [(name, start) for start in _likely(witness, answer, _along(answer, frame, density))]
    fit = witness.place(answer, [start for _, start in readings])
    name, start = min(readings, key=lambda reading: fit.transform.difference(reading[1], witness.width, witness.height))
    if name != "stretched" and fit.unlikeness > _CLEARLY_BETTER * fit.plain:
        return Fit(as_it_came, fit.plain, fit.plain), as_it_came, "stretched"
    return fit, start, name


def plain(answer: torch.Tensor, frame: Crop) -> Transform:
    """An answer ``[h, w, C]`` over the whole frame, whatever its proportions."""
    height, width = answer.shape[:2]
    return Transform.placing(width / frame.width, height / frame.height, frame.left, frame.top)


def _about_the_middle(start: Transform, zoom: float, frame: Crop) -> Transform:
    x, y = frame.left + frame.width / 2, frame.top + frame.height / 2
    return start.after(np.array([[zoom, 0.0, x * (1.0 - zoom)], [0.0, zoom, y * (1.0 - zoom)], [0.0, 0.0, 1.0]]))


def _densities(answer: torch.Tensor, frame: Crop) -> tuple[float, float]:
    """Answer's pixels to one of the picture, where it shows all of one side of the frame and less, or more, of the
    other.
    """
    both = answer.shape[1] / frame.width, answer.shape[0] / frame.height
    return max(both), min(both)


def _along(answer: torch.Tensor, frame: Crop, density: float) -> list[Transform]:
    """Places at which an answer of that density may lie: from one end of the free side to the other."""
    spare_x, spare_y = frame.width - answer.shape[1] / density, frame.height - answer.shape[0] / density
    shares = [number / (_OFFSETS - 1) for number in range(_OFFSETS)]
    return [
        Transform.placing(density, density, frame.left + spare_x * share, frame.top + spare_y * share)
        for share in sorted(shares, key=lambda share: abs(share - 0.5))
    ]


def _likely(witness: Witness, answer: torch.Tensor, places: list[Transform]) -> list[Transform]:
    """The middle, and the place that looks best."""
    errors = witness.likeness(answer, places)
    best = min(range(len(errors)), key=errors.__getitem__) if errors else 0
    return [places[0]] if best == 0 else [places[best], places[0]]
