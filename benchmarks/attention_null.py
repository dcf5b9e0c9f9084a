"""How often streams beat chance where there is nothing to find, and where there is.

Simulated fields of view, 30 nearest cells as partners, all three nulls of the local
regime side by side. Queries and keys are a constant plus a little of what a line below
says; every key is also more or less popular with everybody (log-normal, sd .25).

    independent      queries and keys of all cells independent of one another
    smooth queries   queries vary smoothly over the tissue, keys are independent
    smooth keys      keys vary smoothly, queries are independent
    smooth both      both vary smoothly, and have nothing to do with each other
    domains          types lie in domains; queries and keys go by type, and by chance
    domains, smooth  the same, and both vary smoothly inside the types
    planted          keys to the right of a cell weigh more, and chance
    planted, smooth  the same, and smooth queries and keys that are unrelated
    matrix           (no factors, so "rings" only) independent weights
    matrix, hubs     the same, one cell in twenty is very popular with everybody
    matrix, planted  independent weights times 1 + .3 cos(angle to the right)
    windows          ("rings" only) read in tiles of 50 cells, eight times over: every
                     cell is looked at more or less, in each tile anew, and rows of a
                     tile sum to 1
    windows, smooth  the same, and smooth queries and keys that are unrelated
    windows, planted the same as "windows", times 1 + .1 cos(angle to the right)

In all but the planted ones a share above .05 is an error of that size. Printed for each
null: share of fields whose joint p is at most .05, share of fields with any node that
beats chance, and share of the tissue that does; for the planted ones how far off the
mean direction is at worst in nine of ten fields.

Usage: python benchmarks/attention_null.py [--fields 60] [--cells 600] [--only NAME]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from napari_scfm.analysis.attention.attention_field import NULLS, attention_field
from napari_scfm.analysis.attention.neighbours import pairs_of
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.sct.attending import gathered
from napari_scfm.models.sct.bags import tiles

SIDE, SCALE, WIDTH, WAVES, TYPES, AMOUNT = 1000.0, 150.0, 6, 60, 5, 0.15
NEAR, SMOOTHING, PERMUTATIONS = 30, 3.0, 59
FACTORS = (
    "independent", "smooth queries", "smooth keys", "smooth both", "domains",
    "domains, smooth", "planted", "planted, smooth",
)  # fmt: skip
MATRICES = ("matrix", "matrix, hubs", "matrix, planted")
WINDOWS = ("windows", "windows, smooth", "windows, planted")
KINDS = (*FACTORS, *MATRICES, *WINDOWS)
WINDOW, TILINGS, NOISE = 50, 8, 0.25


def smooth(xy: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, width) random fields, Gaussian correlation of length SCALE."""
    waves = rng.normal(size=(width, WAVES, 2)) / SCALE
    phase = rng.random((width, WAVES)) * 2 * np.pi
    at = np.einsum("nc,dmc->ndm", xy, waves) + phase
    return np.sqrt(2 / WAVES) * np.cos(at).sum(axis=2)


