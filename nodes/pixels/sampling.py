"""An answer at the pixels of its picture, resampled once: crop, place, size and drift together."""

from __future__ import annotations

import math

import torch

from .transforms import Transform

_LOBES = 3
"""Lanczos with three lobes: keeps the sharpness of photographs, with hardly a ringing."""

_STRAIGHT = 0.02
"""Pixels by which rows and columns may lean before they are sampled one by one."""

MAX_MISSING = 0.025
"""What an answer may lack at a border, as a share of its side; more is a crop, and is not made up."""

_BENT = 8.0
"""The strip, in multiples of what is missing, over which a correction fades to nothing towards a border that the answer
does not reach: its gradients differ by an eighth there, where the border's last pixels would be repeated else.
"""


class Sampler:
    """``answer`` ``[h, w, C]`` at the pixels of a picture of ``width`` x ``height``, of which ``wanted`` (left,
    top, right, bottom) will be asked for; None for all of them.
    """

    def __init__(
        self,
        answer: torch.Tensor,
        transform: Transform,
        width: int,
        height: int,
        wanted: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.planes = answer.movedim(-1, 0)
        (self.a, self.b, self.c), (self.d, self.e, self.f), _ = transform.matrix.tolist()
        left, top, right, bottom = wanted or (0, 0, width, height)
        corners = [(x, y) for x in (left, right) for y in (top, bottom)]
        self._across = _Bend([self.a * x + self.b * y + self.c for x, y in corners], answer.shape[1])
        self._down = _Bend([self.d * x + self.e * y + self.f for x, y in corners], answer.shape[0])
        self.is_exact = (
            answer.shape[:2] == (height, width)
            and abs(self.a - 1) + abs(self.e - 1) + abs(self.b) + abs(self.c) + abs(self.d) + abs(self.f) < 1e-9
        )

    @property
    def covers_all(self) -> bool:
        return not (self._across.is_cropped or self._down.is_cropped)

    def depth(self, left: int, top: int, right: int, bottom: int) -> torch.Tensor:
        """How far inside the answer each pixel of a box lies, ``[rows, columns]`` in the answer's pixels, counting
        only the borders that it does not reach; 0 or less where it has nothing to show.
        """
        x, y = _middles(left, right)[None, :], _middles(top, bottom)[:, None]
        return torch.minimum(
            self._across.depth(self.a * x + self.b * y + self.c), self._down.depth(self.d * x + self.e * y + self.f)
        )

    def box(self, left: int, top: int, right: int, bottom: int) -> torch.Tensor:
        """The pixels of a box, ``[rows, columns, C]``, clamped to 0..1."""
        if self.is_exact:
            return self.planes[:, top:bottom, left:right].movedim(0, -1)
        x, y = _middles(left, right), _middles(top, bottom)
        height = self.planes.shape[1]
        # Down a column first: where it meets the answer's rows; then along those.
        v = self.d * x[:, None] + self.e * y[None, :] + self.f
        if abs(self.d) * (right - left) < _STRAIGHT:
            v = self.d * x.mean() + self.e * y[None, :] + self.f
        v = self._down(v)
        reach = math.ceil(_LOBES * max(1.0, abs(self.e))) + 1
        # Of a box that the answer does not show at all there is a row too, which nobody will see.
        first = min(max(0, int(v.min()) - reach), height - 1)
        last = max(min(height, int(v.max()) + reach + 1), first + 1)
        rows = _middles(first, last)
        lean = self.b / self.e
        u = (self.a - lean * self.d) * x[None, :] + lean * rows[:, None] + (self.c - lean * self.f)
        if abs(lean) * (last - first) < _STRAIGHT:
            u = (self.a - lean * self.d) * x[None, :] + lean * rows.mean() + (self.c - lean * self.f)
        along = _resampled(self.planes[:, first:last], self._across(u), abs(self.a))
        done = _resampled(along.transpose(1, 2), v - first, abs(self.e))
        return done.permute(2, 1, 0).clamp(0.0, 1.0)


class _Bend:
    """Keeps coordinates within a side of ``length`` pixels: where they run beyond it by a little, they are drawn in
    over a strip before.
    """

    def __init__(self, corners: list[float], length: int) -> None:
        self.length = length
        self.before, self.behind = max(0.0, -min(corners)), max(0.0, max(corners) - length)
        limit = max(4.0, MAX_MISSING * length)
        self.is_cropped = max(self.before, self.behind) > limit
        self.bends_before, self.bends_behind = 0.01 < self.before <= limit, 0.01 < self.behind <= limit

    def __call__(self, places: torch.Tensor) -> torch.Tensor:
        if self.bends_before:
            knee = min((_BENT - 1.0) * self.before, self.length / 2)
            slope = knee / (knee + self.before)
            places = torch.where(places < knee, knee + (places - knee) * slope, places)
        if self.bends_behind:
            knee = self.length - min((_BENT - 1.0) * self.behind, self.length / 2)
            slope = (self.length - knee) / (self.length - knee + self.behind)
            places = torch.where(places > knee, knee + (places - knee) * slope, places)
        return places

    def depth(self, places: torch.Tensor) -> torch.Tensor:
        inside = torch.full_like(places, float("inf"))
        if self.before > 0.0 and not self.bends_before:
            inside = places
        if self.behind > 0.0 and not self.bends_behind:
            inside = torch.minimum(inside, self.length - places)
        return inside


def _middles(start: int, stop: int) -> torch.Tensor:
    return torch.arange(start, stop, dtype=torch.float64) + 0.5


def _resampled(planes: torch.Tensor, places: torch.Tensor, density: float) -> torch.Tensor:
    """``[C, n, length]`` at ``places`` ``[n or 1, m]`` of its last axis, which lie ``density`` pixels apart."""
    length, stretch = planes.shape[-1], max(1.0, density)
    reach = math.ceil(_LOBES * stretch)
    first = (places - 0.5).floor().long() - reach + 1
    parts, total = None, None
    for tap in range(2 * reach):
        index = first + tap
        weight = _lanczos((index + 0.5 - places) / stretch).float()
        weight = torch.where((index >= 0) & (index < length), weight, 0.0)
        index = index.clamp(0, length - 1)
        if places.shape[0] == 1:
            values = planes.index_select(-1, index[0])
        else:
            values = planes.gather(-1, index.expand(planes.shape[0], -1, -1))
        parts = values * weight if parts is None else parts.addcmul_(values, weight.expand_as(values))
        total = weight if total is None else total + weight
    assert parts is not None and total is not None
    result: torch.Tensor = parts / total.where(total.abs() > 1e-6, 1.0)
    return result


def _lanczos(away: torch.Tensor) -> torch.Tensor:
    return torch.where(away.abs() < _LOBES, torch.sinc(away) * torch.sinc(away / _LOBES), 0.0)
