"""Pictures of cells in few dimensions: PCA of the counts, UMAP of an embedding.

Decides the normalisation before PCA (each cell to the median visible total, then
log1p) and that hidden entries never enter. umap-learn is imported when it is first
used; its warnings about threads and small graphs are settled here, not shown.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.analysis.nearest import nearest
from napari_scfm.analysis.present import present
from napari_scfm.progress import report

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from napari_scfm.analysis.nearest import Near
    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback

OTHERS = 14
"""Neighbours of a cell in UMAP's graph, beside the cell itself; as in clusters."""


def pca(table: AnnData, n: int = 50, mask: Mask | None = None) -> NDArray[np.float32]:
    """Return principal components of the visible log-normalised counts.

    Parameters
    ----------
    table
        Cells x genes, raw counts.
    n
        Components; fewer where the table has fewer cells or genes.
    mask
        What is hidden; hidden entries count as zero.

    Returns
    -------
    (cells, min(n, cells, genes)) float32. The same table gives the same numbers.
    """
    from sklearn.decomposition import PCA

    counts = (
        sparse.csr_array(table.X, dtype=np.float32)
        if mask is None
        else mask.visible(table)
    )
    total = np.asarray(counts.sum(axis=1)).ravel()
    filled = total[total > 0]
    if min(counts.shape) == 0 or not len(filled):
        return np.zeros((table.n_obs, min(n, *counts.shape)), dtype=np.float32)
    factor = np.median(filled) / np.where(total > 0, total, 1.0)
    values = np.log1p(counts.multiply(factor[:, None]).toarray())
    components = min(n, *values.shape)
    if len(values) == 1:
        return np.zeros((1, components), dtype=np.float32)
    solver = PCA(components, svd_solver="covariance_eigh")
    return np.asarray(solver.fit_transform(values), dtype=np.float32)


def _with_itself(near: Near, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return neighbours as UMAP wants them: the cell itself is its own first."""
    n = len(near.index)
    index = np.column_stack([np.arange(n), near.index[:, :k]]).astype(np.int32)
    distance = np.column_stack([np.zeros(n), near.distance[:, :k]])
    return index, distance.astype(np.float32)


class _Told:
    """A file that UMAP's progress bar writes to, "done total" at a time."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        """Report an epoch; what the report raises ends the layout."""
        words = text.split()
        told, progress = len(words) == 2 and words[0].isdigit(), self._progress
        if told and progress is not None:
            try:
                report(progress, int(words[0]), int(words[1]), "UMAP")
            except BaseException:
                self._progress = None  # the bar writes once more when it closes
                raise

    def flush(self) -> None:
        """Hold nothing back."""


def umap(
    embedding: ArrayLike,
    seed: int = 0,
    *,
    near: Near | None = None,
    progress: ProgressCallback | None = None,
) -> NDArray[np.float32]:
    """Return UMAP coordinates of an embedding.

    Parameters
    ----------
    embedding
        (cells, d); a row of NaN where a cell has none.
    seed
        The same seed gives the same picture on one machine.
    near
        The nearest :data:`OTHERS` of the cells that have an embedding, where they are
        known already; else :func:`napari_scfm.analysis.nearest.nearest` finds them.
    progress
        Told of the neighbours, and then of the epochs of the layout.

    Returns
    -------
    (cells, 2) float32, NaN of cells without an embedding. Up to three cells are laid
    out on a line, since UMAP needs a graph.

    Raises
    ------
    ScfmError
        If the embedding is not (cells, d), no cell has one, or it holds other values
        that are not finite.
    """
    points = np.asarray(embedding, dtype=np.float32)
    some = present(points)
    return some.back(_laid_out(some.take(points), seed, near, progress), np.nan)


def _laid_out(
    points: NDArray[np.float32],
    seed: int,
    near: Near | None,
    progress: ProgressCallback | None,
) -> NDArray[np.float32]:
    """Return UMAP coordinates of finite numbers."""
    n = len(points)
    if n <= 3:
        return np.column_stack([np.arange(n), np.zeros(n)]).astype(np.float32)
    k = min(OTHERS, n - 2)
    found = nearest(points, k, progress=progress) if near is None else near
    report(progress, 0, 0, "UMAP: making ready")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        bar = {"disable": progress is None, "file": _Told(progress)}
        layout = UMAP(
            n_neighbors=k + 1,
            precomputed_knn=_with_itself(found, k),
            min_dist=0.3,
            random_state=seed,
            n_jobs=1,
            # the spectral start needs more points than dimensions
            init="spectral" if n > 15 else "random",
            tqdm_kwds=bar | {"bar_format": "{n_fmt} {total_fmt}", "ascii": True},
        ).fit_transform(points)
    return np.asarray(layout, dtype=np.float32)
