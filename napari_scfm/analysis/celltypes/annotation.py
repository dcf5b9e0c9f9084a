"""What is told of cells: a type each, how sure it is, and the scores of all types."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from napari_scfm.analysis.celltypes.agreement import (
    UNKNOWN,
    agreement,
    known_labels,
)
from napari_scfm.analysis.groups.colours import categorical
from napari_scfm.analysis.groups.grouping import TOLD, Grouping
from napari_scfm.errors import SpecError, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from napari_scfm.analysis.celltypes.agreement import Agreement


GREY = 153 / 255


@dataclass(frozen=True, eq=False)
class Annotation:
    """Told cell types.

    Attributes
    ----------
    cells
        Names of the cells, in table order.
    classes
        Names of the types that could be told.
    scores
        (cells, classes) float32; what they mean differs, see ``about``.
    shares
        (cells, classes) float32 in 0..1, how sure each type is; rows sum to at most 1.
    threshold
        Below this confidence a cell is told "unknown".
    about
        Plain values: ``by``, ``score``, what told them and with which settings.
    notes
        Sentences: genes and types that were left out, cells unlike any reference.
    """

    cells: pd.Index
    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    shares: NDArray[np.float32]
    threshold: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> NDArray[np.intp]:
        """(cells,) the surest type, as a place in ``classes``."""
        return np.asarray(self.shares.argmax(axis=1))

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(cells,) how sure the surest type is, also where it is not told."""
        return np.asarray(self.shares.max(axis=1))

    @property
    def told(self) -> NDArray[np.bool_]:
        """(cells,) whether a type is told: the confidence reaches the threshold."""
        # a cell of which nothing at all is known has confidence 0, and a reference
        # may hold cells that are "unknown" themselves, by another name
        named = np.array([name != UNKNOWN for name in self.classes])[self.best]
        return named & (self.confidence >= self.threshold) & (self.confidence > 0)

    @property
    def labels(self) -> pd.Categorical[str]:
        """(cells,) told types; "unknown" is the last category, where it is used."""
        unknown = ~self.told
        names = list(self.classes)
        if unknown.any() and UNKNOWN not in names:
            names.append(UNKNOWN)
        codes = self.best.copy()
        if unknown.any():
            codes[unknown] = names.index(UNKNOWN)
        said: Any = pd.Categorical.from_codes(codes, categories=pd.Index(names))
        return cast("pd.Categorical[str]", said)

    @property
    def sentence(self) -> str:
        """What was told, in words."""
        known = int(self.told.sum())
        used = len(np.unique(self.best[self.told]))
        text = f"{counted(known, 'cell is', 'cells are')} told one of "
        text += f"{counted(used, 'type')}"
        left = len(self.cells) - known
        if left:
            text += f", {left:,} are {UNKNOWN}"
            if self.threshold:
                text += f" (confidence below {self.threshold:g})"
        return f"{text}."

    def to_frame(self) -> pd.DataFrame:
        """Return ``label`` (categorical), ``confidence`` and ``best`` of each cell."""
        return pd.DataFrame(
            {
                "label": self.labels,
                "confidence": self.confidence,
                "best": pd.Categorical.from_codes(
                    self.best, categories=pd.Index(self.classes)
                ),
            },
            index=self.cells,
        )

    def above(self, threshold: float) -> Annotation:
        """Return the same with another threshold; nothing is computed again.

        Raises
        ------
        SpecError
            If it is not in 0..1.
        """
        if not 0 <= threshold <= 1:
            raise SpecError(
                f"The threshold of confidence is {threshold:g}; it must lie in 0..1.",
                "0 tells every cell, 1 hardly any.",
            )
        return replace(self, threshold=float(threshold))

    def renamed(self, names: Mapping[str, str]) -> Annotation:
        """Return the same under other names; types that get one name become one.

        Their shares add up, so that a cell that is unsure between two kinds of T cell
        may be a sure T cell. Scores of votes and of a head add up, too; of marker
        scores the larger one counts.

        Parameters
        ----------
        names
            Class -> new name; others keep theirs.
        """
        new = [names.get(name, name) for name in self.classes]
        classes = tuple(dict.fromkeys(new))
        shape = (len(self.cells), len(classes))
        shares = np.zeros(shape, dtype=np.float32)
        largest = self.about.get("by") == "markers"
        scores = np.full(shape, -np.inf if largest else 0.0, dtype=np.float32)
        add = np.maximum if largest else np.add
        for at, name in enumerate(new):
            to = classes.index(name)
            shares[:, to] += self.shares[:, at]
            scores[:, to] = add(scores[:, to], self.scores[:, at])
        return replace(self, classes=classes, shares=shares, scores=scores)

    def agreement(self, truth: ArrayLike | pd.Series) -> Agreement:
        """Score the told types against known ones; see :func:`.agreement.agreement`.

        Raises
        ------
        SpecError
            If no cell has a known type, or the lengths differ.
        """
        return agreement(truth, self.labels, self.classes)

    def thresholds(self, truth: ArrayLike | pd.Series) -> pd.DataFrame:
        """Return how many cells each threshold tells, and how many of these are right.

        Parameters
        ----------
        truth
            (cells,) known types; cells without one are left out.

        Returns
        -------
        Threshold (0 to 0.9, index) -> ``told`` (share of the cells) and ``right``
        (share of these; NaN where none is told).
        """
        known, there = known_labels(truth)
        right = known == np.array(self.classes, dtype=str)[self.best]
        rows = {}
        for step in range(10):
            told = there & self.above(step / 10).told
            share = float(right[told].mean()) if told.any() else float("nan")
            rows[step / 10] = {"told": told.sum() / max(there.sum(), 1), "right": share}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("threshold")

    def grouping(self, key: str) -> Grouping:
        """Return the told types as classes, to merge, rename and correct by hand.

        Classes without a cell are left out; "unknown" is the last one, grey. Of every
        cell it holds how sure the surest type is.

        Parameters
        ----------
        key
            Column of ``obs``.
        """
        labels = self.labels
        names = [str(name) for name in labels.categories]
        rgba = categorical(len(names))
        if UNKNOWN in names:
            rgba[names.index(UNKNOWN), :3] = GREY
        made = Grouping.of(key, labels.codes, names, rgba, self._made)
        return replace(made, confidence=self.confidence)

    def to_obs(self, table: AnnData, key: str) -> None:
        """Write types, confidence and scores into a table.

        ``obs[key]`` (categorical) and ``uns[key + "_colors"]`` as scanpy has them,
        ``obs[key + "_confidence"]``, ``obsm[key + "_scores"]`` (cells, classes) and
        ``uns[key + "_classes"]``, the names of its columns.

        Parameters
        ----------
        table
            The cells that were annotated.
        key
            Column of ``obs``.

        Raises
        ------
        SpecError
            If the table holds other cells.
        """
        if not table.obs_names.equals(self.cells):
            raise SpecError(
                f"The types were told of {counted(len(self.cells), 'cell')} that are "
                f"not the table's {table.n_obs}.",
                "Write them to the table that was annotated.",
            )
        self.grouping(key).to_obs(table)
        table.obsm[f"{key}_scores"] = self.scores
        table.uns[f"{key}_classes"] = np.array(self.classes, dtype=object)

    @property
    def _made(self) -> str:
        """How the types were told, in a sentence."""
        by, model = self.about.get("by", ""), self.about.get("model", "")
        way = f"{TOLD} {by}" + (f", {model}" if model else "")
        return f"{way}; unknown below a confidence of {self.threshold:g}."
