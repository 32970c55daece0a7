"""Where a point of a picture lies in the answer that was made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Transform:
    """A point (x, y) of the picture lies at ``matrix @ (x, y, 1)`` in the answer. Coordinates are pixels, counted from
    the corner: the middle of the first pixel is at 0.5.
    """

    matrix: Matrix
    """3 x 3, its last row 0, 0, 1."""

    @classmethod
    def placing(cls, across: float, down: float, left: float, top: float) -> Transform:
        """``across`` and ``down`` pixels of the answer to one of the picture, and its corner at (left, top) there."""
        return cls(np.array([[across, 0.0, -left * across], [0.0, down, -top * down], [0.0, 0.0, 1.0]]))

    def after(self, other: Matrix) -> Transform:
        """First ``other``, from the picture to the picture, then this."""
        return Transform(self.matrix @ other)

    def scaled(self, picture: tuple[float, float], answer: tuple[float, float]) -> Transform:
        """The same between pictures that are (across, down) times as large."""
        to_picture = np.diag([1.0 / picture[0], 1.0 / picture[1], 1.0])
        return Transform(np.diag([answer[0], answer[1], 1.0]) @ self.matrix @ to_picture)

    def difference(self, other: Transform, width: int, height: int) -> float:
        """By how many pixels of a picture of this size the two differ, at the corner where they differ most."""
        corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=np.float64).T
        apart = np.linalg.inv(other.matrix) @ self.matrix @ corners - corners
        return float(np.hypot(apart[0], apart[1]).max())


@dataclass(frozen=True)
class Drift:
    """How an answer lay: its content ``dx`` pixels right of and ``dy`` below its place in the middle of the picture,
    ``across`` and ``down`` times as large, and turned clockwise by ``turn`` degrees.
    """

    dx: float = 0.0
    dy: float = 0.0
    across: float = 1.0
    down: float = 1.0
    turn: float = 0.0

    @classmethod
    def between(cls, start: Transform, found: Transform, width: int, height: int) -> Drift:
        """What is left to undo of ``found`` where ``start`` was expected, on a picture of this size."""
        moved = np.linalg.inv(start.matrix) @ found.matrix
        middle = np.array([width / 2, height / 2, 1.0])
        dx, dy, _ = moved @ middle - middle
        turn = math.degrees(math.atan2(moved[1, 0] - moved[0, 1], moved[0, 0] + moved[1, 1]))
        return cls(
            float(dx),
            float(dy),
            float(np.hypot(moved[0, 0], moved[1, 0])),
            float(np.hypot(moved[0, 1], moved[1, 1])),
            turn,
        )

    @property
    def scale(self) -> float:
        return math.sqrt(self.across * self.down)
