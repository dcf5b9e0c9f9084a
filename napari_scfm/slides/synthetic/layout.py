"""Where cells lie: tumour nests, stroma, glands, vessels and an immune aggregate.

Vessels and glands are placed first, as rings of cells around an empty lumen; the rest
of the plane is filled by dart throwing, each dart taking a type from the composition of
the domain it falls in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.slides.synthetic.cell_types import CELL_TYPES, NAMES, index
from napari_scfm.slides.synthetic.fields import RandomField

if TYPE_CHECKING:
    from numpy.typing import NDArray

DOMAINS: Final = ("tumour nest", "stroma", "vessel", "gland", "immune aggregate")

# order of the columns: NAMES
_COMPOSITION: Final = {
    "tumour nest": (0.88, 0.0, 0.015, 0.0, 0.06, 0.0, 0.045, 0.0),
    "stroma": (0.01, 0.0, 0.47, 0.04, 0.14, 0.06, 0.17, 0.11),
    "immune aggregate": (0.0, 0.0, 0.04, 0.02, 0.34, 0.5, 0.05, 0.05),
}
_SPACING: Final = {"tumour nest": 0.8, "stroma": 0.93, "immune aggregate": 0.84}
_NEST_LEVEL: Final = 0.15


@dataclass(frozen=True)
class Ring:
    """A vessel or gland: an ellipse around a lumen.

    Attributes
    ----------
    kind
        "vessel" or "gland".
    centre
        (x, y) in um.
    axes
        Half axes of the lumen's border in um.
    angle
        Direction of the first axis in radians.
    """

    kind: str
    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float

    def level(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the elliptic radius of points: 1 on the lumen's border."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        dx, dy = (xy - self.centre).T
        u = (cos * dx + sin * dy) / self.axes[0]
        v = (cos * dy - sin * dx) / self.axes[1]
        level: NDArray[np.float64] = np.hypot(u, v)
        return level

    def ring(self, distance: float, spacing: float) -> NDArray[np.float64]:
        """Return (n, 3) x, y and tangent of points `distance` um outside."""
        a, b = self.axes[0] + distance, self.axes[1] + distance
        around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
        count = max(int(around / spacing), 3)
        fine = np.linspace(0.0, 2.0 * np.pi, 720)
        steps = np.hypot(a * np.sin(fine), b * np.cos(fine))
        length = np.concatenate([[0.0], np.cumsum((steps[1:] + steps[:-1]) / 2)])
        t = np.interp(np.arange(count) / count * length[-1], length, fine)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        u, v = a * np.cos(t), b * np.sin(t)
        tangent = np.arctan2(b * np.cos(t), -a * np.sin(t)) + self.angle
        x = self.centre[0] + cos * u - sin * v
        y = self.centre[1] + sin * u + cos * v
        return np.stack([x, y, tangent], axis=1)


@dataclass
class Layout:
    """Cells before they have outlines.

    Attributes
    ----------
    xy
        (n, 2) centres in um.
    kind
        (n,) positions in `CELL_TYPES`.
    domain
        (n,) positions in `DOMAINS`.
    angle
        (n,) direction of the long axis in radians.
    rings
        Vessels and glands.
    """

    xy: NDArray[np.float64]
    kind: NDArray[np.intp]
    domain: NDArray[np.intp]
    angle: NDArray[np.float64]
    rings: list[Ring]


class Plan:
    """The domains of a tissue as functions of the place.

    Parameters
    ----------
    rng
        Source of everything random.
    width, height
        Size of the tissue in um.
    """

    def __init__(self, rng: np.random.Generator, width: float, height: float) -> None:
        self.size = np.array([width, height])
        self.nests = RandomField(rng, 42.0)
        self.mixing = RandomField(rng, 30.0)
        self.rings: list[Ring] = []
        patches = width * height / 43_000.0
        self._place(rng, "vessel", max(round(2.2 * patches), 1))
        self._place(rng, "gland", max(round(0.8 * patches), 1))
        self.aggregates = self._aggregates(rng, max(round(1.1 * patches), 1))

    def _place(self, rng: np.random.Generator, kind: str, count: int) -> None:
        low, high = (8.0, 17.0) if kind == "vessel" else (13.0, 20.0)
        for _ in range(400):
            if sum(ring.kind == kind for ring in self.rings) == count:
                return
            centre = rng.uniform(0.04, 0.96, 2) * self.size
            first = rng.uniform(low, high)
            axes = (first, first * rng.uniform(0.45, 0.85))
            ring = Ring(
                kind,
                (float(centre[0]), float(centre[1])),
                axes,
                float(rng.uniform(0, np.pi)),
            )
            if self._free(ring):
                self.rings.append(ring)

    def _free(self, ring: Ring) -> bool:
        reach = ring.axes[0] + 14.0
        for other in self.rings:
            gap = np.hypot(*(np.subtract(ring.centre, other.centre)))
            if gap < reach + other.axes[0] + 10.0:
                return False
        limit = _NEST_LEVEL - (0.15 if ring.kind == "vessel" else 0.5)
        return bool(self.nests.at(np.array([ring.centre]))[0] < limit)

    def _aggregates(
        self, rng: np.random.Generator, count: int
    ) -> list[tuple[float, float, float]]:
        blobs: list[tuple[float, float, float]] = []
        for _ in range(400):
            x, y = rng.uniform(0.08, 0.92, 2) * self.size
            point = np.array([[x, y]])
            apart = all(np.hypot(x - a, y - b) > 90.0 for a, b, _ in blobs)
            if apart and self.nests.at(point)[0] < _NEST_LEVEL - 0.1:
                blobs.append((float(x), float(y), float(rng.uniform(24.0, 38.0))))
            if len(blobs) == count:
                break
        return blobs

    def domains(self, xy: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the domain of (n, 2) points: a position in `DOMAINS`."""
        result = np.full(len(xy), DOMAINS.index("stroma"), dtype=np.intp)
        for x, y, radius in self.aggregates:
            wobble = 1.0 + 0.25 * self.mixing.at(xy)
            near = np.hypot(xy[:, 0] - x, xy[:, 1] - y) < radius * wobble
            result[near] = DOMAINS.index("immune aggregate")
        result[self.nests.at(xy) > _NEST_LEVEL] = DOMAINS.index("tumour nest")
        for ring in self.rings:
            reach = 1.0 + (6.0 if ring.kind == "vessel" else 12.0) / min(ring.axes)
            result[ring.level(xy) < reach] = DOMAINS.index(ring.kind)
        return result

    def closed(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True where no cell of the filling may lie: lumens and ring cells."""
        result = np.zeros(len(xy), dtype=bool)
        for ring in self.rings:
            reach = 4.5 if ring.kind == "vessel" else 11.0
            result |= ring.level(xy) < 1.0 + reach / min(ring.axes)
        return result


def lay_out(rng: np.random.Generator, width: float, height: float) -> Layout:
    """Place the cells of a tissue of width x height um."""
    plan = Plan(rng, width, height)
    xy, kind, angle = _ring_cells(rng, plan)
    xy, kind = _fill(rng, plan, xy, kind)
    angle = np.concatenate([angle, _directions(rng, plan, xy[len(angle) :])])
    # numbered by place, as a machine does: the order tells nothing of the type
    order = np.lexsort((xy[:, 0], xy[:, 1] // 12.0))
    xy = xy[order]
    return Layout(xy, kind[order], plan.domains(xy), angle[order], plan.rings)


def _ring_cells(
    rng: np.random.Generator, plan: Plan
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    rows, kinds = [np.empty((0, 3))], []
    for ring in plan.rings:
        if ring.kind == "vessel":
            cells = ring.ring(1.6, 11.5)
            kinds += [index("endothelium")] * len(cells)
        else:
            cells = ring.ring(4.5, 7.6)
            cells[:, 2] += np.pi / 2
            kinds += [index("epithelium")] * len(cells)
        cells[:, :2] += rng.normal(0.0, 0.5, (len(cells), 2))
        cells[:, 2] += rng.normal(0.0, 0.12, len(cells))
        rows.append(cells)
    table = np.concatenate(rows)
    inside = ((table[:, :2] > 0) & (table[:, :2] < plan.size)).all(axis=1)
    kept = np.array(kinds, dtype=np.intp)[inside]
    return table[inside, :2], kept, table[inside, 2]


def _fill(
    rng: np.random.Generator,
    plan: Plan,
    xy: NDArray[np.float64],
    kind: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Throw darts until the plane is full; a type's radius sets its distance."""
    radii = np.array([t.radius / np.sqrt(t.elongation) ** 0.6 for t in CELL_TYPES])
    count = int(plan.size.prod() / 6.0)
    darts = rng.uniform(0.0, 1.0, (count, 2)) * plan.size
    darts = darts[~plan.closed(darts)]
    domains = plan.domains(darts)
    types = _types(rng, plan, darts, domains)
    spacing = np.array([_SPACING.get(name, 0.84) for name in DOMAINS])[domains]
    reach = radii[types] * rng.lognormal(0.0, 0.07, len(darts))
    x, y, r = (np.empty(len(xy) + len(darts)) for _ in range(3))
    x[: len(xy)], y[: len(xy)] = xy.T
    r[: len(xy)] = 3.2
    filled, taken = len(xy), []
    for dart in range(len(darts)):
        dx, dy = x[:filled] - darts[dart, 0], y[:filled] - darts[dart, 1]
        least = (r[:filled] + reach[dart]) * spacing[dart]
        if (dx * dx + dy * dy < least * least).any():
            continue
        x[filled], y[filled] = darts[dart, 0], darts[dart, 1]
        r[filled] = reach[dart]
        filled += 1
        taken.append(dart)
    return (
        np.stack([x[:filled], y[:filled]], axis=1),
        np.concatenate([kind, types[taken]]),
    )


def _types(
    rng: np.random.Generator,
    plan: Plan,
    darts: NDArray[np.float64],
    domains: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Draw a type for each dart; leucocytes gather where the mixing field is high."""
    table = np.array([_COMPOSITION.get(d, _COMPOSITION["stroma"]) for d in DOMAINS])
    weights = table[domains]
    lean = np.zeros(len(NAMES))
    for name in ("T cell", "B cell", "plasma cell"):
        lean[index(name)] = 0.9
    weights = weights * np.exp(plan.mixing.at(darts)[:, None] * lean)
    weights /= weights.sum(axis=1, keepdims=True)
    draw = rng.uniform(0.0, 1.0, len(darts))[:, None]
    picked = (draw > weights.cumsum(axis=1)).sum(axis=1)
    types: NDArray[np.intp] = np.minimum(picked, len(NAMES) - 1).astype(np.intp)
    return types


def _directions(
    rng: np.random.Generator, plan: Plan, xy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return directions along the contours of the nests, as stroma lies."""
    slope = plan.nests.gradient(xy)
    along = np.arctan2(slope[:, 0], -slope[:, 1])
    result: NDArray[np.float64] = along + rng.normal(0.0, 0.35, len(xy))
    return result
