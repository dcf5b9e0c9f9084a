"""Cell types from a labelled reference: both through the same genes, then votes.

What is hidden is never read. A model reads it as hidden. Principal components are those
of the reference and of the cells of which nothing is hidden; where a cell lies in them
is told by its visible genes, as in probabilistic PCA with missing values (Tipping and
Bishop, J. R. Stat. Soc. B 1999; Ilin and Raiko, JMLR 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.analysis.celltypes.agreement import known_labels
from napari_scfm.analysis.celltypes.filled import Axes, placed
from napari_scfm.analysis.celltypes.lognormal import (
    QUIET,
    log_normalised,
    mean_counts,
    moments,
    visible_share,
)
from napari_scfm.analysis.celltypes.voting import FAR, Votes, vote
from napari_scfm.analysis.present import present
from napari_scfm.errors import SpecError, counted, named
from napari_scfm.genes.identity import match_genes
from napari_scfm.models.scale import scale_note

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

COMPONENTS = 30
"""Principal components of the shared genes, where no model is asked."""

MOST_SHARE = 0.5
"""A column with more classes than this share of its cells holds no classes."""

_ROWS = 10_000
"""Cells that are made dense at once."""

FEW_GENES = 10
"""Below so many shared genes a note warns."""


@dataclass(frozen=True, eq=False)
class Told:
    """What a reference told.

    Attributes
    ----------
    classes
        Names of the reference's types, sorted.
    shares
        (cells, classes) float32 shares of the votes; 0 in a cell without counts, or
        without an embedding.
    notes
        Sentences on genes, cells and scales.
    """

    classes: tuple[str, ...]
    shares: NDArray[np.float32]
    notes: tuple[str, ...]


def tell_by_reference(
    table: AnnData,
    reference: AnnData,
    labels: str,
    model: CellModel | None,
    k: int,
    mask: Mask | None = None,
    progress: ProgressCallback | None = None,
) -> Told:
    """Let the k nearest labelled cells of a reference vote on every cell.

    Parameters
    ----------
    table
        Raw counts of the cells to tell.
    reference
        Raw counts of labelled cells; its bags are read apart from the table's.
    labels
        Column of the reference's ``obs``.
    model
        Embeds both; None for principal components of their shared genes.
    k
        How many vote.
    mask
        What is hidden of the cells to tell; it is never read.

    Raises
    ------
    SpecError
        If the reference has no such labels, or shares no gene with the table.
    ModelError
        If the model cannot embed.
    """
    words, known = _labels(reference, labels)
    table, reference, notes = shared_genes(table, reference)
    if mask is not None:
        mask = mask.for_table(table)
        table.X = mask.visible(table)
    cells, theirs = _points(table, reference, model, mask, progress)
    some, readable = present(cells), present(theirs).there
    voters = known & readable
    if not voters.any():
        raise SpecError(
            "No labelled cell of the reference has a count that could be read.",
            "Give other labelled cells.",
        )
    classes, codes = np.unique(words[voters], return_inverse=True)
    own = some.take(_own(table, reference, voters, mask))
    kinds = len(classes)
    votes = vote(some.take(cells), theirs[voters], codes, kinds, k, own, progress)
    empty = (np.asarray(table.X.sum(axis=1)).ravel() == 0) | ~some.there
    shares = np.where(empty[:, None], np.float32(0), some.back(votes.shares, 0))
    notes += _said(votes, known, readable, empty)
    return Told(tuple(map(str, classes)), shares, tuple(notes))


def shared_genes(
    table: AnnData, reference: AnnData
) -> tuple[AnnData, AnnData, list[str]]:
    """Return both with the genes that both measure, under the table's names.

    A gene that one of them lacks would look like a difference of the cells.

    Returns
    -------
    Copies of the table and the reference, and sentences for the user.

    Raises
    ------
    SpecError
        If they share no gene.
    """
    genes = [str(name) for name in table.var_names]
    match = match_genes(reference.var, genes)
    if not len(match.rows):
        raise SpecError(
            f"The reference shares no gene with the table: it names "
            f"{named(reference.var_names, 3)}, the table {named(genes, 3)}.",
            "Give labelled cells with gene symbols or Ensembl ids as variable names.",
        )
    order = np.argsort(match.rows, kind="stable")
    mine, columns = match.rows[order], match.columns[order]
    kept = table[:, mine].copy()
    other = reference[:, columns].copy()
    other.var_names = kept.var_names
    for part in (kept, other):
        part.X = sparse.csr_matrix(part.X, dtype=np.float32)
    notes = [
        f"{len(mine)} of the table's {counted(len(genes), 'gene')} are measured in the "
        f"reference of {counted(reference.n_obs, 'cell')}."
    ]
    if len(mine) < FEW_GENES:
        notes.append("So few genes hardly tell types apart.")
    if match.orthologs:
        notes.append(
            f"{len(match.orthologs)} of these are one-to-one orthologs of another "
            f"species: {named(match.orthologs)}."
        )
    # of few genes the scale is hard to tell: all of the reference's are looked at
    if note := scale_note(reference.X, [str(name) for name in reference.var_names]):
        notes.append(f"The reference: {note}")
    return kept, other, notes


def principal(
    table: AnnData, reference: AnnData, hidden: sparse.csr_array | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return principal components of both together, each row of length 1.

    Log-normalised to the reference's median depth, genes standardised over both.

    Parameters
    ----------
    table, reference
        With the same genes.
    hidden
        (cells, genes) bool: entries of the table that are left out, which it must not
        hold. Cells with any of them shape no component.
    """
    depth = np.asarray(reference.X.sum(axis=1)).ravel()
    filled = depth[depth > 0]
    to = float(np.median(filled)) if len(filled) else 1.0
    both = sparse.vstack([table.X, reference.X], format="csr")
    if hidden is None or hidden.nnz == 0:
        values = log_normalised(both, to)
        axes = _axes(values)
        points = values @ axes.scaled - axes.centre
    else:
        profile = mean_counts(sparse.csr_array(reference.X))
        share = np.ones(both.shape[0])
        share[: table.n_obs] = visible_share(hidden, profile)
        values = log_normalised(both, to, share)
        some = np.flatnonzero(np.diff(hidden.indptr))
        axes = _axes(values[np.setdiff1d(np.arange(values.shape[0]), some)])
        points = values @ axes.scaled - axes.centre
        points[some] = placed(values[some], hidden[some], axes)
    return _unit(points[: table.n_obs]), _unit(points[table.n_obs :])


