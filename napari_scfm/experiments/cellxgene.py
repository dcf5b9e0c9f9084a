"""A table as CELLxGENE takes it: with a layout, and without frames in ``obsm``.

CELLxGENE draws what begins with ``X_`` and refuses a table without any; it numbers the
cells anew and then refuses frames, which name them. Decides that places on the tissue
are a layout, that sections whose coordinates lie over one another stand side by side
there, and that the columns of a frame stand in ``uns["<key>_names"]``, from where
reading a table makes the frame again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

OVER = 0.2
"""Share of the smaller box that two fields of view may have in common."""
GAP = 0.05
"""Of the largest box, between sections."""


def fit_for_cellxgene(table: AnnData) -> None:
    """Add the tissue as a layout, and make frames in ``obsm`` arrays."""
    import pandas as pd

    add_tissue_layout(table)
    for key, value in list(table.obsm.items()):
        if isinstance(value, pd.DataFrame):
            table.obsm[key] = value.to_numpy()
            table.uns[keys.names(key)] = np.array([str(c) for c in value.columns])


def add_tissue_layout(table: AnnData) -> None:
    """Write ``obsm["X_tissue"]``: (cells, 2) float32 in um, y up.

    A table without places is left as it is.
    """
    if keys.SPATIAL not in table.obsm or not table.n_obs:
        return
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2] * (1, -1)
    if keys.FOV in table.obs:
        fovs = table.obs[keys.FOV].astype(str).to_numpy()
        codes = np.unique(fovs, return_inverse=True)[1]
        xy = xy + _shifts(xy, codes)[codes]
    table.obsm[keys.TISSUE] = xy.astype(np.float32)


def _shifts(xy: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (fovs, 2) how far each is to be moved."""
    parts = [xy[codes == code] for code in range(int(codes.max()) + 1)]
    low = np.array([part.min(axis=0) for part in parts])
    high = np.array([part.max(axis=0) for part in parts])
    if not _lie_over(low, high):
        return np.zeros_like(low)
    step = (high - low).max(axis=0) * (1 + GAP)
    wide = int(np.ceil(np.sqrt(len(parts))))
    row, column = np.divmod(np.arange(len(parts)), wide)
    corner = np.stack([column, -row - 1], axis=1) * step
    moved: NDArray[np.float64] = corner - low
    return moved


def _lie_over(low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Tell whether any two boxes have more in common than neighbours have."""
    top = np.minimum(high[:, None], high[None])
    common = np.clip(top - np.maximum(low[:, None], low[None]), 0, None).prod(axis=2)
    area = (high - low).prod(axis=1)
    smaller = np.minimum(area[:, None], area[None])
    np.fill_diagonal(common, 0)
    return bool((common > OVER * smaller).any())
