"""Evenly spaced lines along a field, all at once: what a slider can wait for.

Every line that could be drawn is followed from its seed in both directions, all of
them together, one step at a time; then the longest are kept, one by one, and end
where they come near one that is kept already (the idea is Jobard and Lefer's,
"Creating evenly-spaced streamlines of arbitrary density", 1997). Decides: long lines
first, because short pieces look like noise; a line never runs outside of the tissue,
and stops before it bites its own tail. Six times as fast as matplotlib's integrator or
more, which follows one line after the other (benchmarks/stream_sliders.py).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LINES_ACROSS = 38
"""Lines across the longer side at density 1, where they all run side by side."""

_STEP, _FINE, _COARSE = 0.45, 0.3, 0.55
"""Step, in distances between lines; its least and most in steps of the grid."""
_LONGEST, _REACH = 0.6, 22
"""Half a line at most: of the longer side, and in distances between lines."""
_NEAR = 0.5
_SHORTEST = 2.5


class _Paths(NamedTuple):
    """Candidates: positions step by step, and where each begins, seeds and ends.

    Attributes
    ----------
    at
        (steps, candidates) complex positions in steps of the grid.
    seed
        Step of the seeds.
    first, last
        (candidates,) first and last step on the tissue.
    """

    at: np.ndarray
    seed: int
    first: np.ndarray
    last: np.ndarray


@dataclass(frozen=True)
class _Field:
    """A field on nodes 1 apart, as complex numbers; 0 outside of the tissue."""

    flow: np.ndarray
    tissue: np.ndarray

    def direction(self, at: np.ndarray) -> np.ndarray:
        """Return unit vectors of the bilinear field, 0 where there is none."""
        ny, nx = self.flow.shape
        x, y = at.real, at.imag
        column = np.clip(x.astype(np.intp), 0, nx - 2)
        row = np.clip(y.astype(np.intp), 0, ny - 2)
        right, down = x - column, y - row
        corner = row * nx + column
        flat = self.flow.ravel()
        above, below = (
            flat[c] + right * (flat[c + 1] - flat[c]) for c in (corner, corner + nx)
        )
        flow = above + down * (below - above)
        length = np.abs(flow)
        known = length > 0
        return np.where(known, flow / np.where(known, length, 1), 0)

    def inside(self, at: np.ndarray) -> np.ndarray:
        """Return where the nearest node is one of the tissue."""
        ny, nx = self.tissue.shape
        x, y = at.real, at.imag
        near: np.ndarray = (x >= 0) & (x <= nx - 1) & (y >= 0) & (y <= ny - 1)
        place = (np.rint(y) * nx + np.rint(x))[near].astype(np.intp)
        near[near] = self.tissue.ravel()[place]
        return np.asarray(near)


def flow_lines(
    x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, density: float = 1.0
) -> list[np.ndarray]:
    """Return evenly spaced lines along a field on a regular grid.

    Parameters
    ----------
    x, y
        (nx,), (ny,) evenly spaced positions of the nodes.
    u, v
        (ny, nx) field; NaN where no line may run. Only its direction matters.
    density
        1 for about 30 lines across the longer side.

    Returns
    -------
    list of numpy.ndarray
        (m, 2) points, m >= 3, from upstream to downstream; the longest first.
    """
    if min(u.shape, default=0) < 2 or density <= 0:
        return []
    steps = np.array([np.ptp(axis) / (len(axis) - 1) for axis in (x, y)])
    known = np.isfinite(u) & np.isfinite(v)
    flow = np.where(known, u / steps[0] + 1j * (v / steps[1]), 0)
    field = _Field(flow, known & (np.abs(flow) > 0))
    if not field.tissue.any():
        return []
    apart = (max(u.shape) - 1) / (LINES_ACROSS * density)
    kept = _chosen(field, apart)
    if _step(apart) > 0.4:
        kept = [_rounded(line) for line in kept]
    corner = np.array([x[0], y[0]])
    return [np.stack([p.real, p.imag], axis=1) * steps + corner for p in kept]


def _chosen(field: _Field, apart: float) -> list[np.ndarray]:
    """Return the longest lines from a wide lattice of seeds, then those in gaps."""
    taken = _Taken(field.tissue.shape, apart)
    kept: list[np.ndarray] = []
    for lattice in (2.4 * apart, 0.8 * apart):
        seeds = _lattice(field, lattice)
        seeds = seeds[taken.far(seeds)]
        if len(seeds):
            kept += taken.take(_followed(field, seeds, apart))
    return kept


def _step(apart: float) -> float:
    return float(np.clip(_STEP * apart, _FINE, _COARSE))


def _rounded(line: np.ndarray) -> np.ndarray:
    """Put a point between every two, on the cubic through the four around it."""
    if len(line) < 3:
        return line
    ends = 2 * line[:1] - line[1:2], 2 * line[-1:] - line[-2:-1]
    around = np.concatenate([ends[0], line, ends[1]])
    out = np.empty(2 * len(line) - 1, dtype=complex)
    out[::2] = line
    out[1::2] = (9 * (line[:-1] + line[1:]) - around[:-3] - around[3:]) / 16
    return out


def _lattice(field: _Field, step: float) -> np.ndarray:
    """Return positions on a lattice of which every other row is shifted."""
    ny, nx = field.tissue.shape
    rows = np.arange(step / 2, ny - 1, step * np.sqrt(0.75))
    columns = np.arange(step / 4, nx - 1, step)
    shift = np.where(np.arange(len(rows)) % 2, step / 2, 0.0)
    seeds = (columns[None] + shift[:, None] + 1j * rows[:, None]).ravel()
    return np.asarray(seeds[field.inside(seeds)])


def _followed(field: _Field, seeds: np.ndarray, apart: float) -> _Paths:
    """Follow the field from seeds both ways, by Heun's rule, all lines together."""
    step = _step(apart)
    longest = min(_LONGEST * max(field.tissue.shape), _REACH * apart)
    count = max(int(longest / step), 1)
    at = np.empty((2 * count + 1, len(seeds)), dtype=complex)
    at[count] = seeds
    ends = []
    for way in (-1, 1):
        end = np.zeros(len(seeds), dtype=np.intp)
        alive, here = np.arange(len(seeds)), seeds
        for done in range(1, count + 1):
            first = field.direction(here)
            second = field.direction(here + way * step * first)
            mean = (first + second) / 2
            size = np.abs(mean)
            # a turn by more than 60 degrees within a step is a sink or a source
            moved = here + way * step * mean / np.maximum(size, 1e-9)
            goes = (size > 0.87) & field.inside(moved)
            alive, here = alive[goes], moved[goes]
            if not len(alive):
                break
            at[count + way * done, alive] = here
            end[alive] = done
        ends.append(end)
    return _Paths(at, count, count - ends[0], count + ends[1])


