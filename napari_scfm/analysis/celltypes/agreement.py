"""How well told cell types agree with known ones: confusion, accuracy and F1.

Decides what the released scores of this family leave open:

* accuracy is the share of cells that are right, balanced accuracy the mean recall of
  the true classes; never one under the name of the other;
* macro-F1 is the plain mean over every class that is known or told, 0 for a class that
  is never right (scikit-learn with the union as labels and ``zero_division=0``);
* a cell that is told "unknown" is wrong, but "unknown" is no class of its own;
* a class that could not be told can never be right, so F1 of the shared classes stands
  beside; and always the scores of saying the most common class of all cells.

Cells without a known label are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Bools = NDArray[np.bool_]

UNKNOWN: Final = "unknown"
"""What a cell is told where nothing is said of it."""

MAJORITY: Final = "majority class"


@dataclass(frozen=True, eq=False)
class Agreement:
    """Told types beside known ones.

    Attributes
    ----------
    confusion
        Cells of each known (rows) and told (columns) class; a last column "unknown"
        where some cells are told nothing.
    summary
        Two rows, "told" and "majority class": ``accuracy``, ``balanced_accuracy``,
        ``macro_f1``, ``macro_f1_shared``, ``accuracy_told`` (of the cells that are not
        told "unknown"; NaN without any), all 0..1; ``n_cells``, ``n_unknown``.
    per_class
        One row per class: ``precision``, ``recall``, ``f1``, ``n_known``, ``n_told``,
        ``shared``.
    n_unlabelled
        Cells left out, since nobody knows their type.
    """

    confusion: pd.DataFrame
    summary: pd.DataFrame
    per_class: pd.DataFrame
    n_unlabelled: int

    @property
    def scores(self) -> dict[str, float]:
        """The row "told" of the summary."""
        return self._scores("told")

    @property
    def comparable(self) -> bool:
        """Whether any type that could be told is named as a known one."""
        return bool(self.per_class["shared"].any())

    @property
    def sentence(self) -> str:
        """The scores in words, beside those of the most common class."""
        told, most = self.scores, self._scores(MAJORITY)
        if not self.comparable:
            return (
                "No told type is named as a known one, so scores by name say nothing; "
                "the confusion shows which is which."
            )
        text = (
            f"Of {int(told['n_cells']):,} cells with a known type "
            f"{told['accuracy']:.1%} are right (always the most common: "
            f"{most['accuracy']:.1%}); balanced accuracy "
            f"{told['balanced_accuracy']:.3f} ({most['balanced_accuracy']:.3f}), "
            f"macro-F1 {told['macro_f1']:.3f} ({most['macro_f1']:.3f}), of the shared "
            f"classes {told['macro_f1_shared']:.3f}."
        )
        if told["n_unknown"]:
            text += (
                f" {int(told['n_unknown']):,} are told {UNKNOWN} and count as wrong; "
                f"of the others {told['accuracy_told']:.1%} are right."
            )
        return text

    def _scores(self, row: str) -> dict[str, float]:
        values = self.summary.loc[row].to_numpy(dtype=float)
        return dict(zip(map(str, self.summary.columns), values.tolist(), strict=True))


def known_labels(values: ArrayLike | pd.Series) -> tuple[NDArray[np.str_], Bools]:
    """Return labels as text, and which of them say something.

    Parameters
    ----------
    values
        (cells,) labels; missing values and words like "unknown" say nothing.

    Returns
    -------
    (cells,) str and (cells,) bool.
    """
    # words are looked at once each: a slide has many cells and few kinds
    codes, kinds = pd.factorize(np.asarray(values, dtype=object))
    text = np.array([*map(str, kinds), "nan"], dtype=str)
    known = [word.strip().lower() not in keys.NO_LABEL for word in text]
    return text[codes], np.array(known, dtype=bool)[codes]


def confusion(truth: ArrayLike, said: ArrayLike) -> pd.DataFrame:
    """Return how many cells of each known class were told each class.

    Parameters
    ----------
    truth
        (cells,) known labels; cells without one are left out.
    said
        (cells,) told labels.

    Returns
    -------
    Known classes x told classes, both over the union of the two, sorted; a last column
    "unknown" where some cells are told nothing.
    """
    known, there = known_labels(truth)
    told, spoken = known_labels(said)
    if known.shape != told.shape:
        raise SpecError(
            f"{len(known)} known labels cannot be compared with {len(told)} told ones.",
            "Give one of each per cell.",
        )
    classes = np.unique(np.concatenate([known[there], told[there & spoken]]))
    k = len(classes)
    rows = np.searchsorted(classes, known[there])
    columns = np.full(len(rows), k)
    says = spoken[there]
    columns[says] = np.searchsorted(classes, told[there][says])
    counts = np.bincount(rows * (k + 1) + columns, minlength=k * (k + 1))
    frame = pd.DataFrame(
        counts.reshape(k, k + 1),
        index=pd.Index(classes, name="known", dtype=object),
        columns=pd.Index([*classes, UNKNOWN], name="told", dtype=object),
    )
    return frame if frame[UNKNOWN].any() else frame.drop(columns=UNKNOWN)


def agreement(
    truth: ArrayLike, said: ArrayLike, able: Iterable[str] | None = None
) -> Agreement:
    """Score told cell types against known ones.

    Parameters
    ----------
    truth
        (cells,) known labels; cells without one are left out.
    said
        (cells,) told labels.
    able
        Classes that could be told, for the shared F1; None = those that were told.

    Raises
    ------
    SpecError
        If no cell has a known label, or the two differ in length.
    """
    known, there = known_labels(truth)
    table = confusion(known, said)
    if not there.any():
        raise SpecError(
            "No cell has a known type, so there is nothing to score against.",
            "Name a column in which cells are labelled.",
        )
    classes = [str(name) for name in table.index]
    most = str(table.sum(axis=1).idxmax())
    always = confusion(known[there], np.full(int(there.sum()), most, dtype=object))
    able = [name for name in classes if table[name].any()] if able is None else able
    shared = [name for name in map(str, able) if name in classes]
    scores = per_class(table)
    scores["shared"] = scores.index.isin(shared) & (scores["n_known"] > 0)
    summary = pd.DataFrame(
        {"told": _row(table, shared), MAJORITY: _row(always, shared)}
    ).T
    whole = ["n_cells", "n_unknown"]
    summary[whole] = summary[whole].astype(int)
    return Agreement(table, summary, scores, int((~there).sum()))


def per_class(table: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 of each class of a confusion table.

    Precision is TP/(TP+FP), recall TP/(TP+FN) and F1 2PR/(P+R); each is 0 where its
    denominator is.
    """
    classes = list(table.index)
    right = np.diag(table[classes].to_numpy()).astype(float)
    known = table.to_numpy().sum(axis=1)
    told = table[classes].to_numpy().sum(axis=0)
    return pd.DataFrame(
        {
            "precision": _over(right, told),
            "recall": _over(right, known),
            "f1": _over(2 * right, known + told),
            "n_known": known,
            "n_told": told,
        },
        index=table.index.rename("class"),
    )


def _row(table: pd.DataFrame, shared: Sequence[str]) -> dict[str, float]:
    scores = per_class(table)
    there = scores["n_known"] > 0
    right = float((scores["recall"] * scores["n_known"]).sum())
    both = scores.loc[[name for name in shared if bool(there.get(name, False))], "f1"]
    size = int(scores["n_known"].sum())
    silent = int(table[UNKNOWN].sum()) if UNKNOWN in table else 0
    return {
        "accuracy": right / size,
        "balanced_accuracy": float(scores.loc[there, "recall"].mean()),
        "macro_f1": float(scores["f1"].mean()),
        "macro_f1_shared": float(both.mean()) if len(both) else 0.0,
        "accuracy_told": right / (size - silent) if silent < size else float("nan"),
        "n_cells": size,
        "n_unknown": silent,
    }


def _over(part: NDArray[np.float64], whole: NDArray[Any]) -> NDArray[np.float64]:
    out = np.zeros(len(part))
    np.divide(part, whole, out=out, where=whole > 0)
    return out
