"""Which cells mattered: a cell's neighbours knocked out in turn.

For one cell with something hidden, each of its nearest visible cells is hidden whole,
alone and then all together, and the model guesses again. What changes is what the
model takes from them: a causal check beside its attention, which only says where it
looks. As many random cells far away are the yardstick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import ModelError, SpecError, counted, named
from napari_scfm.experiments.influenced import Influence, Knockouts
from napari_scfm.experiments.knockouts import Question, is_refitted, predictions
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.reference import side_by_side, without_tested
from napari_scfm.masks.make import from_entries, positions
from napari_scfm.masks.mask import Mask
from napari_scfm.models.bags import bags
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

NEIGHBOURS = 12

FAR = 2.0
"""Far cells lie beyond this many times the distance of the last neighbour."""


def influence(
    model: CellModel,
    table: AnnData,
    cell: str | int,
    *,
    mask: Mask | None = None,
    neighbours: int = NEIGHBOURS,
    radius: float | None = None,
    genes: Iterable[str] | None = None,
    far: int | None = None,
    reference: AnnData | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Influence:
    """Hide each neighbour of a cell in turn and return how its prediction changes.

    Parameters
    ----------
    model
        One that can impute; it is not changed. A model that reads bags of cells gets
        many copies of the FOV in one call; one that is fitted to the table is fitted
        anew without the hidden cells, every time.
    table
        Raw counts of one or more FOVs, with ``obsm["spatial"]``.
    cell
        Name or position of the cell that is predicted.
    mask
        What is hidden throughout.
    neighbours
        How many of the nearest visible cells of its FOV are hidden in turn.
    radius
        All visible cells within this many um instead.
    genes
        Genes to predict; they are hidden in this cell. Default: what ``mask`` hides
        of it.
    far
        Random cells beyond twice the distance of the last neighbour that are hidden
        in the same way, as a yardstick; default: as many as neighbours, 0: none.
    reference
        Further cells that a fitted model learns from, such as other FOVs.
    seed
        Of the draw of far cells.
    progress
        Told as the model works; Cancelled raised in it stops at once.

    Raises
    ------
    MaskError
        If the table does not hold the cell or a gene.
    SpecError
        If nothing of the cell is hidden, it has no visible neighbour, or numbers make
        no sense.
    ModelError
        If the model cannot impute, or can predict none of the genes.
    """
    check_table(table, "the table")
    if "impute" not in model.info.capabilities:
        able = ", ".join(sorted(model.info.capabilities)) or "nothing"
        raise ModelError(
            f"Model {model.info.name} cannot impute; it can {able}.",
            "Choose another model: napari-scfm models lists what each can do.",
        )
    row = _row(table, cell)
    hidden = _hidden(table, row, mask, genes)
    asked = hidden.matrix[[row]].indices
    if genes is not None:
        asked = positions(table.var_names, [str(gene) for gene in genes], "gene")
    near, apart = _near(table, row, hidden, neighbours, radius)
    away = _far(near, apart, len(near) if far is None else far, seed)
    groups = [np.zeros(0, dtype=np.int64), *near[:, None], near]
    groups += [*away[:, None], away] if len(away) else []
    question, notes = _question(model, table, hidden, row, asked, reference)
    made = predictions(model, question, groups, progress)
    before = made[0]
    if np.isnan(before).all():
        raise ModelError(
            f"Model {model.info.name} can predict none of {named(question.genes)}.",
            "Hide genes that it knows.",
        )
    notes += list(getattr(model, "notes", []))
    notes += _notes(model, len(groups), len(near), len(away), far, np.isnan(before))
    more = {"cell": str(table.obs_names[row]), "neighbours": len(near)}
    return Influence(
        model.info.name,
        str(table.obs_names[row]),
        row,
        question.genes,
        sparse.csr_array(table.X)[[row]].toarray()[0, asked].astype(np.float32),
        before,
        _part(table, near, apart, made[1 : len(near) + 2]),
        _part(table, away, apart, made[len(near) + 2 :]),
        notes,
        provenance(model.info, seed=seed, far_cells=len(away), **more),
    )


def _row(table: AnnData, cell: str | int) -> int:
    if isinstance(cell, str):
        return int(positions(table.obs_names, [cell], "cell")[0])
    if not 0 <= cell < table.n_obs:
        raise SpecError(
            f"The table has no cell at position {cell}.",
            f"It holds {table.n_obs} cells, counted from 0.",
        )
    return int(cell)


def _hidden(
    table: AnnData, row: int, mask: Mask | None, genes: Iterable[str] | None
) -> Mask:
    """Return what is hidden throughout; of this cell, at least one gene."""
    hidden = Mask.empty(table) if mask is None else mask.for_table(table)
    if genes is not None:
        columns = positions(table.var_names, [str(gene) for gene in genes], "gene")
        hidden = hidden | from_entries(table, np.full(len(columns), row), columns)
    if hidden.matrix[[row]].nnz == 0:
        raise SpecError(
            f"Nothing of cell {table.obs_names[row]} is hidden, so there is no guess "
            "that its neighbours could change.",
            "Hide the cell or a gene, or name genes.",
        )
    return hidden


def _near(
    table: AnnData, row: int, hidden: Mask, neighbours: int, radius: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells to hide, nearest first, and everyone's distance in um.

    The distance is inf for cells that are hidden already, of other FOVs, or without a
    place.
    """
    given = neighbours if radius is None else radius
    if not given > 0:
        what = "neighbours" if radius is None else "um"
        raise SpecError(f"{given} {what} are none.", "Give a number above 0.")
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    bag = next(rows for rows in bags(table) if row in rows)
    can = np.zeros(table.n_obs, dtype=bool)
    can[bag] = ~hidden.whole_cells[bag]
    can[row] = False
    apart = np.where(can, np.linalg.norm(xy - xy[row], axis=1), np.inf)
    order = np.argsort(apart, kind="stable")[: int(np.isfinite(apart).sum())]
    near = order[:neighbours] if radius is None else order[apart[order] <= radius]
    if not len(near):
        where = "its field of view" if radius is None else f"{radius:g} um"
        raise SpecError(
            f"Cell {table.obs_names[row]} has no visible neighbour within {where}.",
            "Hide fewer cells." if radius is None else "Give a larger radius.",
        )
    return near, apart


