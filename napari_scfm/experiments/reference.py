"""The reference: cells in which hidden genes are measured, put beside the table.

Refuses to let the answer in by the back door: a reference cell that the table holds
too is left out and reported. Genes that a reference lacks are hidden in its cells,
since not measured is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import SpecError, named
from napari_scfm.masks.mask import Mask
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData


def without_tested(
    table: AnnData, reference: AnnData | None
) -> tuple[AnnData | None, list[str]]:
    """Return the reference without the cells of the table, and what to say of it.

    Cells are the same if their names are, and their fields of view where both have
    them.

    Raises
    ------
    SlideError
        If the reference holds wrong counts or names.
    """
    if reference is None or reference.n_obs == 0:
        return None, []
    check_table(reference, "the reference", coordinates=False)
    same = reference.obs_names.isin(table.obs_names)
    if keys.FOV in table.obs and keys.FOV in reference.obs:
        tested = set(table.obs[keys.FOV].astype(str))
        same &= reference.obs[keys.FOV].astype(str).isin(tested).to_numpy()
    if not same.any():
        return reference, []
    note = (
        f"{int(same.sum())} of {reference.n_obs} reference cells are cells of the "
        f"table ({named(reference.obs_names[same], 3)}) and were left out of the "
        "reference, so that nothing hidden is seen there."
    )
    return (None if same.all() else reference[~same].copy()), [note]


def all_without_tested(
    table: AnnData, references: Iterable[AnnData]
) -> tuple[list[AnnData], list[str]]:
    """Return references without the cells of the table, and each cell once.

    Raises
    ------
    SlideError
        If a reference holds wrong counts or names.
    """
    found: list[AnnData] = []
    notes: list[str] = []
    for reference in references:
        kept, said = without_tested(table, reference)
        notes += said
        for earlier in found:
            if kept is None:
                break
            again = kept.obs_names.isin(earlier.obs_names)
            kept = None if again.all() else kept[~again].copy() if again.any() else kept
        if kept is not None:
            found.append(kept)
    return found, notes


@dataclass(frozen=True)
class Joined:
    """A reference in the columns of a table, ready to be put below it.

    Attributes
    ----------
    cells
        (cells, genes) with the table's genes; 0 where the reference lacks one.
    missing
        (cells, genes) CSR: True where it lacks one.
    """

    cells: AnnData
    missing: sparse.csr_array

    def under(self, shown: AnnData, mask: Mask) -> tuple[AnnData, Mask]:
        """Return visible cells and reference as one table, with one mask."""
        import pandas as pd
        from anndata import AnnData

        obs = pd.concat([shown.obs, self.cells.obs])[list(self.cells.obs.columns)]
        obsm = {
            name: np.concatenate([shown.obsm[name], values])
            for name, values in self.cells.obsm.items()
        }
        counts = sparse.vstack([shown.X, self.cells.X], format="csr")
        table = AnnData(counts, obs=obs, var=shown.var.copy(), obsm=obsm)
        hidden = sparse.vstack([mask.matrix, self.missing], format="csr")
        return table, Mask(hidden, table.obs_names, table.var_names)


def side_by_side(
    shown: AnnData, mask: Mask, reference: AnnData | None
) -> tuple[AnnData, Mask]:
    """Return visible cells and reference as one table, with one mask.

    Raises
    ------
    SpecError
        If the two share no gene.
    """
    if reference is None:
        return shown, mask
    return joined(shown, reference).under(shown, mask)


def stacked(parts: Sequence[Joined]) -> Joined:
    """Return several references in the columns of one table as one."""
    if len(parts) == 1:
        return parts[0]
    from anndata import concat

    cells = concat([one.cells for one in parts])
    missing = sparse.vstack([one.missing for one in parts], format="csr")
    return Joined(cells, sparse.csr_array(missing))


def joined(shown: AnnData, reference: AnnData) -> Joined:
    """Bring a reference into the columns of a table.

    Parameters
    ----------
    shown
        Names the genes, and says whether cells have fields of view and places.
    reference
        Cells with counts of their own.

    Raises
    ------
    SpecError
        If the two share no gene.
    """
    place = reference.var_names.get_indexer(shown.var_names)
    if (place < 0).all():
        raise SpecError(
            f"The reference shares no gene with the table: it holds "
            f"{named(reference.var_names, 3)}, the table {named(shown.var_names, 3)}.",
            "Name the genes of both in the same way.",
        )
    lacking = np.broadcast_to(place < 0, (reference.n_obs, shown.n_vars))
    return Joined(_aligned(reference, shown, place), sparse.csr_array(lacking))


def _aligned(reference: AnnData, shown: AnnData, place: np.ndarray) -> AnnData:
    from anndata import AnnData

    counts = sparse.csc_array(reference.X, dtype=np.float32)
    there = np.flatnonzero(place >= 0)
    chooser = sparse.csc_array(
        (np.ones(len(there), np.float32), (place[there], there)),
        shape=(reference.n_vars, shown.n_vars),
    )
    other = AnnData(sparse.csr_matrix(counts @ chooser), var=shown.var[[]].copy())
    other.obs_names = [f"reference:{name}" for name in reference.obs_names]
    if keys.FOV in shown.obs:
        fovs = reference.obs.get(keys.FOV, ["all"] * other.n_obs)
        other.obs[keys.FOV] = [f"reference:{name}" for name in fovs]
    if keys.SPATIAL in shown.obsm:
        xy = reference.obsm.get(keys.SPATIAL, np.full((other.n_obs, 2), np.nan))
        other.obsm[keys.SPATIAL] = np.asarray(xy, dtype=np.float64)[:, :2]
    return other
