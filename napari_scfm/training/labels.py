"""Labels of cells as classes, for objectives that learn from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SpecError, counted, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.training.batches import TrainingBag

NO_LABEL = keys.NO_LABEL
"""Texts that say that a cell has no label, in small letters."""
MOST_SHARE = 0.5
"""A column with more classes than this share of its cells holds no classes."""


def read_labels(table: AnnData, column: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the label of each cell as a code, and the names that codes stand for.

    Parameters
    ----------
    table
        Cells.
    column
        Of ``obs``; None = "cell_type". Missing values and words like "unknown" are
        no label.

    Returns
    -------
    (cells,) int64, -1 without a label; sorted names.

    Raises
    ------
    SpecError
        If there is no such column, or it holds no labels or no classes.
    """
    name = column or keys.CELL_TYPE
    if name not in table.obs:
        raise SpecError(
            f"The table has no labels {name!r} in obs.",
            f"Its columns are: {named(table.obs.columns, 20) or 'none'}.",
        )
    text = table.obs[name].astype(object)
    known = text.notna().to_numpy() & ~text.astype(str).str.lower().isin(NO_LABEL)
    words = text.astype(str).to_numpy()
    if not known.any():
        raise SpecError(
            f"No cell has a label in obs[{name!r}].", "Choose another column."
        )
    names, codes = np.unique(words[known], return_inverse=True)
    if len(names) > MOST_SHARE * known.sum():
        raise SpecError(
            f"obs[{name!r}] has {len(names)} different values in {known.sum()} cells, "
            "so it names no classes.",
            "Choose a column in which many cells share a label.",
        )
    out = np.full(table.n_obs, -1, dtype=np.int64)
    out[known] = codes
    return out, [str(name) for name in names]


def trained_classes(
    training: Sequence[TrainingBag],
    held_out: Sequence[TrainingBag],
    names: Sequence[str],
    notes: list[str],
) -> tuple[list[TrainingBag], list[TrainingBag], list[str]]:
    """Return the bags with classes numbered anew: only those that are trained on.

    Held-out cells of other classes lose their label, with a note.

    Raises
    ------
    SpecError
        If the training bags hold fewer than two classes, or no held-out cell is of
        one of them.
    """
    together = np.concatenate([_labels(bag) for bag in training])
    present = np.unique(together[together >= 0])
    if len(present) < 2:
        only = f": {names[present[0]]!r}" if len(present) else ""
        raise SpecError(
            f"The FOVs that are trained on hold "
            f"{counted(len(present), 'class', 'classes')}{only}, and nothing can be "
            "learned from fewer than two.",
            "Choose another column of labels, or hold out other FOVs.",
        )
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[present] = np.arange(len(present))
    lost = [np.setdiff1d(_labels(bag), [-1, *present]) for bag in held_out]
    foreign = np.unique(np.concatenate([np.zeros(0, np.int64), *lost]))
    if len(foreign):
        notes.append(
            "Labels only in held-out FOVs were not learned and not scored: "
            f"{named(names[code] for code in foreign)}."
        )
    numbered = [
        [replace(bag, labels=place[_labels(bag)]) for bag in bags]
        for bags in (training, held_out)
    ]
    if held_out and all((_labels(bag) < 0).all() for bag in numbered[1]):
        raise SpecError(
            "No cell of the FOVs to validate on has a label that is trained on: "
            f"{named(bag.name for bag in held_out)}.",
            "Hold out FOVs with labelled cells.",
        )
    _note_unlabelled(numbered[0], notes)
    return numbered[0], numbered[1], [names[code] for code in present]


def class_sizes(training: Sequence[TrainingBag], classes: int) -> np.ndarray:
    """Return (classes,) numbers of labelled training cells."""
    together = np.concatenate([_labels(bag) for bag in training])
    return np.bincount(together[together >= 0], minlength=classes)


def _note_unlabelled(training: Sequence[TrainingBag], notes: list[str]) -> None:
    without = sum(int((_labels(bag) < 0).sum()) for bag in training)
    if without:
        notes.append(
            f"{counted(without, 'training cell has', 'training cells have')} no "
            "label: read as neighbours, not learned from."
        )


def _labels(bag: TrainingBag) -> np.ndarray:
    if bag.labels is None:
        raise ValueError("the bag was read without labels")
    return bag.labels