def _far(near: np.ndarray, apart: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Return random cells far from the neighbours; fewer where there are not enough."""
    if number < 0:
        raise SpecError(f"{number} far cells are none.", "Give 0 or more.")
    beyond = apart > FAR * apart[near[-1]]
    pool = np.flatnonzero(beyond & np.isfinite(apart))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(pool, min(number, len(pool)), replace=False))


def _question(
    model: CellModel,
    table: AnnData,
    hidden: Mask,
    row: int,
    asked: np.ndarray,
    reference: AnnData | None,
) -> tuple[Question, list[str]]:
    from anndata import AnnData

    obs = table.obs[[keys.FOV]] if keys.FOV in table.obs else table.obs[[]]
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)
    counts = sparse.csr_matrix(hidden.visible(table))
    obsm = {keys.SPATIAL: xy}
    shown = AnnData(counts, obs=obs.copy(), var=table.var.copy(), obsm=obsm)
    genes = [str(gene) for gene in table.var_names[asked]]
    if not is_refitted(model):
        return Question(shown, hidden, row, genes), []
    others, notes = without_tested(table, reference)
    learnt = None if others is None else side_by_side(shown, hidden, others)
    return Question(shown, hidden, row, genes, learnt), notes


def _part(
    table: AnnData, rows: np.ndarray, apart: np.ndarray, made: np.ndarray
) -> Knockouts:
    kinds = table.obs.get(keys.CELL_TYPE)
    joint = made[-1] if len(made) else np.full(made.shape[1], np.nan, np.float32)
    return Knockouts(
        rows,
        np.asarray(table.obs_names, dtype=object)[rows],
        apart[rows],
        None if kinds is None else kinds.astype(str).to_numpy(dtype=object)[rows],
        made[: len(rows)],
        joint,
    )


def _notes(
    model: CellModel,
    copies: int,
    near: int,
    away: int,
    far: int | None,
    unknown: np.ndarray,
) -> list[str]:
    notes = []
    name = model.info.name
    if is_refitted(model):
        notes.append(
            f"{name} was fitted anew {copies} times, each time without the cells that "
            "were hidden: they are gone from the fit as well as from the surroundings."
        )
    if unknown.any():
        count = counted(int(unknown.sum()), "gene")
        notes.append(f"{name} cannot predict {count} of this cell; left out.")
    wanted = near if far is None else far
    if away < wanted:
        notes.append(
            f"Only {away} of {counted(wanted, 'far cell')} could be drawn: the field "
            f"of view has no others beyond {FAR:g} times the last neighbour's distance."
        )
    return notes
