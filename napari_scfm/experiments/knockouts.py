"""One cell predicted many times, each time with other cells hidden.

A model that reads bags gets its FOV many times over, each copy a bag of one table
with other cells hidden: one call in place of many, with the same numbers, because bags
never see one another. Other models are fitted anew for every copy, so that a hidden
cell is gone from the fit as well.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.masks.make import mask_cells
from napari_scfm.masks.mask import Mask
from napari_scfm.models.bags import bags
from napari_scfm.models.base import CellModel
from napari_scfm.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

MEMORY = 512 * 2**20
"""Bytes that the copies of a FOV in one call may take, by estimate."""

_STEPS = 100


@dataclass(frozen=True)
class Question:
    """What is asked of a model.

    Attributes
    ----------
    shown
        The table; hidden entries are 0.
    mask
        What is hidden in every copy.
    row
        The cell that is predicted.
    genes
        Names of its genes that are predicted.
    reference
        Cells beside the table to fit to, with their mask; see
        :func:`napari_scfm.experiments.reference.side_by_side`.
    """

    shown: AnnData
    mask: Mask
    row: int
    genes: list[str]
    reference: tuple[AnnData, Mask] | None = None

    @property
    def bag(self) -> np.ndarray:
        """Positions of the cells that a model reads together with this one."""
        return next(rows for rows in bags(self.shown) if self.row in rows)


def is_refitted(model: CellModel) -> bool:
    """Tell whether a model is fitted to the table that it predicts."""
    return type(model).fit is not CellModel.fit


def predictions(
    model: CellModel,
    question: Question,
    hidden: Sequence[np.ndarray],
    progress: ProgressCallback | None = None,
    memory: int = MEMORY,
) -> np.ndarray:
    """Return a cell's predicted counts with each group of cells hidden in turn.

    Parameters
    ----------
    model
        One that can impute. It is not changed.
    question
        Which cell, in which table.
    hidden
        For each copy, positions in the table of the cells to hide.
    progress
        Told by the model as it works; 100 steps per copy.
    memory
        Bytes that the copies in one call may take.

    Returns
    -------
    (copies, genes) float32; NaN where the model cannot predict, or a copy leaves it
    nothing to read.
    """
    out = np.full((len(hidden), len(question.genes)), np.nan, np.float32)
    todo = [n for n, rows in enumerate(hidden) if _leaves_some(model, question, rows)]
    if is_refitted(model):
        step, act = 1, _refitted
    else:
        # every call draws the same, but not every bag of it
        drawn = bool(getattr(model, "draws_latent", False))
        step, act = (1 if drawn else _at_once(question, memory)), _stacked
    for start in range(0, len(todo), step):
        some = todo[start : start + step]
        tell = _Part(progress, start, len(some), len(todo))
        tell(Progress(0, 1))
        out[some] = act(model, question, [hidden[n] for n in some], tell)
    report(progress, len(todo) * _STEPS, len(todo) * _STEPS)
    return out


class _Part:
    """Reports some copies out of many."""

    def __init__(
        self, progress: ProgressCallback | None, start: int, size: int, total: int
    ) -> None:
        self._progress, self._start = progress, start
        self._size, self._total = size, total

    def __call__(self, now: Progress) -> None:
        part = now.done / now.total if now.total else 0.0
        done = round((self._start + min(part, 1.0) * self._size) * _STEPS)
        text = f"knock-out {done // _STEPS + 1} of {self._total}"
        report(self._progress, done, self._total * _STEPS, text)


def _leaves_some(model: CellModel, question: Question, rows: np.ndarray) -> bool:
    """Tell whether anything is visible where a model looks once cells are hidden."""
    if is_refitted(model) and question.reference is not None:
        return True
    seen = ~question.mask.whole_cells
    seen[rows] = False
    return bool(seen.any() if is_refitted(model) else seen[question.bag].any())


def _at_once(question: Question, memory: int) -> int:
    """Return how many copies of a FOV fit: counts, masks and predictions of each."""
    rows = question.bag
    counts = int(np.diff(question.shown.X.indptr)[rows].sum())
    hidden = int(np.diff(question.mask.matrix.indptr)[rows].sum())
    asked = len(rows) * len(question.genes)
    return max(1, memory // (32 * counts + 20 * hidden + 8 * asked + 200 * len(rows)))


def _stacked(
    model: CellModel,
    question: Question,
    hidden: Sequence[np.ndarray],
    progress: Callable[[Progress], None],
) -> np.ndarray:
    from anndata import AnnData
    from pandas import DataFrame, RangeIndex

    rows, table = question.bag, question.shown
    size, copies = len(rows), len(hidden)
    gone = np.stack([np.isin(rows, group) for group in hidden]).ravel()
    stay = sparse.diags_array((~gone).astype(np.float32))
    counts = sparse.csr_array(table.X)[rows]
    stacked = sparse.csr_matrix(stay @ sparse.vstack([counts] * copies, format="csr"))
    stacked.eliminate_zeros()
    names = RangeIndex(size * copies).astype(str)
    bag = np.repeat(np.arange(copies), size).astype(str)
    many = AnnData(stacked, obs=DataFrame({keys.FOV: bag}, names), var=table.var)
    if keys.SPATIAL in table.obsm:
        xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[rows]
        many.obsm[keys.SPATIAL] = np.tile(xy, (copies, 1))
    before = sparse.vstack([question.mask.matrix[rows]] * copies, format="csr")
    both = Mask(before, names, table.var_names) | mask_cells(many, gone)
    values = model.impute(many, question.genes, mask=both, progress=progress)
    place = int(np.flatnonzero(rows == question.row)[0])
    return np.asarray(values[np.arange(copies) * size + place])


def _refitted(
    model: CellModel,
    question: Question,
    hidden: Sequence[np.ndarray],
    progress: Callable[[Progress], None],
) -> np.ndarray:
    out = []
    for rows in hidden:
        shown, mask = _without(question.shown, question.mask, rows)
        learnt, known = shown, mask
        if question.reference is not None:
            # the table's own cells come first there
            learnt, known = _without(*question.reference, rows)
        fitted = copy.copy(model).fit(learnt, mask=known)
        values = fitted.impute(shown, question.genes, mask=mask, progress=progress)
        out.append(values[question.row])
    return np.stack(out)


def _without(table: AnnData, mask: Mask, rows: np.ndarray) -> tuple[AnnData, Mask]:
    """Return a table and its mask with some cells hidden whole."""
    stay = np.ones(table.n_obs, dtype=np.float32)
    stay[rows] = 0
    other = table.copy()
    other.X = sparse.csr_matrix(sparse.diags_array(stay) @ sparse.csr_array(table.X))
    return other, mask | mask_cells(table, np.asarray(rows, dtype=np.int64))
