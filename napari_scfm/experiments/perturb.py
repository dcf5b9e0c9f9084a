"""In silico perturbation: change a gene in some cells, see what the model expects then.

Two predictions by the same ``model.impute``, of the table as measured and of the
table with the change, and their difference. A model that reads the cells of a FOV
together can pass a change on to cells that were not touched; one that reads cells one
by one shows a difference in the changed cells only. It says what the model has
learnt, not what the tissue would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from napari_scfm import keys
from napari_scfm.errors import ModelError, SpecError, counted, named
from napari_scfm.experiments.perturbation import Perturbation
from napari_scfm.experiments.provenance import provenance
from napari_scfm.genes.identity import match_genes
from napari_scfm.masks.make import mask_cells, positions
from napari_scfm.models.bags import bags
from napari_scfm.progress import Progress, report
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback


def perturb(
    model: CellModel,
    table: AnnData,
    gene: str | Iterable[str],
    cells: Iterable[str] | np.ndarray | None = None,
    *,
    to: float | None = None,
    factor: float | None = None,
    targets: Iterable[str] | None = None,
    progress: ProgressCallback | None = None,
) -> Perturbation:
    """Change a gene's counts in some cells and return how predictions change.

    Parameters
    ----------
    model
        One that can impute; fitted to the table as measured where it is fitted.
    table
        Raw counts of one or more FOVs.
    gene
        One gene of the table, or several that are changed alike.
    cells
        Names, integer positions, or a boolean per cell; all cells by default.
    to
        New count in each of these cells; 0 (a knock-out) if neither is given.
    factor
        Multiply the counts instead; the result is rounded to whole molecules.
    targets
        Genes to predict; all genes of the table by default.
    progress
        Told by the model as it works.

    Raises
    ------
    MaskError
        If the table does not hold a gene or a cell.
    ModelError
        If the model does not know the changed gene, or cannot impute.
    SpecError
        If both ``to`` and ``factor`` are given, or one is no count or factor.
    """
    check_table(table, "the table", coordinates=False)
    genes = (gene,) if isinstance(gene, str) else tuple(map(str, gene))
    columns = positions(table.var_names, genes, "gene")
    _refuse_unknown(model, table, columns)
    touched = _touched(table, cells)
    altered, changed = _altered(table, touched, columns, to, factor)
    wanted = list(table.var_names) if targets is None else [str(t) for t in targets]
    tell = None if progress is None else _Halves(progress)
    fitted = model.fit(table)
    before = fitted.impute(table, wanted, progress=tell)
    if np.isnan(before).all():
        raise ModelError(
            f"Model {model.info.name} can predict none of {named(wanted)}.",
            "Ask for genes that it knows.",
        )
    notes = list(getattr(fitted, "notes", []))
    if tell is not None:
        tell.second = True
    after = fitted.impute(altered, wanted, progress=tell)
    change = np.asarray(after - before, dtype=np.float32)
    together, distance = _near(table, changed)
    done: dict[str, Any] = {"perturbed_genes": list(genes)}
    done["perturbed_cells"] = int(touched.sum())
    done |= {"to": to or 0.0} if factor is None else {"factor": factor}
    kinds = table.obs.get(keys.CELL_TYPE)
    return Perturbation(
        genes,
        touched,
        changed,
        np.asarray(table.obs_names, dtype=object),
        wanted,
        before,
        change,
        together,
        distance,
        None if kinds is None else kinds.astype(str).to_numpy(dtype=object),
        notes + _notes(genes, touched, changed, change),
        provenance(model.info, **done),
    )


def _touched(table: AnnData, cells: Iterable[str] | np.ndarray | None) -> np.ndarray:
    if cells is None:
        return np.ones(table.n_obs, dtype=bool)
    touched = mask_cells(table, cells).whole_cells
    if not touched.any():
        raise SpecError("No cell is chosen, so nothing changes.", "Name some cells.")
    return touched


class _Halves:
    """Reports two pieces of work, one after the other, as one."""

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress = progress
        self.second = False

    def __call__(self, now: Progress) -> None:
        done = now.done + (now.total if self.second else 0)
        text = "Perturbed" if self.second else "As measured"
        report(self._progress, done, 2 * now.total, text)


def _refuse_unknown(model: CellModel, table: AnnData, columns: np.ndarray) -> None:
    if not model.info.genes:
        return
    match = match_genes(table.var, model.info.genes)
    lost = [table.var_names[c] for c in columns if c not in set(match.columns.tolist())]
    if lost:
        raise ModelError(
            f"Model {model.info.name} does not read {named(lost)}, so a change there "
            "changes nothing.",
            "Choose a gene that it knows: `napari-scfm inspect --model` lists them.",
        )


def _altered(
    table: AnnData,
    touched: np.ndarray,
    columns: np.ndarray,
    to: float | None,
    factor: float | None,
) -> tuple[AnnData, np.ndarray]:
    """Return the table with other counts, and in which cells they are others."""
    given = to if factor is None else factor
    if to is not None and factor is not None:
        raise SpecError("Counts are set or multiplied, not both.", "Give to or factor.")
    if given is not None and not (np.isfinite(given) and given >= 0):
        raise SpecError(f"Counts cannot become {given}.", "Give a number from 0 on.")
    counts = sparse.lil_array(sparse.csr_array(table.X, dtype=np.float32))
    at = np.ix_(touched, columns)
    old = counts[at].toarray()
    new = np.full_like(old, to or 0.0)
    if factor is not None:
        new = np.rint(old * np.float32(factor))
    counts[at] = new
    other = table.copy()
    other.X = sparse.csr_matrix(counts.tocsr())
    changed = np.zeros(table.n_obs, dtype=bool)
    changed[touched] = (new != old).any(axis=1)
    return other, changed


def _near(table: AnnData, changed: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return who is in a FOV with a changed cell, and how far from the nearest."""
    together = np.zeros(table.n_obs, dtype=bool)
    distance = np.full(table.n_obs, np.nan)
    placed = keys.SPATIAL in table.obsm
    for rows in bags(table):
        sources = rows[changed[rows]]
        if not len(sources):
            continue
        together[rows] = True
        if placed:
            xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
            distance[rows] = KDTree(xy[sources]).query(xy[rows])[0]
    return together, distance if placed else None


def _notes(
    genes: tuple[str, ...],
    touched: np.ndarray,
    changed: np.ndarray,
    change: np.ndarray,
) -> list[str]:
    notes = []
    if not changed.all():
        same = int((touched & ~changed).sum())
        if same:
            notes.append(
                f"{counted(same, 'cell')} of {int(touched.sum())} had that count of "
                f"{named(genes)} already: nothing changed there."
            )
    if np.isnan(change).all(axis=0).any():
        unknown = int(np.isnan(change).all(axis=0).sum())
        notes.append(f"The model cannot predict {counted(unknown, 'gene')}.")
    return notes