def factors(
    kind: str, xy: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what queries and keys hold beyond a constant, and the types."""
    n = len(xy)
    types = np.zeros(n, dtype=int)

    def chance() -> np.ndarray:
        return rng.normal(size=(n, WIDTH))

    def field() -> np.ndarray:
        return smooth(xy, WIDTH, rng)

    if kind.startswith("domains"):
        types = smooth(xy, TYPES, rng).argmax(axis=1)
        of_type = [rng.normal(size=(TYPES, WIDTH))[types] for _ in range(2)]
        inside = field if kind.endswith("smooth") else chance
        return of_type[0] + inside() / 2, of_type[1] + inside() / 2, types
    if kind.startswith("planted"):
        # sin(w (x_key - x_query)) for several w is a product of waves
        waves = (np.abs(rng.normal(size=8)) + 0.3) / 100
        phase, share = xy[:, :1] * waves, np.sqrt(1 / 8)
        query = np.hstack([-np.sin(phase), np.cos(phase)]) * share
        key = np.hstack([np.cos(phase), np.sin(phase)]) * share
        amount, more = (0.6, field) if kind.endswith("smooth") else (0.5, chance)
        query = np.hstack([query, amount * more()])
        return query, np.hstack([key, amount * more()]), types
    query = field() if kind in ("smooth queries", "smooth both") else chance()
    key = field() if kind in ("smooth keys", "smooth both") else chance()
    return query, key, types


def simulated(kind: str, n: int, seed: int) -> tuple[Attention, np.ndarray, np.ndarray]:
    """Return attention, positions and types of one field."""
    rng = np.random.default_rng(seed)
    xy = rng.random((n, 2)) * SIDE
    if kind in WINDOWS:
        return windows(kind, xy, rng), xy, np.zeros(n, dtype=int)
    if kind in MATRICES:
        return matrix(kind, xy, rng), xy, np.zeros(n, dtype=int)
    query, key, types = factors(kind, xy, rng)
    one = np.ones((n, 1))
    popular = np.exp(0.25 * rng.normal(size=(n, 1)))
    block = Block(
        np.arange(n),
        query=np.hstack([one, AMOUNT * query]),
        key=np.hstack([one, AMOUNT * key]) * popular,
    )
    return Attention([block], n), xy, types


def matrix(kind: str, xy: np.ndarray, rng: np.random.Generator) -> Attention:
    """Return explicit weights, independent or with hubs or a direction."""
    n = len(xy)
    weights = rng.random((n, n))
    if kind.endswith("hubs"):
        weights[:, rng.random(n) < 0.05] *= 30
    if kind.endswith("planted"):
        pairs = pairs_of(xy, np.zeros(n, dtype=int), neighbours=NEAR)
        length = np.linalg.norm(pairs.away, axis=1)
        weights[pairs.rows, pairs.columns] *= 1 + 0.3 * pairs.away[:, 0] / length
    return Attention.from_matrix(weights)


def windows(kind: str, xy: np.ndarray, rng: np.random.Generator) -> Attention:
    """Return weights read in tiles, gathered as those of sCT are."""
    n, found = len(xy), []
    popular = NOISE * rng.normal(size=n)
    like = "smooth both" if kind.endswith("smooth") else "independent"
    query, key, _ = factors(like, xy, rng)
    for _ in range(TILINGS):
        for window in tiles(np.arange(n), xy, WINDOW, rng):
            cells = window.cells
            score = AMOUNT * query[cells] @ key[cells].T + popular[cells]
            weights = np.exp(score + NOISE * rng.normal(size=len(cells)))
            if kind.endswith("planted"):
                away = xy[cells] - xy[cells][:, None]
                length = np.linalg.norm(away, axis=2) + np.eye(len(cells))
                weights *= 1 + 0.1 * away[..., 0] / length
            found.append((window, weights / weights.sum(axis=1, keepdims=True)))
    return gathered(n, [np.arange(n)], found)


def report(kind: str, fields: int, n: int) -> None:
    """Print one line per null."""
    for null in NULLS if kind in FACTORS else NULLS[:1]:
        began, joint, nodes, tissue, off = time.perf_counter(), [], [], [], []
        for seed in range(fields):
            attention, xy, types = simulated(kind, n, seed)
            field = attention_field(
                attention, xy, strata=types, neighbours=NEAR, null=null, seed=seed,
                permutations=PERMUTATIONS, smoothing=SMOOTHING,
            )  # fmt: skip
            joint.append(field.significant)
            nodes.append(field.beats_chance.any())
            tissue.append(field.beats_chance.sum() / np.isfinite(field.grid_p).sum())
            x, y = field.residual.mean(axis=0)
            off.append(abs(np.degrees(np.arctan2(y, -x))))
        line = f"{kind:16s} {null:6s} {np.mean(joint):6.2f} {np.mean(nodes):6.2f}"
        line += f" {np.mean(tissue):7.2f}"
        line += f" {np.quantile(off, 0.9):8.0f}" if "planted" in kind else " " * 9
        print(f"{line} {time.perf_counter() - began:6.0f} s", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="False alarms and power of the nulls.")
    parser.add_argument("--fields", type=int, default=60)
    parser.add_argument("--cells", type=int, default=600)
    parser.add_argument("--only", choices=KINDS)
    asked = parser.parse_args()
    print(f"{asked.fields} fields of {asked.cells} cells, B = {PERMUTATIONS}")
    print(f"{'':16s} {'null':6s} {'joint':>6} {'node':>6} {'tissue':>7} {'degrees':>8}")
    for kind in (asked.only,) if asked.only else KINDS:
        report(kind, asked.fields, asked.cells)


if __name__ == "__main__":
    main()
