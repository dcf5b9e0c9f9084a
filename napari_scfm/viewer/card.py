"""The card of one cell: what it is, what was guessed of it, and who is around it.

Plain data for a dock or a script. The card of a cell is open while that cell alone is
selected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import counted
from napari_scfm.viewer.cells import cell_names, cell_types
from napari_scfm.viewer.look import comparison_of

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.experiments.influenced import Influence
    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Comparison, Session
    from napari_scfm.viewer.tasks import Work

NEIGHBOURS = 8
"""Cells that a card lists as near."""


@dataclass(frozen=True)
class Guess:
    """One hidden gene of the cell.

    Attributes
    ----------
    gene
        Its name.
    truth
        Measured count.
    predicted
        Model -> predicted count, NaN where it cannot predict; in the summary's order.
    error
        |log1p(predicted) - log1p(truth)| of the model on show, NaN if unknown.
    """

    gene: str
    truth: float
    predicted: dict[str, float]
    error: float


@dataclass(frozen=True)
class Neighbour:
    """A cell near the cell, or one that it attends to.

    Attributes
    ----------
    row
        In the FOV's table.
    name, kind
        The vendor's name, and the cell type ("" if not known).
    distance
        In um.
    hidden
        Whether it is hidden whole from the model.
    times
        Attention in multiples of an even share; NaN for a neighbour.
    """

    row: int
    name: str
    kind: str
    distance: float
    hidden: bool = False
    times: float = float("nan")


@dataclass(frozen=True)
class Card:
    """What is told of one cell.

    Attributes
    ----------
    row
        In the FOV's table.
    name, kind, fov
        The vendor's name, the cell type ("" if not known), the field of view.
    facts, hidden
        Lines of text: counts and place; what of it is hidden from the model now.
    model
        Whose prediction is on show; "" without one.
    guesses
        Its hidden genes that were predicted, largest error first.
    errors
        Model -> mean |error| over its genes that all models could predict.
    neighbours
        The nearest cells of the FOV, nearest first.
    """

    row: int
    name: str
    kind: str
    fov: str
    facts: str
    hidden: str
    model: str = ""
    guesses: tuple[Guess, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


def follow(session: Session) -> None:
    """Open the card of a cell that is selected alone; once per session."""
    if "card" in session.parts:
        return

    def on_selection(rows: np.ndarray) -> None:
        session.cell = int(rows[0]) if len(rows) == 1 else None

    def on_fov() -> None:
        session.cell = None
        session.influence = None

    session.parts["card"] = on_selection, on_fov
    session.events.selection.connect(on_selection)
    session.events.fov.connect(on_fov)
    on_selection(session.selection)


def select(session: Session, row: int) -> None:
    """Select one cell alone, which opens its card."""
    session.selection = np.array([row], dtype=np.int64)


def card_of(session: Session, row: int) -> Card:
    """Return the card of a row of the FOV that is shown."""
    table = session.fov.table
    counts = table.X[[row]]
    counts = np.asarray(counts.toarray() if hasattr(counts, "toarray") else counts)[0]
    facts = f"{counts.sum():,.0f} counts of {counted(int((counts > 0).sum()), 'gene')}"
    if keys.SPATIAL in table.obsm:
        x, y = np.asarray(table.obsm[keys.SPATIAL], dtype=float)[row, :2]
        facts += f", at x {x:.0f}, y {y:.0f} µm"
    made = comparison_of(session)
    guesses = () if made is None else guesses_of(made, row)
    return Card(
        row,
        str(cell_names(table)[row]),
        _kind(table, row),
        session.fov.name,
        f"{facts}.",
        hidden_text(table, session.mask, row),
        made.model if made is not None and guesses else "",
        guesses,
        mean_errors(guesses),
        nearest(table, session.mask, row),
    )


def hidden_text(table: AnnData, mask: Mask | None, row: int) -> str:
    """Return what of a cell is hidden from the model now."""
    number = 0 if mask is None else int(mask.hidden_per_cell[row])
    genes = table.n_vars
    if number == 0:
        return "Nothing of it is hidden from the model."
    if number == genes:
        return "The whole cell is hidden from the model."
    return f"{number} of {genes} genes are hidden from the model."


def guesses_of(made: Comparison, row: int) -> tuple[Guess, ...]:
    """Return the predicted genes of a cell, largest error of the model on show first.

    Genes that the model cannot predict come last.
    """
    columns, values = _entries(made, row)
    if not len(columns):
        return ()
    truth = made.truth[row, columns].astype(float)
    error = np.abs(np.log1p(np.maximum(values[made.model], 0)) - np.log1p(truth))
    order = np.argsort(-np.nan_to_num(error, nan=-1.0), kind="stable")
    return tuple(
        Guess(
            made.genes[columns[at]],
            float(truth[at]),
            {name: float(one[at]) for name, one in values.items()},
            float(error[at]),
        )
        for at in order
    )


def _entries(made: Comparison, row: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the hidden columns of a cell, and what each model said of them."""
    if made.result is None or not len(made.at):
        columns = np.flatnonzero(made.hidden[row])
        return columns, {made.model: made.prediction[row, columns].astype(float)}
    here = np.flatnonzero(made.at[0] == row)
    columns, entries = made.at[1][here], made.at[2][here]
    names = made.models or (made.model,)
    return columns, {
        name: np.asarray(made.result.prediction(name)[entries], dtype=float)
        for name in names
    }


