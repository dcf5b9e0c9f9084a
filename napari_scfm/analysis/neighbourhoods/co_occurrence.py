"""Co-occurrence: how kinds of cells crowd around one another with distance.

squidpy's score (Palla et al. 2022) of each FOV by itself: the share of a kind among the
cells within a distance of another kind, over its share among the cells within that
distance of any. squidpy knows no FOVs here, so that it is asked once for each, and
the scores are averaged; a FOV counts as much as it holds pairs of the two kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.neighbourhoods.graph import bare_table, homes_of, positions
from napari_scfm.analysis.neighbourhoods.kinds import Kinds, kinds_of
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy
from napari_scfm.errors import ScfmError
from napari_scfm.progress import report

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

REACH, STEPS = 150.0, 15
"""um, and distances up to there."""

_MEMORY = 4e8
"""Bytes that squidpy may count in at a time."""


@dataclass(frozen=True, eq=False)
class CoOccurrence:
    """Scores of pairs of kinds over distance.

    Attributes
    ----------
    kinds
        Of all cells of the table.
    values
        (k, k, r) score of the first kind around the second; 1 is as many as around any
        cell; NaN where no FOV holds both within that distance.
    interval
        (r + 1,) um, from 0; all cells within ``interval[1:]`` count.
    fovs
        How many were averaged.
    """

    kinds: Kinds
    values: np.ndarray
    interval: np.ndarray
    fovs: int

    @property
    def key(self) -> str:
        """Name of the column."""
        return self.kinds.key

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds."""
        return self.kinds.names

    @property
    def radii(self) -> np.ndarray:
        """(r,) um."""
        return np.asarray(self.interval[1:])

    def frame(self) -> pd.DataFrame:
        """Return one row per pair of kinds and distance."""
        import pandas as pd

        count, steps = len(self.names), len(self.radii)
        some = np.asarray(self.names, dtype=object)
        return pd.DataFrame(
            {
                "kind": np.repeat(some, count * steps),
                "around": np.tile(np.repeat(some, steps), count),
                "within_um": np.tile(self.radii, count * count),
                "score": self.values.ravel(),
            }
        )

    def store(self, table: AnnData) -> None:
        """Write it where ``squidpy.gr.co_occurrence`` does."""
        self.kinds.keep(table)
        table.uns[f"{self.key}_co_occurrence"] = {
            "occ": self.values,
            "interval": self.interval,
        }


def co_occurrence(
    table: AnnData,
    key: Any,
    *,
    reach: float = REACH,
    steps: int = STEPS,
    progress: ProgressCallback | None = None,
) -> CoOccurrence:
    """Score how kinds of cells crowd around one another.

    Parameters
    ----------
    table
        Positions in um; cells of no kind are left out.
    key
        See :func:`.kinds_of`.
    reach
        Furthest distance in um.
    steps
        Distances up to there.
    progress
        Told before each FOV, and inside large ones; time grows with their cells
        squared.

    Raises
    ------
    ScfmError
        If there are fewer than two kinds, or the distances make no sense.
    """
    kinds, xy = kinds_of(table, key), positions(table)
    if not reach > 0 or steps < 1:
        raise ScfmError(
            f"{steps} distances up to {reach:g} um are none.", "Ask for 15 up to 150."
        )
    interval = np.linspace(0, reach, steps + 1, dtype=np.float32)
    homes, fovs = homes_of(table)
    count = len(kinds.names)
    total, weight = np.zeros((2, count, count, steps))
    used = 0
    for home, name in enumerate(fovs):
        rows = np.flatnonzero((homes == home) & (kinds.codes >= 0))
        report(progress, home, len(fovs), f"Measuring distances {name}".strip())
        here, codes = np.unique(kinds.codes[rows], return_inverse=True)
        if len(here) < 2:
            continue
        used += 1
        score = _score(xy[rows], codes, interval, progress)
        cells = np.bincount(codes).astype(float)
        pairs = np.broadcast_to(np.outer(cells, cells)[..., None], score.shape)
        pairs = np.where(np.isfinite(score), pairs, 0)
        at = np.ix_(here, here)
        total[at] += np.where(pairs > 0, score, 0) * pairs
        weight[at] += pairs
    report(progress, len(fovs), len(fovs), "Measuring distances")
    values = np.full(total.shape, np.nan)
    np.divide(total, weight, out=values, where=weight > 0)
    return CoOccurrence(kinds, values, interval, used)


def _score(
    xy: np.ndarray,
    codes: np.ndarray,
    interval: np.ndarray,
    progress: ProgressCallback | None,
) -> np.ndarray:
    """Return (k, k, r) of one FOV; NaN for a kind with no cell within a distance."""
    import pandas as pd

    # from the corner, since squidpy measures in float32
    bare = bare_table(xy - xy.min(axis=0), np.zeros(len(xy)))
    bare.obs["kind"] = pd.Categorical(codes.astype(str), np.unique(codes).astype(str))
    kinds = len(np.unique(codes))
    block = max(int(_MEMORY / (4 * len(xy) * kinds**2)), 1)
    parts = []
    for start in range(0, len(interval) - 1, block):
        # each distance is counted by itself, so that they can be asked for in turn
        some = interval[start : start + block + 1].astype(np.float64)
        with quiet_squidpy() as squidpy:
            made, _ = squidpy.gr.co_occurrence(bare, "kind", interval=some, copy=True)
        parts.append(made)
        if progress is not None and block < len(interval) - 1:
            report(progress, start, len(interval) - 1, "Measuring distances")
    score = np.concatenate(parts, axis=2)
    empty = (score == 0).all(axis=0)
    score[np.broadcast_to(empty, score.shape)] = np.nan
    score[np.broadcast_to(empty[:, None], score.shape)] = np.nan
    return np.asarray(score)