class _Taken:
    """Which parts of the tissue have a line, on cells of half the lines' distance."""

    def __init__(self, shape: tuple[int, int], apart: float) -> None:
        self._size = _NEAR * apart
        self._wide = int(shape[1] / self._size) + 6
        high = int(shape[0] / self._size) + 6
        self._near = np.zeros(self._wide * high, dtype=bool)
        around = np.arange(-1, 2)
        self._around = (around[:, None] * self._wide + around).ravel()
        self._wider = (
            np.arange(-2, 3)[:, None] * self._wide + np.arange(-2, 3)
        ).ravel()
        self._far = np.ones(self._wide * high, dtype=bool)
        self._least = _SHORTEST * apart / _step(apart)

    def _cells(self, at: np.ndarray) -> np.ndarray:
        row = (at.imag / self._size).astype(np.intp) + 2
        return np.asarray(row * self._wide + (at.real / self._size).astype(np.intp) + 2)

    def far(self, at: np.ndarray) -> np.ndarray:
        """Return which positions are far enough from every line for a seed."""
        return np.asarray(self._far[self._cells(at)])

    def take(self, paths: _Paths) -> list[np.ndarray]:
        """Return the stretches that are kept, the longest that is left each time."""
        least = max(int(self._least), 2)
        cells = np.zeros(paths.at.shape[::-1], dtype=np.intp)
        number = np.arange(len(paths.at))[:, None]
        there = (number >= paths.first) & (number <= paths.last)
        cells[there.T] = self._cells(paths.at.T[there.T])
        length = paths.last - paths.first
        queue = [(-int(n), i) for i, n in enumerate(length) if n >= least]
        heapq.heapify(queue)
        kept = []
        while queue:
            promised, i = heapq.heappop(queue)
            first, last = self._free(
                cells[i], paths.seed, paths.first[i], paths.last[i]
            )
            if last - first < least:
                continue
            if last - first < -0.8 * promised:
                heapq.heappush(queue, (first - last, i))
                continue
            first, last = _untangled(cells[i], paths.seed, first, last)
            if last - first < least:
                continue
            self._mark(cells[i, first : last + 1])
            kept.append(paths.at[first : last + 1, i])
        return kept

    def _free(
        self, cells: np.ndarray, seed: int, first: int, last: int
    ) -> tuple[int, int]:
        """Return the first and last step around the seed with no line near."""
        near = self._near[cells[first : last + 1]]
        seed -= first
        if near[seed]:
            return 0, 0
        back, forth = near[:seed][::-1], near[seed:]
        before = int(back.argmax()) if back.any() else seed
        after = int(forth.argmax()) - 1 if forth.any() else last - first - seed
        return first + seed - before, first + seed + after

    def _mark(self, cells: np.ndarray) -> None:
        self._near[cells[:, None] + self._around] = True
        self._far[cells[:, None] + self._wider] = False


def _untangled(cells: np.ndarray, seed: int, first: int, last: int) -> tuple[int, int]:
    """Shorten a line so that it does not run through where it was before."""
    seen: set[int] = set()
    here = int(cells[seed])
    for end in range(seed, last + 1):
        cell = int(cells[end])
        if cell != here and cell in seen:
            last = end - 1
            break
        seen.add(cell)
        here = cell
    here = int(cells[seed])
    for start in range(seed - 1, first - 1, -1):
        cell = int(cells[start])
        if cell != here and cell in seen:
            return start + 1, last
        seen.add(cell)
        here = cell
    return first, last
