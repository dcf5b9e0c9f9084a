"""From an experiment's result to what the canvas compares: one model on one FOV.

Matrices are kept gene by gene in memory, because the canvas shows one gene at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.viewer.session import Comparison

if TYPE_CHECKING:
    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.slides.slide import FieldOfView


def comparison_from(
    result: ExperimentResult, fov: FieldOfView, about: dict[str, Any]
) -> Comparison:
    """Return truth and prediction of a FOV's hidden entries, gene by gene.

    Parameters
    ----------
    result
        Of this FOV, or of several with this one among them.
    fov
        The FOV that the canvas shows.
    about
        How the result was made, for figures and files.
    """
    at = _places(result, fov)
    truth = sparse.csr_array(fov.table[:, result.genes].X).toarray(order="F")
    hidden = np.zeros(truth.shape, dtype=bool, order="F")
    hidden[at[0], at[1]] = True
    made = Comparison(
        fov.name,
        result.models[0],
        list(result.genes),
        truth.astype(np.float32, copy=False),
        _matrix(at, result.prediction(), truth.shape),
        hidden,
        result.summary,
        result,
        about,
        _spread(result, result.models[0], at, truth.shape),
        tuple(result.models),
    )
    made.at, made.unsure = at, _unsure(result, made.model)
    made.telling = telling_gene(made) if made.genes else ""
    return made


def on_fov(made: Comparison, fov: FieldOfView) -> Comparison | None:
    """Return the same result on another FOV, if it was predicted there too."""
    result = made.result
    if result is None or made.fov == fov.name or fov.name not in result.spec.fovs:
        return None
    other = comparison_from(result, fov, made.about)
    if not other.hidden.any():
        return None
    return other if other.model == made.model else by_model(other, made.model)


def guessed_cells(
    made: Comparison, gene: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the cells of all FOVs in which a gene was predicted.

    Returns
    -------
    Names of the cells, the model's prediction and the truth, counts; None where the
    result is not at hand or the gene was not hidden.
    """
    result = made.result
    if result is None or gene not in result.genes:
        return None
    at = np.flatnonzero(np.asarray(result.columns) == list(result.genes).index(gene))
    names = np.asarray(result.cells)[result.rows[at]]
    return names, result.prediction(made.model)[at], np.asarray(result.truth_values)[at]


def by_model(made: Comparison, name: str) -> Comparison:
    """Return a comparison with another model's prediction on show."""
    shape, at = made.truth.shape, made.at
    own = [one.provenance for one in made.result.predictions if one.name == name]
    return replace(
        made,
        about={**made.about, **own[0]},
        model=name,
        prediction=_matrix(at, made.result.prediction(name), shape),
        spread=_spread(made.result, name, at, shape),
        unsure=_unsure(made.result, name),
    )


def _places(result: ExperimentResult, fov: FieldOfView) -> tuple[np.ndarray, ...]:
    """Return row and column in the FOV of each entry there, and which entries."""
    row = fov.table.obs_names.get_indexer(result.cells)[result.rows]
    here = np.flatnonzero(row >= 0)
    return row[here], np.asarray(result.columns)[here], here


def _matrix(
    at: tuple[np.ndarray, ...], values: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    out = np.full(shape, np.nan, dtype=np.float32, order="F")
    out[at[0], at[1]] = values[at[2]]
    return out


def _spread(
    result: ExperimentResult,
    name: str,
    at: tuple[np.ndarray, ...],
    shape: tuple[int, int],
) -> np.ndarray | None:
    """Return the spread of a model's predictions, log1p counts, where it has one."""
    spread = _spread_of(result, name)
    return None if spread is None else _matrix(at, spread, shape)


def _unsure(result: ExperimentResult, name: str) -> float:
    """Return the spread that one prediction in a hundred exceeds; 0 without any."""
    spread = _spread_of(result, name)
    if spread is None or not np.isfinite(spread).any():
        return 0.0
    return float(np.nanpercentile(spread, 99))


def _spread_of(result: ExperimentResult, name: str) -> np.ndarray | None:
    found = [one.spread for one in result.predictions if one.name == name]
    return found[0] if found else None


def telling_gene(made: Comparison) -> str:
    """Return the hidden gene that varies most, log1p: the one to look at first."""
    if made.telling:
        return made.telling
    spread = np.zeros(len(made.genes))
    for column in range(len(made.genes)):
        guessed = ~np.isnan(made.prediction[:, column])
        if guessed.any():
            spread[column] = np.log1p(made.truth[guessed, column]).var()
    return made.genes[int(spread.argmax())]