def _axes(values: sparse.csr_array) -> Axes:
    """Return principal axes of log-normalised counts, genes standardised."""
    from scipy.linalg import eigh

    mean, spread = moments(values)
    spread = spread + QUIET
    product = np.zeros((len(mean), len(mean)))
    for start in range(0, values.shape[0], _ROWS):
        some = values[start : start + _ROWS].toarray()
        product += some.T @ some
    covariance = product / max(values.shape[0], 1) - np.outer(mean, mean)
    covariance /= np.outer(spread, spread)
    most = len(mean) - 1
    first = max(most + 1 - COMPONENTS, 0)
    variance, axes = eigh(covariance, subset_by_index=[first, most])
    return Axes(mean, spread, axes, variance, float(np.trace(covariance)))


def _points(
    table: AnnData,
    reference: AnnData,
    model: CellModel | None,
    mask: Mask | None,
    progress: ProgressCallback | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if model is None:
        return principal(table, reference, None if mask is None else mask.matrix)
    cells = model.fit(table, mask=mask).embed(table, mask=mask, progress=progress)
    theirs = model.fit(table, mask=mask).embed(reference, progress=progress)
    return _unit(cells), _unit(theirs)


def _labels(
    reference: AnnData, labels: str
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    if labels not in reference.obs:
        raise SpecError(
            f"The reference has no labels {labels!r} in obs.",
            f"Its columns are: {named(reference.obs.columns, 20) or 'none'}.",
        )
    words, known = known_labels(reference.obs[labels])
    number = len(np.unique(words[known]))
    if number < 2:
        raise SpecError(
            f"obs[{labels!r}] of the reference names "
            f"{counted(number, 'type')} in {counted(int(known.sum()), 'cell')}; "
            "telling types apart needs two.",
            "Choose another column of labels.",
        )
    if number > MOST_SHARE * known.sum():
        raise SpecError(
            f"obs[{labels!r}] of the reference has {number} different values in "
            f"{int(known.sum())} cells, so it names no types.",
            "Choose a column in which many cells share a label.",
        )
    return words, known


def _own(
    table: AnnData,
    reference: AnnData,
    known: NDArray[np.bool_],
    mask: Mask | None = None,
) -> NDArray[np.intp]:
    """Return which labelled reference cell each cell is itself, -1 for none.

    The name alone does not say so: slides number their cells alike. Of a cell of which
    something is hidden the visible counts tell.
    """
    place = {str(name): at for at, name in enumerate(reference.obs_names[known])}
    own = np.array([place.get(str(name), -1) for name in table.obs_names], np.intp)
    rows = np.flatnonzero(own >= 0)
    theirs = sparse.csr_array(reference.X)[np.flatnonzero(known)[own[rows]]]
    if mask is not None:
        theirs = theirs - theirs.multiply(mask.matrix[rows])
    apart = abs(sparse.csr_array(table.X)[rows] - theirs).sum(axis=1)
    own[rows[np.asarray(apart).ravel() > 0]] = -1
    return own


def _said(
    votes: Votes,
    known: NDArray[np.bool_],
    readable: NDArray[np.bool_],
    empty: NDArray[np.bool_],
) -> list[str]:
    notes = []
    if not known.all():
        many = counted(int((~known).sum()), "cell")
        notes.append(f"{many} of the reference without a label: they do not vote.")
    if not readable.all():
        many = counted(int((~readable).sum()), "cell")
        notes.append(
            f"{many} of the reference without a count that could be read: they do not "
            "vote."
        )
    if empty.any():
        many = counted(int(empty.sum()), "cell has", "cells have")
        notes.append(f"{many} no count of a shared gene: told nothing.")
    share = float(votes.far.mean()) if len(votes.far) else 0.0
    if share > 5 * (1 - FAR):
        notes.append(
            f"{share:.0%} of the cells lie farther from the reference than {FAR:.0%} "
            "of its own cells from one another: they may be of types that it lacks, "
            "or measured too differently."
        )
    return notes


def _unit(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of length 1: angles tell cells apart, lengths mostly their depth."""
    length = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    return np.asarray(points / length, dtype=np.float32)