def mean_errors(guesses: tuple[Guess, ...]) -> dict[str, float]:
    """Return each model's mean error over the genes that all of them predict."""
    if not guesses:
        return {}
    names = list(guesses[0].predicted)
    said = np.array([[guess.predicted[name] for name in names] for guess in guesses])
    truth = np.array([[guess.truth] for guess in guesses])
    errors = np.abs(np.log1p(np.maximum(said, 0)) - np.log1p(truth))
    both = ~np.isnan(errors).any(axis=1)
    if not both.any():
        return dict.fromkeys(names, float("nan"))
    return dict(zip(names, errors[both].mean(axis=0).tolist(), strict=True))


def nearest(
    table: AnnData, mask: Mask | None, row: int, number: int = NEIGHBOURS
) -> tuple[Neighbour, ...]:
    """Return the nearest cells of the FOV, nearest first; none without coordinates."""
    if keys.SPATIAL not in table.obsm:
        return ()
    apart = distances(table, row)
    apart[row] = np.inf
    order = np.argsort(apart, kind="stable")[: min(number, table.n_obs - 1)]
    return described(table, mask, order, apart[order])


def distances(table: AnnData, row: int) -> np.ndarray:
    """Return (n,) um from a cell to every cell; NaN without coordinates."""
    if keys.SPATIAL not in table.obsm:
        return np.full(table.n_obs, np.nan)
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    return np.asarray(np.linalg.norm(xy - xy[row], axis=1))


def described(
    table: AnnData,
    mask: Mask | None,
    rows: np.ndarray,
    distance: np.ndarray,
    times: np.ndarray | None = None,
) -> tuple[Neighbour, ...]:
    """Return cells as neighbours are told."""
    whole = np.zeros(table.n_obs, dtype=bool) if mask is None else mask.whole_cells
    names, types = cell_names(table), cell_types(table)
    kinds = np.full(table.n_obs, "") if types is None else np.asarray(types)
    given = np.full(len(rows), np.nan) if times is None else times
    return tuple(
        Neighbour(
            int(at),
            str(names[at]),
            str(kinds[at]),
            float(far),
            bool(whole[at]),
            float(more),
        )
        for at, far, more in zip(rows, distance, given, strict=True)
    )


def _kind(table: AnnData, row: int) -> str:
    types = cell_types(table)
    return "" if types is None else str(types[row])


def which_cells_mattered(
    work: Work, row: int, progress: ProgressCallback | None = None
) -> Influence:
    """Knock out the neighbours of a cell in turn; see :func:`napari_scfm.influence`.

    A cell of which nothing is hidden is hidden whole for this question, and the notes
    say so.
    """
    from dataclasses import replace

    from napari_scfm.experiments.influence import influence
    from napari_scfm.experiments.knockouts import is_refitted
    from napari_scfm.viewer.tasks import other_fovs

    table, mask = work.fov.table, work.mask
    bare = mask is None or mask.hidden_per_cell[row] == 0
    made = influence(
        work.model,
        table,
        row,
        mask=mask,
        genes=list(table.var_names) if bare else None,
        reference=other_fovs(work) if is_refitted(work.model) else None,
        progress=progress,
    )
    if bare:
        note = (
            f"Nothing of {made.cell} is hidden; for this question the whole cell was."
        )
        made = replace(made, notes=[note, *made.notes])
    return made
